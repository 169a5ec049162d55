"""Where a Class A answer may go: gateway, window, frequency, data rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model import LoraDownlink, LoraFrame
from wire.lorawan import airtime, eu868

from .adr import required_snr_db
from .gathering import Heard

WELL_DB = 5.0  # above the demodulation floor: a node's receiver is a little worse than a gateway's


@dataclass(frozen=True, slots=True)
class RxPlan:
    """The receive windows that a device opens after an uplink."""

    rx1_delay_s: int
    rx1_dr_offset: int
    rx2_dr: int


JOIN_PLAN = RxPlan(eu868.JOIN_ACCEPT_DELAY1_S, 0, eu868.RX2_DR)


@dataclass(frozen=True, slots=True)
class Window:
    """One way to answer. opens_at_s is loop time."""

    copy: LoraFrame
    opens_at_s: float
    delay_s: int
    frequency_hz: int
    dr: int
    power_dbm: int

    def downlink(self, phy: bytes, fallback: LoraDownlink | None = None) -> LoraDownlink:
        """Return the frame as this window's gateway is to send it."""
        spreading_factor, bandwidth_khz = eu868.modulation(self.dr)
        return LoraDownlink(
            gateway_id=self.copy.gateway_id,
            phy=phy,
            timestamp_us=(self.copy.timestamp_us + self.delay_s * 1_000_000) & 0xFFFFFFFF,
            frequency_hz=self.frequency_hz,
            spreading_factor=spreading_factor,
            bandwidth_khz=bandwidth_khz,
            power_dbm=self.power_dbm,
            delay_s=self.delay_s,
            context=self.copy.context,
            fallback=fallback,
        )

    @property
    def is_second(self) -> bool:
        """Whether it is RX2."""
        return self.frequency_hz == eu868.RX2_FREQ_HZ

    def airtime_us(self, length: int) -> int:
        """Return microseconds on air of that many bytes (downlinks carry no CRC)."""
        spreading_factor, bandwidth_khz = eu868.modulation(self.dr)
        return airtime.time_on_air_us(spreading_factor, bandwidth_khz, length, False)


def windows(heard: Heard, plan: RxPlan, rx1_power_dbm: int, rx2_power_dbm: int) -> Iterator[Window]:
    """Yield every way to answer, best first.

    RX1 of the gateway that heard best, RX1 of others that heard well, then RX2 (slower, so it keeps its
    gateway from hearing for longer), and last RX1 of those that hardly heard the device.
    """
    first, second, weak = [], [], []
    for copy in heard.best_first():
        uplink_dr = eu868.data_rate(copy.spreading_factor, copy.bandwidth_khz)
        if uplink_dr is not None:
            rx1 = Window(
                copy,
                heard.arrived_at_s + plan.rx1_delay_s,
                plan.rx1_delay_s,
                copy.frequency_hz,
                eu868.rx1_data_rate(uplink_dr, plan.rx1_dr_offset),
                rx1_power_dbm,
            )
            (first if not first or _is_well_heard(copy) else weak).append(rx1)
        delay_s = plan.rx1_delay_s + 1
        at_s = heard.arrived_at_s + delay_s
        second.append(Window(copy, at_s, delay_s, eu868.RX2_FREQ_HZ, plan.rx2_dr, rx2_power_dbm))
    yield from (*first, *second, *weak)


def _is_well_heard(copy: LoraFrame) -> bool:
    return copy.snr_db is not None and copy.snr_db >= required_snr_db(copy.spreading_factor) + WELL_DB

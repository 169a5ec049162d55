"""Where a Class A answer may go: gateway, window, frequency, data rate, and the gateway's own duty cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model import LoraDownlink, LoraFrame
from wire.lorawan import airtime, eu868

from .gathering import Heard

_HOUR_S = 3600.0


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

    def downlink(self, phy: bytes) -> LoraDownlink:
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
        )

    def airtime_s(self, length: int) -> float:
        """Return seconds on air of that many bytes (downlinks carry no CRC)."""
        spreading_factor, bandwidth_khz = eu868.modulation(self.dr)
        return airtime.time_on_air_us(spreading_factor, bandwidth_khz, length, False) / 1e6


def windows(heard: Heard, plan: RxPlan, rx1_power_dbm: int, rx2_power_dbm: int) -> Iterator[Window]:
    """Yield every way to answer, best first: the gateway that heard best, RX1 before RX2."""
    for copy in heard.best_first():
        uplink_dr = eu868.data_rate(copy.spreading_factor, copy.bandwidth_khz)
        if uplink_dr is not None:
            yield Window(
                copy,
                heard.arrived_at_s + plan.rx1_delay_s,
                plan.rx1_delay_s,
                copy.frequency_hz,
                eu868.rx1_data_rate(uplink_dr, plan.rx1_dr_offset),
                rx1_power_dbm,
            )
        delay_s = plan.rx1_delay_s + 1
        yield Window(
            copy, heard.arrived_at_s + delay_s, delay_s, eu868.RX2_FREQ_HZ, plan.rx2_dr, rx2_power_dbm
        )


class DutyLedger:
    """Seconds on air of each gateway and sub-band in the last hour (ETSI EN 300 220-2)."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, int], deque[tuple[float, float]]] = {}

    def allows(self, gateway_id: str, frequency_hz: int, airtime_s: float, now_s: float) -> bool:
        """Tell whether the sub-band still has room for this long; never outside the sub-bands."""
        band = eu868.sub_band(frequency_hz)
        if band is None:
            return False
        spent = self._spent.get((gateway_id, band), deque())
        while spent and spent[0][0] <= now_s - _HOUR_S:
            spent.popleft()
        budget_s = _HOUR_S * eu868.SUB_BANDS[band][2] / 1000
        return sum(seconds for _, seconds in spent) + airtime_s <= budget_s

    def spend(self, gateway_id: str, frequency_hz: int, airtime_s: float, end_s: float) -> None:
        """Book a transmission that ends at this loop time."""
        band = eu868.sub_band(frequency_hz)
        if band is not None:
            self._spent.setdefault((gateway_id, band), deque()).append((end_s, airtime_s))

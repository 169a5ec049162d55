"""Settings of the network server, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import ConfigError
from wire.lorawan import eu868


@dataclass(frozen=True, slots=True)
class LnsSettings:
    """Settings; the names are the keys under `lns.` in the configuration.

    net_id: 0 and 1 are for private networks. gathering_s: how long copies of a frame by other
    gateways are waited for. rx1_delay_s: what devices are told at their join; RX2 is one second
    later. A longer delay suits slow backhaul. The powers are for a dipole of 2.15 dBi.
    """

    net_id: int = 0
    gathering_s: float = 0.2
    rx1_delay_s: int = 1
    rx1_dr_offset: int = 0
    rx2_dr: int = eu868.RX2_DR
    rx1_power_dbm: int = 14
    rx2_power_dbm: int = 27
    extra_channels_hz: tuple[int, ...] = eu868.EXTRA_CHANNELS_HZ
    adr: bool = True
    adr_margin_db: float = 10.0
    lead_s: float = 0.06
    queue_length: int = 16
    confirmed_attempts: int = 3
    max_gathering: int = 10_000

    def __post_init__(self) -> None:
        self._within("net_id", self.net_id, 0, 0x3F)
        self._within("gathering_s", self.gathering_s, 0.0, 0.8)
        self._within("rx1_delay_s", self.rx1_delay_s, 1, 15)
        self._within("rx1_dr_offset", self.rx1_dr_offset, 0, eu868.MAX_RX1_DR_OFFSET)
        self._within("rx2_dr", self.rx2_dr, eu868.MIN_DR, eu868.MAX_DEFAULT_DR)
        self._within("rx1_power_dbm", self.rx1_power_dbm, 0, 14)
        self._within("rx2_power_dbm", self.rx2_power_dbm, 0, 27)
        self._within("adr_margin_db", self.adr_margin_db, 0.0, 30.0)
        self._within("lead_s", self.lead_s, 0.0, 0.5)
        self._within("queue_length", self.queue_length, 1, 1000)
        self._within("confirmed_attempts", self.confirmed_attempts, 1, 15)
        self._within("max_gathering", self.max_gathering, 1, 1_000_000)
        self._within("extra_channels_hz", len(self.extra_channels_hz), 0, 5)
        for freq_hz in self.extra_channels_hz:
            if eu868.sub_band(freq_hz) is None or freq_hz % 100:
                raise ConfigError("lns.extra_channels_hz", f"{freq_hz} is in no EU868 band: remove it")

    @staticmethod
    def _within(key: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise ConfigError(f"lns.{key}", f"{value} is outside {low}..{high}: choose a value in that range")

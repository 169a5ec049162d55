"""Sensirion SCD40/SCD41: CO2, temperature and humidity on I2C, a value every 5 s while measuring."""

from __future__ import annotations

from .base import Constants, Nak, Source
from .sensirion import CommandChip, quantity

_INTERVAL_US = 5_000_000


class SCD4x(CommandChip):
    """Quantities: co2_ppm, temperature_c, relative_humidity_pct.

    While it measures it acknowledges only read, ready, stop and pressure. A value is read once.
    Faults: nak, brown_out, bad_crc, slow, stuck (no new value), drift (150 ppm too high), no_co2 (sends 0).
    """

    takes_us = {0x3F86: 500_000, 0x3615: 800_000, 0x3632: 1_200_000, 0x362F: 400_000}  # noqa: RUF012

    def __init__(
        self, source: Source | None = None, address: int = 0x62, serial: int = 0xBEEF_0731_9A55
    ) -> None:
        super().__init__()
        self.address = address
        self.serial = serial
        self.source: Source = source or Constants(co2_ppm=420.0)
        self.measuring = False
        self.pressure_hpa = 1013
        self._start_us = 0
        self._read_index = 0

    def power_off(self) -> None:
        """Forget what is volatile."""
        self.measuring = False
        self.pressure_hpa = 1013

    def run(self, code: int, words: list[int], now_us: int) -> None:
        """Do what the command asks."""
        if self.measuring and code not in (0xE4B8, 0xEC05, 0x3F86, 0xE000):
            raise Nak("not while measuring")
        if code == 0x21B1:
            self.measuring = True
            self._start_us = now_us
            self._read_index = 0
        elif code == 0x3F86:
            self.measuring = False
        elif code == 0xE000 and len(words) == 1:
            self.pressure_hpa = words[0]
        elif code not in (0xE4B8, 0xEC05, 0xE000, 0x3682, 0x3615):
            raise Nak("unknown command")

    def answer(self, code: int, now_us: int) -> list[int]:
        """Return the words at the pointer."""
        if code == 0xE4B8:
            return [0x8006 if self._fresh(now_us) else 0x8000]
        if code == 0xEC05 and self._fresh(now_us):
            self._read_index = self._index(now_us)
            return self._measure(self._start_us + self._read_index * _INTERVAL_US)
        if code == 0xE000:
            return [self.pressure_hpa]
        if code == 0x3682:
            return [self.serial >> 32 & 0xFFFF, self.serial >> 16 & 0xFFFF, self.serial & 0xFFFF]
        raise Nak("no data")

    def _index(self, now_us: int) -> int:
        return (now_us - self._start_us) // (_INTERVAL_US * (10 if "slow" in self.faults else 1))

    def _fresh(self, now_us: int) -> bool:
        return self.measuring and "stuck" not in self.faults and self._index(now_us) > self._read_index

    def _measure(self, at_us: int) -> list[int]:
        co2 = self.source("co2_ppm", at_us) + (150.0 if "drift" in self.faults else 0.0)
        temperature = quantity(self.source, "temperature_c", at_us, 20.0)
        humidity = quantity(self.source, "relative_humidity_pct", at_us, 50.0)
        fractions = ((temperature + 45.0) / 175.0, humidity / 100.0)
        return [
            0 if "no_co2" in self.faults else round(max(0.0, min(40_000.0, co2))),
            *(round(min(1.0, max(0.0, f)) * 65535) for f in fractions),
        ]

"""Sensirion SGP41: two heated metal oxide pixels on I2C, ticks by the logarithm of a resistance."""

from __future__ import annotations

from .base import Constants, Nak, Source
from .sensirion import CommandChip, quantity

_DAMAGE_US = 10_500_000


class SGP41(CommandChip):
    """Quantities: sraw_voc, sraw_nox (ticks). `conditioned_us`: the longest conditioning so far.

    Faults: nak, brown_out, bad_crc, slow, stuck (the same ticks), gas_fail (self-test fails, ticks are 0),
    drift (500 ticks up, as a pixel that ages does).
    `damaged` tells that it was conditioned for more than 10 s, which ruins the NOx pixel.
    """

    takes_us = {0x2612: 50_000, 0x2619: 50_000, 0x280E: 320_000, 0x3682: 1_000}  # noqa: RUF012

    def __init__(
        self, source: Source | None = None, address: int = 0x59, serial: int = 0x0000_0123_4567
    ) -> None:
        super().__init__()
        self.address = address
        self.serial = serial
        self.source: Source = source or Constants()
        self.arguments = (0x8000, 0x6666)
        self.heating = False
        self._conditioning_us: int | None = None
        self._longest_us = 0
        self._ticks = [30_000, 15_000]

    @property
    def damaged(self) -> bool:
        """Tell whether it was ever conditioned for too long."""
        return self._longest_us > _DAMAGE_US

    def power_off(self) -> None:
        """Forget what is volatile."""
        self.heating = False
        self._conditioning_us = None

    def run(self, code: int, words: list[int], now_us: int) -> None:
        """Do what the command asks."""
        if code in (0x2612, 0x2619):
            if len(words) != 2:
                raise Nak("humidity and temperature are missing")
            self.arguments = (words[0], words[1])
        if self._conditioning_us is not None and code != 0x2612:
            self._longest_us = max(self._longest_us, now_us - self._conditioning_us)
            self._conditioning_us = None
        if code == 0x2612:
            self.heating = True
            if self._conditioning_us is None:
                self._conditioning_us = now_us
        elif code == 0x2619:
            self.heating = True
        elif code == 0x3615:
            self.heating = False
        elif code not in (0x280E, 0x3682):
            raise Nak("unknown command")

    def answer(self, code: int, now_us: int) -> list[int]:
        """Return the words at the pointer."""
        if code == 0x3682:
            return [self.serial >> 32 & 0xFFFF, self.serial >> 16 & 0xFFFF, self.serial & 0xFFFF]
        if code == 0x280E:
            return [0x4B01 if "gas_fail" in self.faults else 0xD400]
        if code in (0x2612, 0x2619):
            if "gas_fail" in self.faults:
                return [0, 0]
            aged = 500 if "drift" in self.faults else 0
            if "stuck" not in self.faults:
                self._ticks = [
                    round(quantity(self.source, "sraw_voc", now_us, 30_000.0)) + aged,
                    round(quantity(self.source, "sraw_nox", now_us, 15_000.0)) + aged,
                ]
            return self._ticks[:1] if code == 0x2612 else list(self._ticks)
        raise Nak("no data")

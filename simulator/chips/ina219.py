"""Texas Instruments INA219: shunt and bus voltage in 16-bit registers on I2C."""

from __future__ import annotations

from .base import Constants, Nak, Source
from .sensirion import disturbed, quantity

_CONVERT_US = 586  # one 12-bit conversion


class INA219:
    """Quantities: solar_mv, current_ma (through the shunt).

    Faults: nak, brown_out, bad_crc, slow, stuck.
    """

    def __init__(self, source: Source | None = None, address: int = 0x40, shunt_mohm: float = 100.0) -> None:
        self.source: Source = source or Constants(solar_mv=5000.0, current_ma=0.0)
        self.address = address
        self.shunt_mohm = shunt_mohm
        self.faults: set[str] = set()
        self._noise = 0
        self._power_on()

    def write(self, data: bytes, now_us: int) -> None:
        """Take a register number, and a word for it."""
        self._powered()
        if len(data) not in (1, 3):
            raise Nak("a number, or a number and a word")
        self._pointer = data[0]
        if len(data) == 3:
            word = int.from_bytes(data[1:], "big")
            if data[0] == 0:
                self._configure(word, now_us)
            elif data[0] == 5:
                self._words[5] = word

    def read(self, n: int, now_us: int) -> bytes:
        """Give the word at the pointer."""
        self._powered()
        self._convert(now_us)
        out = (self._words.get(self._pointer, 0).to_bytes(2, "big") * n)[:n]
        self._noise += 1
        return disturbed(out) if "bad_crc" in self.faults and self._noise % 2 else out

    def _configure(self, word: int, now_us: int) -> None:
        if word & 0x8000:
            self._power_on()
            return
        self._words[0] = word
        self._words[2] &= ~2
        mode = word & 7
        if mode not in (0, 4):
            parts = bin(mode & 3).count("1")
            self._ready_us = now_us + parts * _CONVERT_US * (100 if "slow" in self.faults else 1)

    def _convert(self, now_us: int) -> None:
        if self._ready_us is None or now_us < self._ready_us:
            return
        at_us, self._ready_us = self._ready_us, None
        if "stuck" not in self.faults:
            shunt = round(quantity(self.source, "current_ma", at_us, 0.0) * self.shunt_mohm / 10)
            self._words[1] = max(-32000, min(32000, shunt)) & 0xFFFF
            self._words[2] = max(0, min(8000, round(self.source("solar_mv", at_us) / 4))) << 3
        self._words[2] |= 2

    def _power_on(self) -> None:
        self._words = {0: 0x399F, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}
        self._pointer = 0
        self._ready_us: int | None = None

    def _powered(self) -> None:
        if "brown_out" in self.faults:
            self._power_on()
        if self.faults & {"nak", "brown_out"}:
            raise Nak("no answer")

"""Chips that are registers on I2C: the first bytes of a write set the pointer, which then counts up."""

from __future__ import annotations

from .base import Nak
from .sensirion import disturbed


class RegisterChip:
    """Base: subclasses override `wrote` and `refresh`. `registers` holds every byte by its number.

    Faults here: nak, brown_out (no answer, and power_on when it is over), bad_crc (a flipped bit).
    """

    number_bytes = 1

    def __init__(self, address: int, size: int = 256) -> None:
        self.address = address
        self.faults: set[str] = set()
        self.registers = bytearray(size)
        self._pointer = 0
        self._was_off = False
        self._noise = 0
        self.power_on()

    def power_on(self) -> None:
        """Set every register to its value after power-up."""

    def wrote(self, register: int, value: int, now_us: int) -> None:
        """Take one byte; the base just stores it."""
        self.registers[register] = value

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Bring the registers up to date before they are read."""

    def write(self, data: bytes, now_us: int) -> None:
        """Take a write: register number, then bytes for it and the following ones."""
        self._powered()
        if len(data) < self.number_bytes:
            raise Nak("no register number")
        self._pointer = int.from_bytes(data[: self.number_bytes], "big")
        for value in data[self.number_bytes :]:
            self.wrote(self._pointer % len(self.registers), value, now_us)
            self._pointer += 1

    def read(self, n: int, now_us: int) -> bytes:
        """Give n bytes from the pointer on."""
        self._powered()
        start = self._pointer
        self.refresh(start % len(self.registers), n, now_us)
        out = bytes(self.registers[(start + i) % len(self.registers)] for i in range(n))
        self._pointer = start + n
        if "bad_crc" in self.faults:
            self._noise += 1
            return disturbed(out) if self._noise % 2 else out
        return out

    def _powered(self) -> None:
        if "brown_out" in self.faults:
            self._was_off = True
        elif self._was_off:
            self._was_off = False
            self.power_on()
        if self.faults & {"nak", "brown_out"}:
            raise Nak("no answer")

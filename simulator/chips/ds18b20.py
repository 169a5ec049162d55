"""Maxim DS18B20 thermometer: a 1-Wire chip at the level of reset pulses and bytes."""

from __future__ import annotations

from .base import Constants, Source

_CONVERT_US = 750_000


def crc8(data: bytes) -> int:
    """Return the Dallas CRC of data: the shift register of the maker's application note, bit by bit."""
    register = [0] * 8
    for byte in data:
        for bit in range(8):
            feedback = register[7] ^ (byte >> bit & 1)
            register = [feedback, *register[:7]]
            register[4] ^= feedback
            register[5] ^= feedback
    return sum(bit << (7 - place) for place, bit in enumerate(register))


class DS18B20:
    """Quantity: soil_temperature_c (or the one named). Commands: 33, CC, 55 with its ROM, 44, BE, 4E.

    Faults: nak (no presence), brown_out (forgets: 85 C until the next conversion), bad_crc, stuck,
    no_conversion (parasite supply too weak: it falls back to 85 C), short (line held low).
    """

    def __init__(
        self,
        source: Source | None = None,
        name: str = "soil_temperature_c",
        rom: bytes = b"\x28\x1c\xb8\x01\0\0\0",
    ) -> None:
        self.source: Source = source or Constants(**{name: 12.0})
        self.name = name
        self.rom = rom + bytes([crc8(rom)])
        self.faults: set[str] = set()
        self.scratchpad = bytearray()
        self._power_on()
        self._awaits = "rom"
        self._out = b""
        self._written = bytearray()
        self._converted_us: int | None = None

    def reset(self, now_us: int) -> bool:
        """Take a reset pulse; return whether the chip shows its presence."""
        if "brown_out" in self.faults:
            self._power_on()
        self._awaits, self._out = "rom", b""
        self._written.clear()
        return not self.faults & {"nak", "brown_out"}

    def write_byte(self, byte: int, now_us: int) -> None:
        """Take one byte."""
        if self.faults & {"nak", "brown_out", "short"}:
            return
        if self._awaits == "rom":
            self._rom_command(byte)
        elif self._awaits == "match":
            self._written.append(byte)
            if len(self._written) == 8:
                self._awaits = "function" if bytes(self._written) == self.rom else "nothing"
                self._written.clear()
        elif self._awaits == "function":
            self._function(byte, now_us)
        elif self._awaits == "settings":
            self._written.append(byte)
            self.scratchpad[2 : 2 + len(self._written)] = self._written
            if len(self._written) == 3:
                self._awaits = "nothing"

    def read_byte(self, now_us: int) -> int:
        """Give one byte; a line that nobody drives reads as ones."""
        if "short" in self.faults:
            return 0
        if self.faults & {"nak", "brown_out"} or not self._out:
            return 0xFF
        byte, self._out = self._out[0], self._out[1:]
        return byte

    def _power_on(self) -> None:
        self.scratchpad[:] = b"\x50\x05\x4b\x46\x7f\xff\x0c\x10"
        self._converted_us = None

    def _rom_command(self, byte: int) -> None:
        self._awaits = {0xCC: "function", 0x55: "match"}.get(byte, "nothing")
        if byte == 0x33:
            self._out = self.rom

    def _function(self, byte: int, now_us: int) -> None:
        self._awaits = "settings" if byte == 0x4E else "nothing"
        if byte == 0x44:
            self._converted_us = now_us + _CONVERT_US
        elif byte == 0xBE:
            self._finish(now_us)
            data = bytes(self.scratchpad)
            crc = crc8(data)
            self._out = data + bytes([crc ^ 0x20 if "bad_crc" in self.faults else crc])

    def _finish(self, now_us: int) -> None:
        """Put a conversion whose time has come into the scratchpad."""
        if self._converted_us is None or now_us < self._converted_us:
            return
        at_us, self._converted_us = self._converted_us, None
        if "no_conversion" in self.faults:
            self._power_on()
        elif "stuck" not in self.faults:
            sixteenths = round(16 * min(125.0, max(-55.0, self.source(self.name, at_us))))
            self.scratchpad[0:2] = (sixteenths & 0xFFFF).to_bytes(2, "little")
            self.scratchpad[6] = 16 - sixteenths % 16

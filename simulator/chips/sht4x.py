"""Sensirion SHT4x on I2C: single commands of one byte, answers of two words."""

from __future__ import annotations

from .base import Constants, Nak, Source
from .sensirion import as_received, disturbed, pack

# Longest conversion times of the data sheet's timing table, microseconds.
_MEASURE_US = {0xFD: 8_300, 0xF6: 4_500, 0xE0: 1_600}
_HEATER_US = {0x39: 1_100_000, 0x32: 110_000, 0x2F: 1_100_000, 0x24: 110_000, 0x1E: 1_100_000, 0x15: 110_000}
_SERIAL, _RESET = 0x89, 0x94


class SHT4x:
    """Quantities: temperature_c, relative_humidity_pct.

    Faults: nak (disconnected), brown_out (unpowered, forgets), bad_crc, slow (ten times the time),
    stuck (repeats its last words), condensation (humidity at the end of its scale), drift (after years in
    dirty air: 8 % too humid, half a degree too warm).
    """

    def __init__(self, source: Source | None = None, address: int = 0x44, serial: int = 0x0F2A_6C11) -> None:
        self.address = address
        self.serial = serial
        self.source: Source = source or Constants(temperature_c=20.0, relative_humidity_pct=50.0)
        self.faults: set[str] = set()
        self._answer: bytes | None = None
        self._ready_us = 0
        self._words = [0x6666, 0x8000]

    def write(self, data: bytes, now_us: int) -> None:
        """Take a command; while a conversion runs the chip does not acknowledge."""
        self._powered()
        if self._answer is not None and now_us < self._ready_us:
            raise Nak("busy")
        if len(data) != 1:
            raise Nak("commands have one byte")
        command = data[0]
        if command in _MEASURE_US or command in _HEATER_US:
            took_us = _MEASURE_US.get(command) or _HEATER_US[command]
            self._ready_us = now_us + took_us * (10 if "slow" in self.faults else 1)
            self._answer = pack(self._convert(self._ready_us))
        elif command == _SERIAL:
            self._answer = pack([self.serial >> 16, self.serial & 0xFFFF])
            self._ready_us = now_us
        elif command == _RESET:
            self._answer = None
            self._ready_us = now_us + 1_000
        else:
            raise Nak("unknown command")

    def read(self, n: int, now_us: int) -> bytes:
        """Give the answer once; before it is ready, and after it was read, there is no acknowledge."""
        self._powered()
        if self._answer is None or now_us < self._ready_us:
            raise Nak("no data")
        answer, self._answer = self._answer, None
        return as_received(disturbed(answer) if "bad_crc" in self.faults else answer, n)

    def _powered(self) -> None:
        if "brown_out" in self.faults:
            self._answer = None
        if self.faults & {"brown_out", "nak"}:
            raise Nak("no answer")

    def _convert(self, at_us: int) -> list[int]:
        if "stuck" not in self.faults:
            drifted = "drift" in self.faults
            humidity = self.source("relative_humidity_pct", at_us) + 8.0 * drifted
            humidity = 130.0 if "condensation" in self.faults else humidity
            self._words = [
                _word((self.source("temperature_c", at_us) + 0.5 * drifted + 45.0) / 175.0),
                _word((humidity + 6.0) / 125.0),
            ]
        return self._words


def _word(fraction: float) -> int:
    """Return the 16-bit word of a fraction of full scale; the scale ends at both sides."""
    return round(min(1.0, max(0.0, fraction)) * 65535)

"""Sensirion SPS30: the measuring engine that both of its interfaces share, and its I2C side.

The engine makes a value a second while it measures. After a start the counts rise to their true
value over the time that the sensor needs to be sure: longer where there are few particles.
"""

from __future__ import annotations

import struct

from .base import Constants, Nak, Source
from .sensirion import CommandChip, quantity, text_words

SECOND_US = 1_000_000
IDLE, MEASURING, ASLEEP = "idle", "measuring", "asleep"
FLOATS, INTEGERS = 0x0300, 0x0500
_CLEAN_US = 10 * SECOND_US
_AUTO_CLEAN_DEFAULT_S = 604_800
_TAKES_US = {0x0010: 20_000, 0x0104: 20_000, 0x8004: 20_000, 0xD304: 100_000, 0x1001: 5_000, 0x1103: 5_000}
_FAN_SLOW, _LASER_FAIL, _FAN_FAIL = 1 << 21, 1 << 5, 1 << 4


class Engine:
    """What the chip does, whichever wires ask. Quantities: pm1_ug_m3, pm2_5_ug_m3, pm4_ug_m3,
    pm10_ug_m3, n10_per_cm3 (all but pm2_5 are estimated where the source does not know them).

    Faults: stuck (no new value), worn_fan (too slow, warning bit 21), dead_fan (bit 4), old_laser
    (bit 5), drift (reads 40 % too low).
    """

    def __init__(self, source: Source | None = None, firmware: tuple[int, int] = (2, 2)) -> None:
        self.faults: set[str] = set()
        self.source: Source = source or Constants(pm2_5_ug_m3=10.0)
        self.firmware = firmware
        self.serial = b"7A0C55D41F9E2B36"
        self.auto_clean_s = _AUTO_CLEAN_DEFAULT_S  # non-volatile
        self.cleanings = 0
        self.state = IDLE
        self.format = FLOATS
        self._start_us = 0
        self._read_index = 0
        self._values_index = 0
        self._values: list[float] = [0.0] * 10
        self._clean_until_us = 0
        self._measured_us = 0  # since the last cleaning, up to _start_us

    def start(self, output_format: int, now_us: int) -> None:
        """Go to measuring mode."""
        self.state = MEASURING
        self.format = output_format
        self._start_us = now_us
        self._read_index = self._values_index = 0

    def stop(self, now_us: int) -> None:
        """Go to idle mode."""
        if self.state == MEASURING:
            self._measured_us += now_us - self._start_us
        self.state = IDLE
        self._clean_until_us = 0

    def power_off(self) -> None:
        """Forget what is volatile."""
        self.state = IDLE
        self._measured_us = 0
        self._clean_until_us = 0

    def clean(self, now_us: int) -> bool:
        """Blow the fan out; only while measuring."""
        if self.state != MEASURING:
            return False
        self._clean_until_us = now_us + _CLEAN_US
        self._measured_us = self._start_us - now_us
        self.cleanings += 1
        return True

    def ready(self, now_us: int) -> bool:
        """Return whether a value is there that was not read."""
        self._advance(now_us)
        return self.state == MEASURING and self._values_index > self._read_index

    def values(self, now_us: int) -> list[float]:
        """Return the newest ten values: PM1, 2.5, 4, 10, N0.5, 1, 2.5, 4, 10, typical size in um."""
        self._advance(now_us)
        self._read_index = self._values_index
        return self._values

    def status(self) -> int:
        """Return the device status register."""
        if self.state != MEASURING:
            return 0
        bits = {"worn_fan": _FAN_SLOW, "old_laser": _LASER_FAIL, "dead_fan": _FAN_FAIL}
        return sum(bit for fault, bit in bits.items() if fault in self.faults)

    def _advance(self, now_us: int) -> None:
        if self.state != MEASURING:
            return
        if self.auto_clean_s and now_us - self._start_us + self._measured_us >= self.auto_clean_s * SECOND_US:
            self.clean(now_us)
        index = (now_us - self._start_us) // SECOND_US
        if index > self._values_index and now_us >= self._clean_until_us and "stuck" not in self.faults:
            self._values_index = index
            self._values = self._measure(self._start_us + index * SECOND_US)

    def _measure(self, at_us: int) -> list[float]:
        pm2_5 = self.source("pm2_5_ug_m3", at_us)
        pm1 = quantity(self.source, "pm1_ug_m3", at_us, 0.8 * pm2_5)
        pm10 = quantity(self.source, "pm10_ug_m3", at_us, 1.2 * pm2_5)
        pm4 = quantity(self.source, "pm4_ug_m3", at_us, (pm2_5 + pm10) / 2)
        n10 = quantity(self.source, "n10_per_cm3", at_us, 6.5 * pm1)
        settling_us = (8 if n10 >= 200 else 16 if n10 >= 100 else 30) * SECOND_US
        gain = min(1.0, (at_us - self._start_us) / settling_us)
        if "drift" in self.faults:
            gain *= 0.6
        if "dead_fan" in self.faults or "old_laser" in self.faults:
            gain = 0.0
        numbers = [0.80 * n10, 0.95 * n10, 0.99 * n10, 0.997 * n10, n10]
        return [gain * value for value in [pm1, pm2_5, pm4, pm10, *numbers]] + [0.6]


class SPS30(Engine, CommandChip):
    """The I2C side (SEL low). More faults: nak, brown_out (unpowered, forgets), bad_crc, slow (flag late)."""

    address = 0x69
    takes_us = _TAKES_US

    def __init__(self, source: Source | None = None, firmware: tuple[int, int] = (2, 2)) -> None:
        CommandChip.__init__(self)
        Engine.__init__(self, source, firmware)
        self._interface_woken_us: int | None = None

    def write(self, data: bytes, now_us: int) -> None:
        """Take a command; asleep, the chip takes none but the second of two wake commands."""
        self._powered(now_us)
        if self.state != ASLEEP:
            super().write(data, now_us)
            if data[:2] == b"\x80\x04" and len(data) == 2:
                self._busy_until_us = now_us  # reading the interval takes no time
            return
        woken, self._interface_woken_us = self._interface_woken_us, now_us
        if data[:2] != b"\x11\x03" or woken is None or now_us - woken > 100_000:
            raise Nak("asleep")
        self.state = IDLE
        self._interface_woken_us = None

    def read(self, n: int, now_us: int) -> bytes:
        """Give the bytes at the command pointer."""
        if self.state == ASLEEP:
            raise Nak("asleep")
        return super().read(n, now_us)

    def run(self, code: int, words: list[int], now_us: int) -> None:
        """Do what the command asks."""
        if code == 0x0010:
            if len(words) != 1 or words[0] not in (FLOATS, INTEGERS):
                raise Nak("output format")
            self.start(words[0], now_us)
        elif code == 0x0104:
            self.stop(now_us)
        elif code == 0x5607:
            self.clean(now_us)
        elif code == 0x8004 and len(words) == 2:
            self.auto_clean_s = words[0] << 16 | words[1]
        elif code == 0x1001 and self.firmware >= (2, 0):
            if self.state == IDLE:
                self.state = ASLEEP
        elif code == 0xD304:
            self.power_off()
        elif code not in (0x0202, 0x0300, 0x8004, 0x1103, 0xD002, 0xD033, 0xD100, 0xD206, 0xD210):
            raise Nak("unknown command")

    def answer(self, code: int, now_us: int) -> list[int]:
        """Return the words at the pointer."""
        if code == 0x0202:
            return [int(self.ready(now_us - (3 * SECOND_US if "slow" in self.faults else 0)))]
        if code == 0x0300 and self.state == MEASURING:
            return self._measured(now_us)
        if code == 0x8004:
            return [self.auto_clean_s >> 16, self.auto_clean_s & 0xFFFF]
        if code == 0xD100:
            return [self.firmware[0] << 8 | self.firmware[1]]
        if code == 0xD206 and self.firmware >= (2, 2):
            return [self.status() >> 16, self.status() & 0xFFFF]
        if code in (0xD033, 0xD002):
            text = self.serial if code == 0xD033 else b"00080000"
            return text_words(text, len(text) // 2 + 1)
        raise Nak("no data")

    def _measured(self, now_us: int) -> list[int]:
        values = self.values(now_us)
        if self.format == INTEGERS:
            return [min(65535, round(v)) for v in values[:9]] + [round(values[9] * 1000)]
        raw = struct.pack(">10f", *values)
        return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, 40, 2)]

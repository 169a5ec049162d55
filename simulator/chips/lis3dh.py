"""ST LIS3DH accelerometer on I2C: gravity seen from a tilted housing, and motion on top."""

from __future__ import annotations

import math

from .base import Constants, Source
from .registers import RegisterChip
from .sensirion import quantity

_WATCH_STEP_US = 500_000  # how finely the model looks back for movement
_WATCH_MOST_US = 600_000_000
_RATES_HZ = (0, 1, 10, 25, 50, 100, 200, 400)


class LIS3DH(RegisterChip):
    """Quantities: tilt_deg (about the x axis, from z upward); motion_mg (added along z).

    Faults: nak, brown_out, stuck (no new sample), bad_crc, dead_axis (z reads nothing).
    """

    def __init__(self, source: Source | None = None, address: int = 0x18) -> None:
        self.source: Source = source or Constants(tilt_deg=0.0)
        self._on_us = 0
        self._read_index = 0
        self._count_up = False
        self._watched_us: int | None = None
        self._position = 0
        super().__init__(address, 0x80)

    def power_on(self) -> None:
        """Set the values after power-up."""
        self.registers[:] = bytes(0x80)
        self.registers[0x0F] = 0x33
        self.registers[0x20] = 0x07
        self._on_us = 0
        self._read_index = 0
        self._watched_us = None

    def write(self, data: bytes, now_us: int) -> None:
        """Take a write; the high bit of the register number makes it count up."""
        self._count_up = bool(data) and bool(data[0] & 0x80)
        super().write(bytes([data[0] & 0x7F]) + data[1:] if data else data, now_us)

    def read(self, n: int, now_us: int) -> bytes:
        """Give bytes from the pointer on, or the same one again and again."""
        start = self._pointer
        out = super().read(n, now_us)
        return out if self._count_up else bytes([out[0]]) * n if start < 0x80 else out

    def wrote(self, register: int, value: int, now_us: int) -> None:
        """Take a control register."""
        if register in (0x0F, 0x27) or 0x28 <= register <= 0x2D:
            return
        self.registers[register] = value
        if register == 0x30:
            self._watched_us, self._position = now_us, self._six(now_us)
        if register == 0x20:
            self._on_us = now_us
            self._read_index = 0

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Make the newest sample; the interrupt source is cleared by being read."""
        if register == 0x31:
            self._watch(now_us)
            return
        control = self.registers[0x20]
        rate_hz = _RATES_HZ[min(7, control >> 4)]
        fresh = False
        if rate_hz and control & 7 == 7 and "stuck" not in self.faults:
            index = (now_us - self._on_us) * rate_hz // 1_000_000
            fresh = index > self._read_index
            if register == 0x28 and fresh:
                self._read_index = index
                # settled after seven samples in high resolution, at once otherwise
                settled = index >= 7 or not self.registers[0x23] & 0x08
                self._sample(self._on_us + index * 1_000_000 // rate_hz, settled)
        self.registers[0x27] = 0x0F if fresh else 0

    def _watch(self, now_us: int) -> None:
        """6-direction movement: has another face been up since the last look?"""
        self.registers[0x31] = 0
        if self._watched_us is None or self.registers[0x30] & 0x40 == 0 or self.registers[0x20] >> 4 == 0:
            return
        at_us = max(self._watched_us, now_us - _WATCH_MOST_US)
        while at_us < now_us:
            at_us = min(now_us, at_us + _WATCH_STEP_US)
            position = self._six(at_us)
            if position != self._position and "stuck" not in self.faults:
                self.registers[0x31] = 0x40 | position
            self._position = position
        self._watched_us = now_us

    def _six(self, at_us: int) -> int:
        """Return the bits of the axes that lie beyond the threshold: XL XH YL YH ZL ZH."""
        tilt = math.radians(quantity(self.source, "tilt_deg", at_us, 0.0))
        threshold = (self.registers[0x32] & 0x7F) * 16.0
        bits = 0
        for axis, mg in enumerate((0.0, 1000.0 * math.sin(tilt), 1000.0 * math.cos(tilt))):
            bits |= (1 << 2 * axis) if mg < -threshold else (2 << 2 * axis) if mg > threshold else 0
        return bits

    def _sample(self, at_us: int, settled: bool) -> None:
        tilt = math.radians(quantity(self.source, "tilt_deg", at_us, 0.0))
        motion = quantity(self.source, "motion_mg", at_us, 0.0)
        y, z = 1000.0 * math.sin(tilt), 1000.0 * math.cos(tilt) + motion
        if "dead_axis" in self.faults:
            z = 0.0
        gain = 1.0 if settled else 0.3
        for i, mg in enumerate((0.0, gain * y, gain * z)):
            word = max(-2048, min(2047, round(mg))) << 4
            self.registers[0x28 + 2 * i : 0x2A + 2 * i] = (word & 0xFFFF).to_bytes(2, "little")

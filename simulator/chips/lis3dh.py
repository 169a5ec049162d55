"""ST LIS3DH accelerometer on I2C: gravity seen from a tilted housing, and motion on top."""

from __future__ import annotations

import math

from .base import Constants, Source
from .registers import RegisterChip
from .sensirion import quantity

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
        super().__init__(address, 0x80)

    def power_on(self) -> None:
        """Set the values after power-up."""
        self.registers[:] = bytes(0x80)
        self.registers[0x0F] = 0x33
        self.registers[0x20] = 0x07
        self._on_us = 0
        self._read_index = 0

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
        if register == 0x20:
            self._on_us = now_us
            self._read_index = 0

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Make the newest sample."""
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

"""DYP A02YYUW ultrasonic distance sensor: sends FF H L SUM by itself at 9600 baud."""

from __future__ import annotations

from .base import Constants, Source
from .sensirion import quantity
from .uart import Talker

_AVERAGED_US, _REAL_TIME_US = 300_000, 100_000
_MIN_MM, _MAX_MM = 30, 4500
_ASSUMED_SPEED_M_S = 331.3 + 0.606 * 20.0


class A02YYUW(Talker):
    """Quantities: distance_mm; temperature_c where `uncompensated` (then cold air reads too far).

    averaged: RX wire high or open (a frame every 300 ms), else low (every 100 ms).
    Faults: nak, brown_out, bad_crc, slow (a tenth of the rate), stuck, noise (stray bytes),
    blocked_cone (dirt before the membrane: 35 mm), ghost_echo (every third frame half the way).
    No echo within 4.5 m, and a target nearer than 30 mm, are sent as 0.
    """

    def __init__(
        self, source: Source | None = None, averaged: bool = True, uncompensated: bool = False
    ) -> None:
        super().__init__(9600)
        self.source: Source = source or Constants(distance_mm=1000.0)
        self.averaged = averaged
        self.uncompensated = uncompensated
        self._next_us: int | None = None
        self._frames = 0
        self._last_mm = 0

    def advance(self, now_us: int) -> None:
        """Send the frames that fall due up to now_us; of a long silence only the last second."""
        period_us = (_AVERAGED_US if self.averaged else _REAL_TIME_US) * (10 if "slow" in self.faults else 1)
        if self._next_us is None:
            self._next_us = now_us
        behind = (now_us - self._next_us) // period_us - max(1, 1_000_000 // period_us)
        self._next_us += max(0, behind) * period_us
        while self._next_us <= now_us:
            self.say(self._frame(self._next_us), self._next_us)
            self._next_us += period_us

    def _frame(self, at_us: int) -> bytes:
        if "stuck" not in self.faults:
            self._last_mm = self._distance(at_us)
        high, low = divmod(self._last_mm, 256)
        total = (0xFF + high + low) & 0xFF
        return bytes((0xFF, high, low, total ^ 0x10 if "bad_crc" in self.faults else total))

    def _distance(self, at_us: int) -> int:
        self._frames += 1
        distance = self.source("distance_mm", at_us)
        if self.uncompensated:
            speed = 331.3 + 0.606 * quantity(self.source, "temperature_c", at_us, 20.0)
            distance *= _ASSUMED_SPEED_M_S / speed
        if "blocked_cone" in self.faults:
            distance = 35.0
        elif "ghost_echo" in self.faults and self._frames % 3 == 0:
            distance /= 2
        return round(distance) if _MIN_MM <= distance <= _MAX_MM else 0

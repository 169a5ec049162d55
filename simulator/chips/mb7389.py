"""MaxBotix HRXL-MaxSonar ranger: boot text, then "R", four digits, CR at 9600 baud, 6.7 a second."""

from __future__ import annotations

from .base import Constants, Source
from .uart import Talker

_PERIOD_US = 149_000
_BOOT = b"HRXL-MaxSonar-WRL\rPN:MB7389\rCopyright 2011-2016\rMaxBotix Inc.\rRoHS 1.8b 0416\rTempI\r"


class MB7389(Talker):
    """Quantity: distance_mm. Nearer than 300 mm reads 300; without target it sends max_mm.

    Faults: nak, brown_out, slow, stuck, noise, blocked_cone (reads 300), ghost_echo (every third
    frame half the way), bad_crc (one digit garbled: the frame has no checksum).
    """

    def __init__(self, source: Source | None = None, max_mm: int = 5000) -> None:
        super().__init__(9600)
        self.source: Source = source or Constants(distance_mm=1000.0)
        self.max_mm = max_mm
        self._next_us: int | None = None
        self._frames = 0
        self._last_mm = 0

    def advance(self, now_us: int) -> None:
        """Send what falls due up to now_us; of a long silence only the last second."""
        period_us = _PERIOD_US * (10 if "slow" in self.faults else 1)
        if self._next_us is None:
            self.say(_BOOT, now_us)
            self._next_us = now_us + 160_000
        behind = (now_us - self._next_us) // period_us - max(1, 1_000_000 // period_us)
        self._next_us += max(0, behind) * period_us
        while self._next_us <= now_us:
            self.say(self._frame(self._next_us), self._next_us)
            self._next_us += period_us

    def _frame(self, at_us: int) -> bytes:
        self._frames += 1
        if "stuck" not in self.faults:
            self._last_mm = self._distance(at_us)
        digits = b"%04d" % self._last_mm
        if "bad_crc" in self.faults:
            digits = digits[:1] + bytes([digits[1] ^ 0x40]) + digits[2:]
        return b"R" + digits + b"\r"

    def _distance(self, at_us: int) -> int:
        distance = self.source("distance_mm", at_us)
        if "blocked_cone" in self.faults:
            return 300
        if "ghost_echo" in self.faults and self._frames % 3 == 0:
            distance /= 2
        return max(300, min(self.max_mm, round(distance)))

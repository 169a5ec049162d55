"""Tipping-bucket rain gauge: a reed contact that closes once for each full bucket."""

from __future__ import annotations

from .base import Constants, Source


class RainGauge:
    """Quantity: rain_mm, the rain since any fixed moment (it only rises; a drop begins anew).

    Faults: nak (cut wire: tips are lost), stuck (the bucket does not tip: rain is lost),
    blocked_cone (a leaf in the funnel: rain waits and comes at once when it is cleared),
    bounce (two counts a tip).
    """

    def __init__(self, source: Source | None = None, mm_per_tip: float = 0.2794) -> None:
        self.source: Source = source or Constants(rain_mm=0.0)
        self.mm_per_tip = mm_per_tip
        self.faults: set[str] = set()
        self._seen_mm: float | None = None
        self._bucket_mm = 0.0
        self._funnel_mm = 0.0
        self._count = 0

    def tip(self, times: int = 1) -> None:
        """Tip by hand, as a technician does at installation."""
        if "nak" not in self.faults:
            self._count += times * (2 if "bounce" in self.faults else 1)

    def count(self, now_us: int) -> int:
        """Return the pulses so far."""
        total_mm = self.source("rain_mm", now_us)
        fell_mm = 0.0 if self._seen_mm is None else total_mm - self._seen_mm
        self._seen_mm = total_mm
        self._funnel_mm += max(0.0, fell_mm)
        if "blocked_cone" in self.faults:
            return self._count
        if "stuck" not in self.faults:
            self._bucket_mm += self._funnel_mm
            tips = int(self._bucket_mm / self.mm_per_tip + 1e-9)
            self._bucket_mm -= tips * self.mm_per_tip
            self.tip(tips)
        self._funnel_mm = 0.0
        return self._count

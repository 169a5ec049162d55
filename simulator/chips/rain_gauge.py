"""Tipping-bucket rain gauge: a reed contact that closes once for each full bucket."""

from __future__ import annotations

from .base import Constants, Source

_STEP_US = 20_000_000  # rain is looked at this often
_CLOSED_US = 45_000
_SHORTEST_GAP_US = 200_000  # five tips a second: no bucket is faster
# What the reed does at both ends: (after the end, level), shorter than any sample
_BOUNCES = ((0, 0), (600, 1), (1_500, 0), (2_000, 1), (3_100, 0))


class RainGauge:
    """Quantity: rain_mm, the rain since any fixed moment (it only rises; a drop begins anew).

    `tips` counts what the bucket did. Read it by count() (a counter at the contact) or by edges() (the
    contact itself), not both.
    Faults: nak (cut wire: tips are lost), stuck (the bucket does not tip: rain is lost),
    blocked_cone (a leaf in the funnel: rain waits and comes at once when it is cleared),
    bounce (two counts a tip).
    """

    def __init__(self, source: Source | None = None, mm_per_tip: float = 0.2794) -> None:
        self.source: Source = source or Constants(rain_mm=0.0)
        self.mm_per_tip = mm_per_tip
        self.faults: set[str] = set()
        self.tips = 0
        self._seen_mm: float | None = None
        self._bucket_mm = 0.0
        self._funnel_mm = 0.0
        self._count = 0
        self._by_hand = 0
        self._at_us = 0
        self._pending: list[tuple[int, int]] = []
        self._free_us = 0  # when the bucket may tip again

    def tip(self, times: int = 1) -> None:
        """Tip by hand, as a technician does at installation."""
        if "nak" not in self.faults:
            self._by_hand += times

    def count(self, now_us: int) -> int:
        """Return the pulses so far."""
        self._contact(self._full_buckets(now_us))
        return self._count

    def _contact(self, tips: int) -> None:
        if "nak" not in self.faults:
            self._count += tips * (2 if "bounce" in self.faults else 1)

    def _full_buckets(self, now_us: int) -> int:
        """Return how often it tips because of the rain until now."""
        by_hand, self._by_hand = self._by_hand, 0
        self.tips += by_hand
        total_mm = self.source("rain_mm", now_us)
        fell_mm = 0.0 if self._seen_mm is None else total_mm - self._seen_mm
        self._seen_mm = total_mm
        self._funnel_mm += max(0.0, fell_mm)
        if "blocked_cone" in self.faults:
            return by_hand
        tips = 0
        if "stuck" not in self.faults:
            self._bucket_mm += self._funnel_mm
            tips = int(self._bucket_mm / self.mm_per_tip + 1e-9)
            self._bucket_mm -= tips * self.mm_per_tip
        self._funnel_mm = 0.0
        self.tips += tips
        return tips + by_hand

    def edges(self, to_us: int) -> list[tuple[int, int]]:
        """Return the contact's changes since the last call: (time, level), 0 is closed."""
        if self._seen_mm is None:  # nobody has looked yet: rain counts from now on
            self._at_us = to_us
            self._full_buckets(to_us)
        while self._at_us < to_us:
            begin = self._at_us
            self._at_us = min(to_us, begin + _STEP_US)
            tips = self._full_buckets(self._at_us)
            self._contact(tips)
            if "nak" not in self.faults:
                for i in range(tips):
                    self._close(begin + (self._at_us - begin) * (2 * i + 1) // (2 * tips))
        found = [edge for edge in self._pending if edge[0] <= to_us]
        self._pending = self._pending[len(found) :]
        return found

    def _close(self, at_us: int) -> None:
        at_us = max(at_us, self._free_us)
        self._free_us = at_us + _SHORTEST_GAP_US
        self._pending += [(at_us + after, level) for after, level in _BOUNCES]
        if "bounce" in self.faults:  # as long as a tip of its own
            self._pending += [(at_us + 60_000, 1), (at_us + 100_000, 0)]
            at_us += 100_000
        self._pending += [(at_us + _CLOSED_US + after, 1 - level) for after, level in _BOUNCES]

"""Showers: when, how much, how hard. A dry spell of two hours ends a shower (own choice)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DRY_MS = 2 * 3_600_000
LEAST_MM = 0.5  # less is dew, or one tip of the gauge
SHORTEST_MS = 60_000
CLOUDBURST_MM_H = 25.0  # KNMI: a cloudburst is 25 mm/h or more, or 10 mm in 5 minutes


@dataclass(frozen=True, slots=True)
class Shower:
    """One event. peak_mm_h: the hardest interval between two readings."""

    start_ms: int
    end_ms: int
    total_mm: float
    peak_mm_h: float

    @property
    def is_cloudburst(self) -> bool:
        """Tell whether it was a cloudburst."""
        return self.peak_mm_h >= CLOUDBURST_MM_H


def showers(readings: Iterable[tuple[int, float]]) -> list[Shower]:
    """Return the showers, oldest first. readings: (time in ms, mm since the reading before), by time."""
    found: list[Shower] = []
    start = end = before = 0
    total = peak = 0.0
    for at_ms, mm in readings:
        if mm > 0:
            since = before if before and at_ms - before < DRY_MS else at_ms - SHORTEST_MS
            if total and at_ms - end >= DRY_MS:
                found.append(Shower(start, end, total, peak))
                total = peak = 0.0
            if not total:
                start = since
            total, end = total + mm, at_ms
            peak = max(peak, mm * 3_600_000 / max(SHORTEST_MS, at_ms - since))
        before = at_ms
    if total:
        found.append(Shower(start, end, total, peak))
    return [shower for shower in found if shower.total_mm >= LEAST_MM]

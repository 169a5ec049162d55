"""What a stretch of a series amounts to: least, mean and greatest value, for charts and reports.

Levels in decibels are averaged as energy: 60 and 70 dB for equal times are 67.4 dB, not 65 (ISO 1996-1,
equivalent continuous sound pressure level). Values that a check flagged are only counted, as long as any
other value stands in the bucket; where all are flagged they are what there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model import Bucket


@dataclass(slots=True)
class _Sum:
    n: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float, is_level: bool) -> None:
        self.n += 1
        self.total += 10 ** (value / 10) if is_level else value
        self.low = min(self.low, value)
        self.high = max(self.high, value)


def buckets(
    values: Iterable[tuple[int, float | None, bool]], unit: str, start_ms: int, step_ms: int
) -> list[Bucket]:
    """Return the buckets [start_ms + k * step_ms, + step_ms) that hold a value, by time.

    values: (observed_at_ms, shown value, whether a check flagged it), from start_ms on, in any order.
    """
    is_level = unit.startswith("dB")
    found: dict[int, tuple[_Sum, _Sum]] = {}
    for at_ms, value, flagged in values:
        if value is None or not math.isfinite(value):
            continue
        sums = found.setdefault((at_ms - start_ms) // step_ms, (_Sum(), _Sum()))
        sums[flagged].add(value, is_level)
    return [_bucket(start_ms + k * step_ms, *found[k], is_level) for k in sorted(found)]


def _bucket(start_ms: int, good: _Sum, flagged: _Sum, is_level: bool) -> Bucket:
    best = good if good.n else flagged
    mean = best.total / best.n
    if is_level:
        mean = 10 * math.log10(mean)
    return Bucket(start_ms, best.low, mean, best.high, good.n + flagged.n, flagged.n)

"""Sound of an event against its limits: sliding means of energy, stretches above, and what is left.

A value is the level of the time that ends at its moment; all values of a series stand for times of the same
length. A sliding mean is told where at least three quarters of its window were measured without doubt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import pairwise
from statistics import median

from gateway.insight.noise import local, part_of_day
from gateway.insight.permits import MAXIMUM, PART, Limit

MINUTE_MS = 60_000
COVERAGE = 0.75
CLOSE_DB = 2.0  # from here on below the limit it is "close"
OVER, CLOSE, UNDER, UNKNOWN = "over", "close", "under", "unknown"


@dataclass(frozen=True, slots=True)
class Level:
    """A mean over the window that ends at at_ms (of a maximum: the value itself), and the limit then."""

    at_ms: int
    level_db: float
    upper_db: float
    coverage: float = 1.0

    @property
    def is_over(self) -> bool:
        """Tell whether it lies above the limit, in tenths as levels are told."""
        return round(self.level_db, 1) > self.upper_db


@dataclass(frozen=True, slots=True)
class Exceedance:
    """A stretch of levels above the limit: from the first to the last of them, and the highest."""

    from_ms: int
    to_ms: int
    highest_db: float
    upper_db: float


Values = Sequence[tuple[int, float]]  # (end of its time in ms, level in dB) without doubt, by time


def step_ms(values: Values) -> int:
    """Return how long a value stands for: the usual distance of two; a minute when nobody knows."""
    gaps = [b - a for (a, _), (b, _) in pairwise(values) if b > a]
    return int(median(gaps)) if gaps else MINUTE_MS


def levels(values: Values, limit: Limit, zone: tzinfo, start_ms: int) -> list[Level]:
    """Return the sliding level at each value of an event that began at start_ms, where enough is known.

    values may begin a window before the event: a mean looks back into it, as the ear does.
    """
    found: list[Level] = []
    step = step_ms(values)
    energies = [10 ** (level / 10) for _, level in values]
    total, first = 0.0, 0
    opened: str | None = None
    for i, (at_ms, level) in enumerate(values):
        part = part_of_day(local(at_ms - 1, zone).hour)
        holds = part in limit.parts
        if limit.window_min == MAXIMUM:
            if holds and at_ms > start_ms:
                found.append(Level(at_ms, level, limit.upper_db))
            continue
        if limit.window_min == PART:
            if part != opened or (i and values[i - 1][0] <= start_ms < at_ms):
                total, first, opened = 0.0, i, part
            total += energies[i]
            wanted = max(1, round((at_ms - max(start_ms, values[first][0] - step)) / step))
        else:
            total += energies[i]
            while values[first][0] <= at_ms - limit.window_min * MINUTE_MS:
                total -= energies[first]
                first += 1
            wanted = max(1, round(limit.window_min * MINUTE_MS / step))
        n = i - first + 1
        if holds and at_ms > start_ms and n >= COVERAGE * wanted:
            # Subtracting leaves dust: a window of one value is that value.
            mean = total / n if n > 1 else energies[i]
            found.append(
                Level(at_ms, 10 * math.log10(max(mean, 1e-12)), limit.upper_db, min(1.0, n / wanted))
            )
    return found


def exceedances(found: Sequence[Level], step: int) -> list[Exceedance]:
    """Return the stretches above the limit. Two belong together when no level between them was below."""
    stretches: list[Exceedance] = []
    was_over = False
    for one in found:
        if one.is_over and was_over and one.at_ms - stretches[-1].to_ms <= 3 * step:
            last = stretches[-1]
            stretches[-1] = Exceedance(
                last.from_ms, one.at_ms, max(last.highest_db, one.level_db), one.upper_db
            )
        elif one.is_over:
            stretches.append(Exceedance(one.at_ms, one.at_ms, one.level_db, one.upper_db))
        was_over = one.is_over
    return stretches


def state(found: Sequence[Level], now_ms: int, step: int) -> str:
    """Return OVER, CLOSE, UNDER, or UNKNOWN when the newest level is older than three values."""
    if not found or now_ms - found[-1].at_ms > max(3 * step, 3 * MINUTE_MS):
        return UNKNOWN
    newest = found[-1]
    if newest.is_over:
        return OVER
    return CLOSE if newest.level_db > newest.upper_db - CLOSE_DB else UNDER


def room_db(values: Values, limit: Limit, now_ms: int, ahead_min: int = 5) -> float | None:
    """Return how loud the next minutes may be on average for the mean to stay within its limit.

    None where that is no question (maxima, parts of the day, nothing known); -inf when it is over whatever
    comes.
    """
    if limit.window_min <= 0 or not values:
        return None
    step = step_ms(values)
    window_ms = limit.window_min * MINUTE_MS
    ahead_ms = min(ahead_min * MINUTE_MS, window_ms)
    kept = [level for at, level in values if now_ms + ahead_ms - window_ms < at <= now_ms]
    if len(kept) * step < COVERAGE * (window_ms - ahead_ms):
        return None
    n, ahead = window_ms / step, ahead_ms / step
    mean = sum(10 ** (level / 10) for level in kept) / max(1, len(kept))
    left = n * 10 ** (limit.upper_db / 10) - (n - ahead) * mean
    return 10 * math.log10(left / ahead) if left > 0 else -math.inf

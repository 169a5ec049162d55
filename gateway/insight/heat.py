"""Warm, summer and tropical days, tropical nights and heat waves, as KNMI and KMI count them.

Warm: highest temperature at least 20 °C, summer 25, tropical 30. Tropical night: the lowest of the day is 20
or more. Heat wave: at least five summer days in a row, three of them tropical. A day counts when at least 20
of its hours were measured (80 %, as CrowdQC+ asks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from gateway.insight.clock import clock_of

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]

LEAST_HOURS = 20
WARM, SUMMER, TROPICAL, TROPICAL_NIGHT = 20.0, 25.0, 30.0, 20.0


@dataclass(frozen=True, slots=True)
class Day:
    """Lowest and highest temperature of a local day."""

    date: date
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Heat:
    """What a stretch of days amounts to. waves: (first, last day) of each heat wave."""

    days: int
    warm: int
    summer: int
    tropical: int
    tropical_nights: int
    waves: tuple[tuple[date, date], ...]
    highest: Day | None


def days(starts_ms: Whole, lows: Floats, highs: Floats, zone: tzinfo) -> list[Day]:
    """Return the days that were measured well enough, of hours by time: start, lowest, highest."""
    ordinals, _ = clock_of(starts_ms, zone)
    if not len(ordinals):
        return []
    first = np.flatnonzero(np.diff(ordinals, prepend=ordinals[0] - 1))
    measured = np.diff(first, append=len(ordinals)) >= LEAST_HOURS
    columns = ordinals[first], np.minimum.reduceat(lows, first), np.maximum.reduceat(highs, first)
    rows = zip(*(column[measured].tolist() for column in columns), strict=True)
    return [Day(date.fromordinal(ordinal), low, high) for ordinal, low, high in rows]


def heat(found: Sequence[Day]) -> Heat:
    """Count the days."""
    return Heat(
        days=len(found),
        warm=sum(day.high >= WARM for day in found),
        summer=sum(day.high >= SUMMER for day in found),
        tropical=sum(day.high >= TROPICAL for day in found),
        tropical_nights=sum(day.low >= TROPICAL_NIGHT for day in found),
        waves=tuple(_waves(found)),
        highest=max(found, key=lambda day: day.high, default=None),
    )


def _waves(found: Sequence[Day]) -> Iterable[tuple[date, date]]:
    run: list[Day] = []
    for day in [*found, Day(date.max, 0, 0)]:
        follows = not run or day.date == run[-1].date + timedelta(days=1)
        if day.high >= SUMMER and follows:
            run.append(day)
            continue
        if len(run) >= 5 and sum(one.high >= TROPICAL for one in run) >= 3:
            yield run[0].date, run[-1].date
        run = [day] if day.high >= SUMMER else []

"""Warm, summer and tropical days, tropical nights and heat waves, as KNMI and KMI count them.

Warm: highest temperature at least 20 °C, summer 25, tropical 30. Tropical night: the lowest of the day is 20
or more. Heat wave: at least five summer days in a row, three of them tropical. A day counts when at least 20
of its hours were measured (80 %, as CrowdQC+ asks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from gateway.insight.noise import local

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


def days(hours: Iterable[tuple[int, float, float]], zone: tzinfo) -> list[Day]:
    """Return the days that were measured well enough. hours: (start in ms, lowest, highest)."""
    found: dict[date, list[tuple[float, float]]] = {}
    for start_ms, low, high in hours:
        found.setdefault(local(start_ms, zone).date(), []).append((low, high))
    return [
        Day(day, min(low for low, _ in rows), max(high for _, high in rows))
        for day, rows in sorted(found.items())
        if len(rows) >= LEAST_HOURS
    ]


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

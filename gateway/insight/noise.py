"""Noise over the day: levels are averaged as energy, never as numbers.

Day is 07-19, evening 19-23, night 23-07, local time (Directive 2002/49/EC annex I, as Belgium and the
Netherlands apply it). Lden weighs evening by 5 and night by 10 dB. Hours are hours of the clock: on a day of
25 hours two of them share a name, on a day of 23 one is missing, and both count as they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.insight.clock import clock_of
from gateway.sounddays import COVERAGE, den_db

DAY, EVENING, NIGHT = "day", "evening", "night"
PARTS = (DAY, EVENING, NIGHT)
HOURS = {DAY: 12, EVENING: 4, NIGHT: 8}
LEAST_HOURS = {part: COVERAGE * hours for part, hours in HOURS.items()}  # or nothing is said about it
HOUR_MS = 3_600_000


def energy_mean(levels: Iterable[float]) -> float | None:
    """Return the level of the mean energy in dB; None of nothing."""
    total, n = 0.0, 0
    for level in levels:
        total += 10 ** (level / 10)
        n += 1
    return 10 * math.log10(total / n) if n else None


def weighted_energy_mean(levels: Iterable[tuple[float, float]]) -> float | None:
    """Return the level of the mean energy of (level, weight); None of nothing."""
    total = weights = 0.0
    for level, weight in levels:
        total += weight * 10 ** (level / 10)
        weights += weight
    return 10 * math.log10(total / weights) if weights else None


def part_of_day(hour: int) -> str:
    """Return day, evening or night of a local hour."""
    return DAY if 7 <= hour < 19 else EVENING if 19 <= hour < 23 else NIGHT


_PART_OF_HOUR = np.array([PARTS.index(part_of_day(hour)) for hour in range(24)], np.int64)


def lden(day: float, evening: float, night: float) -> float:
    """Return the day-evening-night level of the three levels of the parts."""
    return den_db(day, evening, night)


@dataclass(frozen=True, slots=True)
class Parts:
    """Levels of day, evening and night and their Lden; None where too few hours were measured."""

    day: float | None
    evening: float | None
    night: float | None
    lden: float | None
    hours: int


def parts(hours: Iterable[tuple[int, float]], zone: tzinfo) -> Parts:
    """Return the levels of the parts of the day. hours: (start in ms, LAeq of the hour)."""
    found: dict[str, list[float]] = {part: [] for part in PARTS}
    for start_ms, level in hours:
        found[part_of_day(local(start_ms, zone).hour)].append(level)
    means = [energy_mean(found[part]) or 0.0 for part in PARTS]
    return _told(means, [len(found[part]) for part in PARTS])


def _told(means: Sequence[float], measured: Sequence[int]) -> Parts:
    """Return what may be said: means and measured hours are of day, evening and night."""
    day, evening, night = (
        mean if n >= LEAST_HOURS[part] else None for part, mean, n in zip(PARTS, means, measured, strict=True)
    )
    whole = (
        lden(day, evening, night) if day is not None and evening is not None and night is not None else None
    )
    return Parts(day, evening, night, whole, sum(measured))


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One local day. hours: LAeq by hour of the clock; of an hour that comes twice, the energy mean."""

    date: str
    start_ms: int
    hours: Mapping[int, float]
    parts: Parts


def calendar(starts_ms: NDArray[np.int64], levels: NDArray[np.float64], zone: tzinfo) -> list[CalendarDay]:
    """Return the days of a series of hours (start, LAeq of the hour) by time, oldest first."""
    if not len(starts_ms):
        return []
    ordinals, clock = clock_of(starts_ms, zone)
    days, first, day = np.unique(ordinals, return_index=True, return_inverse=True)
    by_hour, counts = _means(24 * day + clock, levels, 24 * len(days))
    by_part, measured = _means(3 * day + _PART_OF_HOUR[clock], levels, 3 * len(days))
    found: list[CalendarDay] = []
    for n, (ordinal, start_ms) in enumerate(zip(days.tolist(), starts_ms[first].tolist(), strict=True)):
        hours = {h: by_hour[24 * n + h] for h in range(24) if counts[24 * n + h]}
        told = _told(by_part[3 * n : 3 * n + 3], measured[3 * n : 3 * n + 3])
        found.append(CalendarDay(date.fromordinal(ordinal).isoformat(), start_ms, hours, told))
    return found


def _means(keys: NDArray[np.int64], levels: NDArray[np.float64], n: int) -> tuple[list[float], list[int]]:
    """Return the level of the mean energy of each key, and of how many levels."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        energy = np.bincount(keys, 10 ** (levels / 10), n)
        counts = np.bincount(keys, minlength=n)
        return (10 * np.log10(energy / counts)).tolist(), counts.tolist()


@lru_cache(20_000)  # the hours of two years are the same for every site
def local(ms: int, zone: tzinfo) -> datetime:
    """Return a moment in a zone."""
    return datetime.fromtimestamp(ms / 1000, zone)


def midnight_ms(ms: int, zone: tzinfo, days: int = 0) -> int:
    """Return the start of the local day of a moment, some days earlier or later."""
    day = local(ms, zone).date() + timedelta(days=days)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)

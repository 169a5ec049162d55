"""The sound of a whole day: Lday, Levening, Lnight and Lden, from the LAeq of its minutes.

Directive 2002/49/EC, annex I: day 07-19, evening 19-23 and night 23-07 in local time;
Lden = 10 lg ((12 * 10^(Lday/10) + 4 * 10^((Levening+5)/10) + 8 * 10^((Lnight+10)/10)) / 24).
The directive's Lden is that of a year; these are its single days. Averages are of energy, and each value
stands for the same time. A period of which too much is missing has no level, and the day then no Lden.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

COVERAGE = 0.75  # of each period, that there must be values for
_PERIODS = ("night", "day", "evening", "night")
_STARTS_H = (0, 7, 19, 23, 24)


@dataclass(frozen=True, slots=True)
class SoundDay:
    """Levels of a local day in dB(A); coverage: the part of the worst period that there are values for."""

    start_ms: int
    end_ms: int
    day_db: float
    evening_db: float
    night_db: float
    den_db: float
    coverage: float


def day_bounds(at_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return [start, end) in ms of the local day in which a moment lies; 23 or 25 hours twice a year."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    found = [
        datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        for day in (moment.date(), moment.date() + timedelta(days=1))
    ]
    return int(found[0] * 1000), int(found[1] * 1000)


def sound_day(levels: Iterable[tuple[int, float]], at_ms: int, zone: ZoneInfo) -> SoundDay | None:
    """Return the levels of the local day of at_ms, None when too much of it is missing.

    levels: (end of its averaging time in ms, LAeq in dB(A)) of values that are good enough, in any order.
    """
    start_ms, end_ms = day_bounds(at_ms, zone)
    found = sorted((at, level) for at, level in levels if start_ms < at <= end_ms and math.isfinite(level))
    step_ms = _step_ms([at for at, _ in found])
    if step_ms is None:
        return None
    energies: dict[str, list[float]] = {name: [] for name in _PERIODS}
    for at, level in found:
        hour = datetime.fromtimestamp((at - 1) / 1000, UTC).astimezone(zone).hour
        energies[_period(hour)].append(10 ** (level / 10))
    spans: dict[str, int] = dict.fromkeys(energies, 0)
    for hour_ms in range(start_ms, end_ms, 3_600_000):
        hour = datetime.fromtimestamp(hour_ms / 1000, UTC).astimezone(zone).hour
        spans[_period(hour)] += 3_600_000
    coverage = min(len(energies[name]) * step_ms / spans[name] for name in spans)
    if coverage < COVERAGE:
        return None
    day, evening, night = (
        10 * math.log10(sum(energies[name]) / len(energies[name])) for name in ("day", "evening", "night")
    )
    return SoundDay(start_ms, end_ms, day, evening, night, den_db(day, evening, night), min(1.0, coverage))


def den_db(day_db: float, evening_db: float, night_db: float) -> float:
    """Return Lden of the levels of the three periods."""
    total = 12 * 10 ** (day_db / 10) + 4 * 10 ** ((evening_db + 5) / 10) + 8 * 10 ** ((night_db + 10) / 10)
    return 10 * math.log10(total / 24)


def _period(hour: int) -> str:
    return next(name for name, end in zip(_PERIODS, _STARTS_H[1:], strict=True) if hour < end)


def _step_ms(times: Sequence[int]) -> float | None:
    """Return how long a value stands for: the usual distance of two, None for too few."""
    gaps = [b - a for a, b in pairwise(times) if b > a]
    return float(median(gaps)) if gaps else None

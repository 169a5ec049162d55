"""Local time in Flanders and the Netherlands, in columns: people live by it, the sun does not."""

from __future__ import annotations

import calendar
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulator.city.fields import DAY_US, HOUR_US

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_YEAR_DAYS = 365.2425


@cache
def _summer_us(year: int) -> tuple[int, int]:
    """Return when summer time begins and ends: 01:00 UTC on the last Sundays of March and October."""

    def last_sunday(month: int) -> int:
        last = calendar.monthrange(year, month)[1]
        day = last - (calendar.weekday(year, month, last) + 1) % 7
        return calendar.timegm((year, month, day, 1, 0, 0)) * 1_000_000

    return last_sunday(3), last_sunday(10)


def local_us(times_us: Ints) -> Ints:
    """Return wall-clock time in microseconds since 1970-01-01 00:00 local."""
    years = times_us.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    summer = np.zeros(times_us.shape, dtype=np.bool_)
    for year in np.unique(years).tolist():
        begin, end = _summer_us(year)
        summer |= (times_us >= begin) & (times_us < end)
    return times_us + HOUR_US + summer * HOUR_US


def weekday(local: Ints) -> Ints:
    """Return 0 for Monday to 6 for Sunday of local times."""
    return (local // DAY_US + 3) % 7


def hour(local: Ints) -> Floats:
    """Return the hour of the day of local times, 0 <= h < 24."""
    return local % DAY_US / HOUR_US


def sun_hour(times_us: Ints) -> Floats:
    """Return the hour by the sun at 3.7 degrees east, 12 at noon."""
    return (times_us / HOUR_US + 3.7 / 15.0) % 24.0


def season(times_us: Ints) -> Floats:
    """Return -1 at the coldest time of the year (late January), 1 at the warmest."""
    return -np.cos(2 * np.pi * (times_us / DAY_US % _YEAR_DAYS - 27) / _YEAR_DAYS)


def since_new_year_s(local: Ints) -> Floats:
    """Return seconds since the local midnight that began this year; negative in the second half of one."""
    years = local.astype("datetime64[us]").astype("datetime64[Y]")
    this = local - years.astype("datetime64[us]").astype(np.int64)
    following = local - (years + 1).astype("datetime64[us]").astype(np.int64)
    return np.where(following > -183 * DAY_US, following, this) / 1e6

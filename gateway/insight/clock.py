"""Days and hours of the clock of many moments at once: the same ones are asked for at every site."""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
Whole = NDArray[np.int64]


def clock_of(starts_ms: Whole, zone: tzinfo) -> tuple[Whole, Whole]:
    """Return (proleptic ordinal of the local day, hour of the clock) of each start of a whole UTC hour."""
    if not len(starts_ms):
        return starts_ms, starts_ms
    first, last = int(starts_ms.min()) // DAY_MS, int(starts_ms.max()) // DAY_MS
    days, hours = _table(first, last, zone)
    at = starts_ms // HOUR_MS - 24 * first
    return days[at], hours[at]


@lru_cache(32)  # windows as pages have them: a year of a zone is 17,520 small numbers
def _table(first: int, last: int, zone: tzinfo) -> tuple[Whole, Whole]:
    rows = [_of_utc_day(day, zone) for day in range(first, last + 1)]
    days, hours = np.array(rows, np.int64).transpose(1, 0, 2).reshape(2, -1)
    return days, hours


@lru_cache(4_000)
def _of_utc_day(day: int, zone: tzinfo) -> tuple[tuple[int, ...], tuple[int, ...]]:
    found = [datetime.fromtimestamp((day * DAY_MS + hour * HOUR_MS) / 1000, zone) for hour in range(24)]
    return tuple(moment.toordinal() for moment in found), tuple(moment.hour for moment in found)

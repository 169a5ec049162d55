"""Air quality indexes as dated tables of bands: a change of bands is a new row, old days keep the old one.

A site that measures fewer pollutants than the index asks for gets a sub-index: the worst of what it has.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

FOREVER_MS = 2**62


def day_ms(year: int, month: int, day: int) -> int:
    """Return the start of a day in UTC."""
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Bands:
    """One version of an index for hourly means in ug/m3.

    upper: by pollutant, the highest value of each level but the last, which has no end. A value on a bound
    belongs to the lower level. pollutants: all that the whole index asks for.
    """

    index: str
    levels: int
    upper: Mapping[str, tuple[float, ...]]
    pollutants: tuple[str, ...]
    source: str
    from_ms: int
    to_ms: int = FOREVER_MS


@dataclass(frozen=True, slots=True)
class Verdict:
    """Level 1 (best) to `of`, the pollutant that decides, and whether pollutants are missing."""

    level: int
    of: int
    decided_by: str
    is_partial: bool


# IRCEL, November 2022, as in open-irceline 2.0.0 `belaqi.py`, which cites irceline.be.
BELAQI = Bands(
    "belaqi",
    10,
    {
        "pm10": (10, 20, 35, 45, 60, 80, 95, 110, 140),
        "pm2_5": (3.5, 7.5, 10, 15, 20, 35, 50, 60, 75),
        "o3": (30, 65, 75, 90, 110, 150, 180, 210, 240),
        "no2": (10, 15, 20, 30, 40, 45, 50, 60, 75),
    },
    ("pm2_5", "pm10", "no2", "o3"),
    "IRCEL, BelAQI of November 2022, hourly",
    day_ms(2022, 11, 1),
)
# European Environment Agency, revision of 2024 (ETC HE 2024/17), as cited in open-meteo issue 2045.
EAQI = Bands(
    "eaqi",
    6,
    {
        "pm2_5": (5, 15, 50, 90, 140),
        "pm10": (15, 45, 120, 195, 270),
        "no2": (10, 25, 60, 100, 150),
        "o3": (60, 100, 120, 160, 180),
        "so2": (20, 40, 125, 190, 275),
    },
    ("pm2_5", "pm10", "no2", "o3", "so2"),
    "EEA, European Air Quality Index of 2024, hourly",
    day_ms(2024, 1, 1),
)
TABLES: tuple[Bands, ...] = (BELAQI, EAQI)


def bands_at(index: str, at_ms: int, tables: tuple[Bands, ...] = TABLES) -> Bands | None:
    """Return the bands of an index that held at a moment, None when none is known for it."""
    return next((b for b in tables if b.index == index and b.from_ms <= at_ms < b.to_ms), None)


def level_of(bands: Bands, pollutant: str, value: float) -> int | None:
    """Return the level of one pollutant, 1 to bands.levels; None for one that the index does not know."""
    upper = bands.upper.get(pollutant)
    return None if upper is None else bisect_left(upper, value) + 1


def judge(bands: Bands, means: Mapping[str, float]) -> Verdict | None:
    """Return the (sub-)index of a site from its hourly means; None without any known pollutant."""
    levels = {
        pollutant: level
        for pollutant, value in means.items()
        if (level := level_of(bands, pollutant, value)) is not None
    }
    if not levels:
        return None
    worst = max(levels, key=lambda pollutant: levels[pollutant])
    return Verdict(levels[worst], bands.levels, worst, bool(set(bands.pollutants) - set(levels)))

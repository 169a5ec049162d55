"""Weather of a street in Ghent: smooth functions of (seed, time, site), the same at every call.

Noise without memory: the value of a lattice point comes from a hash of (seed, name, index), and a
smooth curve runs through the points. So any instant can be asked in any order, for ever.
Amplitudes are estimates for a Flemish street, to be fitted to recordings later.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
YEAR_DAYS = 365.2425
_RAIN_STEP_US = 60_000_000


@lru_cache(maxsize=65536)
def lattice(seed: int, name: str, index: int) -> float:
    """Return a fixed pseudo-random number in [-1, 1) for a lattice point."""
    digest = hashlib.blake2b(f"{seed}/{name}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**63 - 1.0


def smooth(seed: int, name: str, now_us: int, period_us: int) -> float:
    """Return a smooth random curve in [-1, 1] whose features last about one period."""
    index, rest = divmod(now_us, period_us)
    x = rest / period_us
    x = x * x * (3 - 2 * x)
    a = lattice(seed, name, index)
    return a + (lattice(seed, name, index + 1) - a) * x


def local_hour(now_us: int) -> float:
    """Return the hour of the day in Central European Time (summer time is left out), 0 <= h < 24."""
    return (now_us / HOUR_US + 1.0) % 24


def season(now_us: int) -> float:
    """Return -1 at the coldest time of the year (late January), 1 at the warmest."""
    day = now_us / DAY_US % YEAR_DAYS
    return -math.cos(2 * math.pi * (day - 27) / YEAR_DAYS)


def temperature_c(seed: int, site: str, now_us: int) -> float:
    """Return the air temperature in degrees Celsius."""
    daily = 3.5 * math.cos(2 * math.pi * (local_hour(now_us) - 15) / 24)
    fronts = 4.0 * smooth(seed, "front", now_us, 3 * DAY_US) + 1.2 * smooth(
        seed, "cloud", now_us, 2 * HOUR_US
    )
    place = 0.6 * lattice(seed, site + "/heat", 0) + 0.2 * smooth(seed, site + "/air", now_us, HOUR_US // 2)
    return 11.0 + 7.5 * season(now_us) + daily + fronts + place


def relative_humidity_pct(seed: int, site: str, now_us: int) -> float:
    """Return the relative humidity in percent."""
    dry = 1.9 * (temperature_c(seed, site, now_us) - 11.0 - 7.5 * season(now_us))
    wet = 8.0 * min(1.0, rain_rate_mm_h(seed, site, now_us) / 2.0)
    return min(99.0, max(25.0, 78.0 - dry + wet + 8.0 * smooth(seed, "moist", now_us, DAY_US)))


def rain_rate_mm_h(seed: int, site: str, now_us: int) -> float:
    """Return the rain rate in mm/h: cells that pass on unsettled days, at each site at its own minute.

    Some 840 mm a year, in 7 % of the time (KMI, normals 1991-2020 at Uccle: 837 mm).
    """
    shifted = now_us - int(120_000_000 * (1 + lattice(seed, site + "/rain", 0)))
    unsettled = smooth(seed, "unsettled", shifted, 2 * DAY_US) + 0.25
    if unsettled <= 0:
        return 0.0
    cell = smooth(seed, "cell", shifted, HOUR_US) + 0.4 * smooth(seed, "core", shifted, HOUR_US // 6)
    core = max(0.0, cell - 0.7)
    return core * (2.0 + 24.0 * core) * min(1.0, unsettled * 2)


class RainSum:
    """Rain since the start of a simulation in mm, for a gauge that is asked now and then."""

    def __init__(self, seed: int, site: str, start_us: int) -> None:
        self._seed, self._site = seed, site
        self._at_us = start_us // _RAIN_STEP_US * _RAIN_STEP_US
        self._sum_mm = 0.0

    def __call__(self, now_us: int) -> float:
        """Return the sum; times must not decrease by more than a step."""
        while self._at_us + _RAIN_STEP_US <= now_us:
            rate = rain_rate_mm_h(self._seed, self._site, self._at_us + _RAIN_STEP_US // 2)
            self._sum_mm += rate * _RAIN_STEP_US / HOUR_US
            self._at_us += _RAIN_STEP_US
        return self._sum_mm

"""A fitted series: a daily profile, the quantiles of what is left, and how long deviations last.

Numbers come from `tools/city_fit.py`, which reads recordings and writes parameters.json with their sources.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import erf, sqrt
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from simulator.city.fields import DAY_US, HOUR_US, octaves

Floats = NDArray[np.float64]
PARAMETERS = Path(__file__).with_name("parameters.json")
_NORMAL = np.linspace(-3.2, 3.2, 129)
_SHARE = np.array([0.5 * (1 + erf(z / sqrt(2))) for z in _NORMAL])


@dataclass(frozen=True)
class Series:
    """A quantity as it was fitted.

    logarithm: the model is of its natural logarithm. weekday, weekend: 24 values from 0:30 local time.
    quantiles: of the deviation, at evenly spaced shares 0.5/n ... octaves: share of variance by period in s.
    """

    source: str
    logarithm: bool
    weekday: tuple[float, ...]
    weekend: tuple[float, ...]
    quantiles: tuple[float, ...]
    octaves: dict[float, float] = field(default_factory=dict[float, float])

    def profile(self, local_us: NDArray[np.int64]) -> Floats:
        """Return the daily cycle at local times."""
        hours = (local_us % DAY_US) / HOUR_US
        centres = np.arange(-1, 25) + 0.5
        is_weekend = (local_us // DAY_US + 3) % 7 >= 5

        def cycle(rows: tuple[float, ...]) -> Floats:
            return np.interp(hours, centres, [rows[-1], *rows, rows[0]])

        return np.where(is_weekend, cycle(self.weekend), cycle(self.weekday))

    def deviation(self, z: Floats) -> Floats:
        """Return the deviation that a standard normal number stands for."""
        n = len(self.quantiles)
        shares = (np.arange(n) + 0.5) / n
        return np.interp(np.interp(z, _NORMAL, _SHARE), shares, self.quantiles)

    def sample(
        self, seed: int, name: str, local_us: NDArray[np.int64], keys: NDArray[np.uint64] | None = None
    ) -> Floats:
        """Return the series at local times: as it might have been where it was recorded."""
        z = octaves(seed, name, local_us, self.octaves, keys)
        value = self.profile(local_us) + self.deviation(z)
        return np.exp(value) if self.logarithm else value

    def as_dict(self) -> dict[str, Any]:
        """Return what parameters.json holds."""
        return {
            "source": self.source,
            "logarithm": self.logarithm,
            "weekday": list(self.weekday),
            "weekend": list(self.weekend),
            "quantiles": list(self.quantiles),
            "octaves": {f"{period:g}": share for period, share in self.octaves.items()},
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Series:
        """Read what as_dict wrote."""
        return cls(
            source=str(row["source"]),
            logarithm=bool(row["logarithm"]),
            weekday=tuple(row["weekday"]),
            weekend=tuple(row["weekend"]),
            quantiles=tuple(row["quantiles"]),
            octaves={float(period): float(share) for period, share in row["octaves"].items()},
        )


@cache
def parameters() -> dict[str, Any]:
    """Return parameters.json."""
    return cast("dict[str, Any]", json.loads(PARAMETERS.read_text(encoding="utf-8")))


@cache
def series(name: str) -> Series:
    """Return a fitted series of parameters.json."""
    return Series.of(parameters()["series"][name])

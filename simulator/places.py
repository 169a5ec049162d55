"""Where things stand: one kind of place for city, radio and nodes, in metres around one origin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EARTH_M = 6_371_008.8  # mean radius, IUGG


@dataclass(frozen=True)
class Place:
    """A named place. x_m to the east and y_m to the north of the city's origin.

    greenery: 0 for stone on all sides, 1 for a park. traffic: share of a main road's traffic that passes,
    0 in a courtyard. They say how a place differs from the city's mean.
    """

    name: str
    x_m: float = 0.0
    y_m: float = 0.0
    height_m: float = 2.0
    greenery: float = 0.3
    traffic: float = 0.5


@dataclass(frozen=True)
class Places:
    """Many places as columns, each of shape (n,)."""

    names: tuple[str, ...]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    height_m: NDArray[np.float64]
    greenery: NDArray[np.float64]
    traffic: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[Place]) -> Places:
        """Return the columns of rows."""

        def column(name: str) -> NDArray[np.float64]:
            return np.array([getattr(row, name) for row in rows], dtype=np.float64)

        return cls(
            tuple(row.name for row in rows),
            column("x_m"),
            column("y_m"),
            column("height_m"),
            column("greenery"),
            column("traffic"),
        )

    def take(self, rows: NDArray[np.int64]) -> Places:
        """Return the places of some row numbers."""
        return Places(
            tuple([self.names[int(k)] for k in rows]),
            self.x_m[rows],
            self.y_m[rows],
            self.height_m[rows],
            self.greenery[rows],
            self.traffic[rows],
        )

    def __len__(self) -> int:
        return len(self.names)


def from_degrees(
    longitude: float, latitude: float, origin_longitude: float, origin_latitude: float
) -> tuple[float, float]:
    """Return (x_m, y_m) of a position near an origin: flat, good to 0.1 % within 50 km."""
    x_m = math.radians(longitude - origin_longitude) * _EARTH_M * math.cos(math.radians(origin_latitude))
    return x_m, math.radians(latitude - origin_latitude) * _EARTH_M


def to_degrees(
    x_m: float, y_m: float, origin_longitude: float, origin_latitude: float
) -> tuple[float, float]:
    """Return (longitude, latitude) of a place."""
    longitude = origin_longitude + math.degrees(x_m / _EARTH_M / math.cos(math.radians(origin_latitude)))
    return longitude, origin_latitude + math.degrees(y_m / _EARTH_M)

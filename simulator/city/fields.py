"""Random fields without memory: any place and instant may be asked in any order, for ever the same.

Gaussian numbers sit on a lattice; between two of them the curve runs cos and sin, which keeps its variance 1
everywhere. Curves of octaves together have the autocorrelation that was fitted to a recording.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SECOND_US = 1_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def curve(
    seed: int, name: str, times_us: Ints, period_s: float, keys: NDArray[np.uint64] | None = None
) -> Floats:
    """Return a random curve of mean 0 and variance 1 whose features last about a period.

    Shape (times,), or (places, times) with a key for each place.
    """
    period_us = max(1, round(period_s * 1e6))
    index = times_us // period_us
    part = (times_us - index * period_us) / period_us * (np.pi / 2)
    field = draws.key(name)
    lattice, where = np.unique(np.concatenate([index, index + 1]), return_inverse=True)
    at, after = where[: len(index)], where[len(index) :]
    points = (
        draws.normal(seed, field, lattice)
        if keys is None
        else draws.normal(seed, field, keys[:, None], lattice[None, :])
    )
    return points[..., at] * np.cos(part) + points[..., after] * np.sin(part)


def octaves(
    seed: int,
    name: str,
    times_us: Ints,
    shares: Mapping[float, float],
    keys: NDArray[np.uint64] | None = None,
) -> Floats:
    """Return the sum of curves, each with its share of the variance, by period in seconds."""
    shape = times_us.shape if keys is None else (len(keys), *times_us.shape)
    total = np.zeros(shape)
    for period_s, share in shares.items():
        total += np.sqrt(share) * curve(seed, f"{name}/{period_s:g}", times_us, period_s, keys)
    return total


def correlation(lag: Floats) -> Floats:
    """Return the autocorrelation of a curve at lags in periods, averaged over its phase."""
    u = (np.arange(200) + 0.5) / 200
    s = np.abs(np.asarray(lag, dtype=np.float64))[..., None]
    v = u + s
    inside = np.cos(np.pi * s / 2) * (v < 1)
    across = np.sin(np.pi * u / 2) * np.cos(np.pi * (v - 1) / 2) * ((v >= 1) & (v < 2))
    return (inside + across).mean(axis=-1)


def drifting(
    seed: int, name: str, x_m: Floats, y_m: Floats, times_us: Ints, size_m: float, east_m_s: float
) -> Floats:
    """Return a field of cells that the wind carries eastwards: shape (places, times), about -2 to 2."""
    away_m = times_us / 1e6 * east_m_s
    column = (x_m[:, None] - away_m[None, :]) / size_m
    row = np.broadcast_to(y_m[:, None] / size_m, column.shape)
    i, j = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    a, b = (column - i) * (np.pi / 2), (row - j) * (np.pi / 2)
    field = draws.key(name)

    def point(di: int, dj: int) -> Floats:
        return draws.normal(seed, field, i + di, j + dj)

    low = point(0, 0) * np.cos(a) + point(1, 0) * np.sin(a)
    high = point(0, 1) * np.cos(a) + point(1, 1) * np.sin(a)
    return low * np.cos(b) + high * np.sin(b)


def patches(seed: int, name: str, x_m: Floats, y_m: Floats, size_m: float) -> Floats:
    """Return a standing field of patches of a size: shape (places,)."""
    return drifting(seed, name, x_m, y_m, np.zeros(1, dtype=np.int64), size_m, 0.0)[:, 0]

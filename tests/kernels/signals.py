"""Samples that are hard on integer filters, as raw 32-bit words."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

TOP = 2**31 - 1
Raw = NDArray[np.int32]


def stereo(left: Raw, right: Raw | None = None) -> bytes:
    """Return frames of two slots."""
    both = np.zeros((left.size, 2), "<i4")
    both[:, 0] = left
    if right is not None:
        both[:, 1] = right
    return both.tobytes()


def raw(x: NDArray[np.float64]) -> Raw:
    """Return 24 bits left-justified, clipped at full scale = 1."""
    return (np.clip(np.rint(x * 2**23), -(2**23), 2**23 - 1).astype(np.int64) << 8).astype(np.int32)


def worst_cases(n: int) -> dict[str, Raw]:
    """Return inputs that drive the states to their ends, the low byte filled where that is worse."""
    t = np.arange(n)
    rng = np.random.default_rng(5)

    def ends(sign: NDArray[np.bool_]) -> Raw:
        return np.where(sign, TOP, -(2**31)).astype(np.int32)

    return {
        "silence": np.zeros(n, np.int32),
        "all ones": np.full(n, -1, np.int32),
        "positive full scale": ends(np.ones(n, bool)),
        "long negative, then positive full scale": ends(t >= n * 3 // 4),
        "square 40 Hz": ends(np.sin(2 * np.pi * 40 * t / 48000) >= 0),
        "square 700 Hz": ends(np.sin(2 * np.pi * 700 * t / 48000 + 0.1) >= 0),
        "random ends": ends(rng.random(n) < 0.5),
        "noise over all 32 bits": rng.integers(-(2**31), 2**31, n).astype(np.int32),
        "noise near the floor": raw(rng.normal(0, 2e-5, n)),
        "noise at 1/8": raw(rng.normal(0, 0.125, n)),
        "silence, then a click": np.where(t == n // 2, TOP, 0).astype(np.int32),
    }


def words(values: list[int]) -> array[int]:
    """Return an array of signed words."""
    return array("i", values)

"""Random numbers that belong to something: the same for (seed, this link, this frame), in any order.

A counter-based generator: splitmix64's finaliser (Steele et al., OOPSLA 2014) over the keys. So a frame's
fading does not depend on how many frames were computed before, nor on how many at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UInts = NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def key(text: str) -> int:
    """Return a 64-bit key for a name."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def keys(names: Iterable[str]) -> UInts:
    """Return the keys of names."""
    return np.array([key(name) for name in names], dtype=np.uint64)


def mixed(*keys: NDArray[np.generic] | int) -> UInts:
    """Return 64 bits for each combination of keys (arrays that broadcast, or numbers)."""
    state = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in keys:
            value = np.uint64(part & 0xFFFFFFFFFFFFFFFF) if isinstance(part, int) else part.astype(np.uint64)
            z = (state ^ value) + _GOLDEN
            z = (z ^ (z >> np.uint64(30))) * _A
            z = (z ^ (z >> np.uint64(27))) * _B
            state = z ^ (z >> np.uint64(31))
    return np.asarray(state)


def uniform(*keys: NDArray[np.generic] | int) -> NDArray[np.float64]:
    """Return numbers in (0, 1), never 0 or 1."""
    return ((mixed(*keys) >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53)


def normal(*keys: NDArray[np.generic] | int) -> NDArray[np.float64]:
    """Return standard normal numbers (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log(uniform(*keys, 1)))
    return radius * np.cos(2.0 * np.pi * uniform(*keys, 2))

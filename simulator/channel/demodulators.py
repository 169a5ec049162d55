"""A gateway's demodulators: each follows one frame from its preamble to its end; who finds none is lost."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Demodulators:
    """The paths of one gateway (8 in an SX1301). Frames come in the order of their preambles."""

    def __init__(self, paths: int = 8) -> None:
        self.paths = paths
        self._busy_until: list[int] = []

    def take(self, lock_us: Ints, end_us: Ints) -> NDArray[np.bool_]:
        """Return which frames found a path; lock_us rises, within a call and from call to call."""
        n = len(lock_us)
        found = np.ones(n, dtype=np.bool_)
        if not self.paths or not n:
            return found
        carried = [end for end in self._busy_until if end > lock_us[0]]
        ends = np.sort(np.concatenate([np.array(carried, dtype=np.int64), end_us]))
        # Frames that would be followed at once, if there were paths enough.
        held = len(carried) + np.arange(1, n + 1) - np.searchsorted(ends, lock_us, side="right")
        if held.max() <= self.paths:
            self._busy_until = [int(end) for end in end_us if end > lock_us[-1]]
            self._busy_until += [end for end in carried if end > lock_us[-1]]
            heapq.heapify(self._busy_until)
            return found
        heapq.heapify(carried)
        self._busy_until = carried
        for k, (lock, end) in enumerate(zip(lock_us.tolist(), end_us.tolist(), strict=True)):
            found[k] = self._one(lock, end)
        return found

    def _one(self, lock_us: int, end_us: int) -> bool:
        busy = self._busy_until
        while busy and busy[0] <= lock_us:
            heapq.heappop(busy)
        if len(busy) >= self.paths:
            return False
        heapq.heappush(busy, end_us)
        return True

"""How long to wait for company: what is done for one costs nearly as much as what is done for a hundred.

Whoever takes all that waits, at once, is busy all the time at any rate, with ever smaller pieces. At a low
rate that is right: nobody waits. At a high one it wastes the processor that others need: then a piece is
taken when it is worth it, or after MOST_S at the latest.
"""

from __future__ import annotations

FROM_PER_S = 2500.0  # below, nobody waits
FULL = 500  # what is worth a turn
MOST_S = 0.05
_MEMORY_S = 0.2  # over which the rate is taken


class Linger:
    """The rate of what comes in, and what follows from it. Times are in seconds of any one clock."""

    def __init__(self) -> None:
        self._rate_per_s = 0.0
        self._since_s = 0.0
        self._count = 0

    @property
    def is_calm(self) -> bool:
        """Tell whether the rate is one at which nobody waits."""
        return self._rate_per_s < FROM_PER_S

    def took(self, count: int, now_s: float) -> None:
        """Note what was taken."""
        self._count += count
        passed_s = now_s - self._since_s
        if passed_s >= _MEMORY_S:
            self._rate_per_s = self._count / passed_s
            self._since_s, self._count = now_s, 0

    def wait_s(self, waiting: int) -> float:
        """Return how long to wait while `waiting` are there already."""
        if self._rate_per_s < FROM_PER_S or waiting >= FULL:
            return 0.0
        return min(MOST_S, (FULL - waiting) / self._rate_per_s)

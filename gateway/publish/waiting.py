"""When a follower waits: after failures, and while another worker has its turn."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Turn(Protocol):
    """Whose turn it is, where others follow the same store for the same platform."""

    @property
    def is_ours(self) -> bool:
        """Tell whether it is ours now."""
        ...

    async def come(self) -> None:
        """Return once it is ours."""
        ...

    def fence(self) -> AbstractContextManager[None]:
        """Within the block, this thread writes to the store only while it is ours."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting after failures: doubling from first_s to most_s, each time a random half of it off."""

    first_s: float = 1.0
    most_s: float = 300.0

    def delay_s(self, failures: int, after_s: float | None, dice: random.Random) -> float:
        """Return the wait after that many failures in a row (from 1); never before the platform's wish."""
        longest = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 30))
        delay = longest * dice.uniform(0.5, 1.0)
        # A platform may ask for a long rest, but not for ever.
        return max(delay, min(after_s, 3600.0)) if after_s is not None else delay

"""The newest part of the log in memory, so that what was just written need not be read back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from gateway.model import Uplink

MOST = 8000


class Tail:
    """Uplinks by sequence, the newest `most` of them. Belongs to the loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._items: deque[tuple[int, Uplink]] = deque()

    def add(self, sequences: Sequence[int], uplinks: Sequence[Uplink]) -> None:
        """Take what has become durable."""
        self._items.extend(zip(sequences, uplinks, strict=True))
        while len(self._items) > self._most:
            self._items.popleft()

    def after(self, sequence: int, limit: int) -> list[tuple[int, Uplink]] | None:
        """Return what follows a sequence; None when it goes back too far. What is before it is let go."""
        items = self._items
        if not items or items[0][0] > sequence + 1:
            return None
        while items and items[0][0] <= sequence:
            items.popleft()
        return list(islice(items, limit))

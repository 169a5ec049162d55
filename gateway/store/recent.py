"""The newest records in memory, so that publishers need not read back what was just written.

It holds an unbroken stretch of the store, or nothing: whoever asks for more than it has is sent to the
database. Records are the very objects that were stored; their numbers follow one another.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from gateway.store.rows import Record

MOST = 8000


class RecentRecords:
    """The newest `most` records. Written by the thread that commits, read by any."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._items: deque[Record] = deque()

    def add(self, records: Sequence[Record]) -> None:
        """Take records that are committed."""
        if not records:
            return
        with self._lock:
            items = self._items
            if items and items[-1].id + 1 != records[0].id:
                items.clear()
            items.extend(records)
            for _ in range(len(items) - self._most):
                items.popleft()

    def clear(self) -> None:
        """Forget all: somebody else wrote, too."""
        with self._lock:
            self._items.clear()

    def since(self, first: int, limit: int) -> list[Record] | None:
        """Return records from a number on; None when the database must be asked."""
        with self._lock:
            items = self._items
            if not items or not items[0].id <= first <= items[-1].id:
                return None
            skip = first - items[0].id
            return list(islice(items, skip, skip + limit))

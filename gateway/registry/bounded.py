"""A dictionary that begins anew when it is full: for what is quick to look up again."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
MOST = 4000


class Bounded(dict[K, V]):
    """At most MOST entries: whoever passes over a whole city may not leave it all in memory."""

    def __setitem__(self, key: K, value: V) -> None:
        """Keep an entry; the others go when there are too many."""
        if len(self) >= MOST:
            self.clear()
        super().__setitem__(key, value)

"""How many rows or keys go into one statement, so that few different statements are ever made.

SQLite takes longer to make a statement of hundreds of rows than to run it, and keeps those of late: a burst
is of another size each time, so it is cut into pieces of a few sizes, and the last one is filled up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

AT_ONCE = 500
_EXACT = (500, 250, 125)
_FILLED = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 125)
_MOST_VALUES = 30_000  # SQLite takes 32,766 in a statement


def size_for(n: int) -> int:
    """Return the size of the statement that takes n rows or keys, up to 500; not much above n."""
    return next(size for size in (*_FILLED, *reversed(_EXACT)) if size >= n)


def pieces(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut keys into what one IN (...) takes; the last of them may come several times."""
    for at in range(0, len(keys), AT_ONCE):
        part = keys[at : at + AT_ONCE]
        more = size_for(len(part)) - len(part)
        yield [*part, *[part[-1]] * more] if more else part


def runs(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Sequence[Sequence[Any]], int]]:
    """Cut rows into (rows, rows of nothing to add), so that both together are of a known size."""
    most = max(1, _MOST_VALUES // len(rows[0]))
    at, n = 0, len(rows)
    for size in _EXACT:
        while size <= most and n - at >= size:
            yield rows[at : at + size], 0
            at += size
    while at < n:
        part = rows[at : at + min(most, _EXACT[-1])]
        yield part, min(most, size_for(len(part))) - len(part)
        at += len(part)

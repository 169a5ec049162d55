"""When each page begins and ends: a small file, so that no reading grows with history.

A page is a stretch of store positions, so which rows it holds is arithmetic. The time at which an observation
was published is its time of reception, or that of what was stored before it where that is later (clocks are
set back, frames overtake one another): the stream's timestamps never fall. The only thing that arithmetic
cannot say is the latest reception before a page. It is computed once, when the page closes, and kept.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.errors import StoreError
from gateway.model import PublicObservation, PublicSite

FANOUT = 32  # pages a node, nodes a higher node


class PageReader(Protocol):
    """What the event stream reads (gateway.store.SqlitePublicReader has it)."""

    def places(self) -> Sequence[PublicSite]:
        """Return the public sites by id, without what was measured there."""
        ...

    def newest_position(self) -> int:
        """Return the highest position that any observation has by now, public or not."""
        ...

    def stretch(self, first: int, end: int) -> Sequence[PublicObservation]:
        """Return the public observations with first <= position < end, in store order."""
        ...

    def arrivals(self, first: int, end: int) -> Sequence[tuple[int, int]]:
        """Return (lowest position, time of reception) of all records, public or not, in store order."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """A page (level 0) or a node over FANOUT ** level pages. last_ms None: it is still being written."""

    level: int
    number: int
    first_ms: int
    last_ms: int | None


class PageIndex:
    """The closed pages of one store. Safe to call from several threads."""

    def __init__(self, path: Path, reader: PageReader, page_positions: int) -> None:
        """Open or create; raise StoreError."""
        self._reader = reader
        self._span = page_positions
        self._lock = threading.Lock()
        self._is_verified = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS pages(page INTEGER PRIMARY KEY, first_ms INTEGER NOT NULL, "
                "last_ms INTEGER NOT NULL)"
            )
            if self._db.execute("PRAGMA user_version").fetchone()[0] != page_positions:
                self._db.execute("DELETE FROM pages")
                self._db.execute(f"PRAGMA user_version = {page_positions:d}")
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}; delete it, it is computed again") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def open_page(self) -> int:
        """Return the number of the page that is being written; all before it are closed and indexed."""
        page = max(self._reader.newest_position(), 0) // self._span
        with self._lock:
            known = self._db.execute("SELECT COALESCE(MAX(page), -1) FROM pages").fetchone()[0]
            if not self._is_verified:
                known = self._verified(known)
            if known >= page and known >= 0:  # another store than the one that was indexed
                self._db.execute("DELETE FROM pages WHERE page >= ?", (page,))
                known = page - 1
            self._extend(known + 1, page)
        return page

    def block(self, level: int, number: int, open_page: int) -> Block:
        """Return when a page or node begins and ends."""
        first = number * FANOUT**level
        end = first + FANOUT**level
        with self._lock:
            found = self._db.execute("SELECT first_ms FROM pages WHERE page = ?", (first,)).fetchone()
            if end <= open_page:
                last = self._db.execute("SELECT last_ms FROM pages WHERE page = ?", (end - 1,)).fetchone()
                return Block(level, number, found[0], last[0])
        return Block(level, number, found[0] if found else self._first_ms(first), None)

    def blocks(self, oldest: int, open_page: int) -> list[Block]:
        """Return what a root links to: the largest complete blocks from a page on, then the open page."""
        found: list[Block] = []
        page = oldest
        while page < open_page:
            level = 0
            while page % FANOUT ** (level + 1) == 0 and page + FANOUT ** (level + 1) <= open_page:
                level += 1
            found.append(self.block(level, page // FANOUT**level, open_page))
            page += FANOUT**level
        return [*found, self.block(0, open_page, open_page)]

    def oldest_page(self, since_ms: int, open_page: int) -> int:
        """Return the first page that holds anything published at `since_ms` or later."""
        with self._lock:
            # last_ms rises with page: a binary search over the primary key.
            low, high = 0, open_page
            while low < high:
                middle = (low + high) // 2
                row = self._db.execute("SELECT last_ms FROM pages WHERE page = ?", (middle,)).fetchone()
                low, high = (low, middle) if row[0] >= since_ms else (middle + 1, high)
        return low

    def published(self, page: int) -> list[tuple[int, int]]:
        """Return (lowest position, publication time) of each record of a page, in store order."""
        with self._lock:
            floor = self._floor(page)
        return self._times(page, floor)

    def _verified(self, known: int) -> int:
        """Return the last page that is known; forget all when the store was computed again in between."""
        self._is_verified = True
        row = self._db.execute("SELECT first_ms, last_ms FROM pages WHERE page = ?", (known,)).fetchone()
        if row is None:
            return -1
        floor = self._floor(known)
        times = self._times(known, floor)
        now = (times[0][1], times[-1][1]) if times else (floor, floor)
        if now == row:
            return known
        self._db.execute("DELETE FROM pages")
        return -1

    def _times(self, page: int, floor: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for position, received_ms in self._reader.arrivals(page * self._span, (page + 1) * self._span):
            floor = max(floor, received_ms)
            found.append((position, floor))
        return found

    def _floor(self, page: int) -> int:
        row = self._db.execute("SELECT last_ms FROM pages WHERE page = ?", (page - 1,)).fetchone()
        return row[0] if row else 0

    def _first_ms(self, page: int) -> int:
        times = self.published(page)
        with self._lock:
            return times[0][1] if times else self._floor(page)

    def _extend(self, first: int, end: int) -> None:
        """Index the pages from first to before end."""
        floor = self._floor(first)
        for start in range(first, end, 1000):
            rows: list[tuple[int, int, int]] = []
            for page in range(start, min(start + 1000, end)):
                times = self._times(page, floor)
                rows.append((page, times[0][1] if times else floor, times[-1][1] if times else floor))
                floor = rows[-1][2]
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO pages VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")

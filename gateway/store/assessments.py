"""What second looks found, beside the store: it can be computed again from the observations at any time.
But for what people told of a stretch (`mark`): that is here alone.

Of a stretch that was looked at again by the same version, the newer result stands; results of other versions
of a check stay on record, and the highest version speaks.
"""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from gateway.dbfile import REMEDY, open_database
from gateway.errors import StoreError
from gateway.model import Assessment

_TABLES = """CREATE TABLE IF NOT EXISTS assessments(
    site_id TEXT NOT NULL, quantity TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    flag TEXT NOT NULL, version INTEGER NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY(site_id, quantity, flag, version, from_ms)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS assessments_by_time ON assessments(quantity, from_ms);
CREATE TABLE IF NOT EXISTS reviewed(name TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;"""
_Stretch = tuple[int, int, str, int]  # from, to, flag, version


class Assessments:
    """The file of one data directory. Safe to call from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError."""
        self._lock = threading.Lock()
        self._seen_version = -1
        self._series: dict[tuple[str, str], list[_Stretch]] = {}
        self._longest: dict[tuple[str, str], int] = {}
        self._sites: frozenset[str] = frozenset()
        remedy = f"{REMEDY}. If the file is damaged, move it away: it is computed again"
        self._db = open_database(path, 1, _TABLES, remedy=remedy)

    def replace(
        self,
        quantity: str,
        start_ms: int,
        end_ms: int,
        kinds: Sequence[tuple[str, int]],
        found: Sequence[Assessment],
        reviewed: str = "",
    ) -> None:
        """Put what was found of stretches that begin in [start_ms, end_ms) in the place of what was there.

        kinds: the (flag, version) of the checks that looked. reviewed: a name under which end_ms is kept.
        Raise StoreError: then nothing of it is kept.
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    for flag, version in kinds:
                        self._db.execute(
                            "DELETE FROM assessments WHERE quantity = ? AND from_ms >= ? AND from_ms < ? "
                            "AND flag = ? AND version = ?",
                            (quantity, start_ms, end_ms, flag, version),
                        )
                    self._db.executemany(
                        "INSERT OR REPLACE INTO assessments VALUES (?, ?, ?, ?, ?, ?, ?)",
                        [astuple(row) for row in found],
                    )
                    if reviewed:
                        self._db.execute(
                            "INSERT INTO reviewed VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET "
                            "until_ms = MAX(until_ms, excluded.until_ms)",
                            (reviewed, end_ms),
                        )
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"review.db: {error}") from error
            self._seen_version = -1

    def mark(self, site_id: str, quantity: str, from_ms: int, to_ms: int, flag: str, detail: str) -> None:
        """Keep what a person said of a stretch, which no second look finds or takes away."""
        with self._lock:
            try:
                self._db.execute(
                    "INSERT OR REPLACE INTO assessments VALUES (?, ?, ?, ?, ?, 1, ?)",
                    (site_id, quantity, from_ms, to_ms, flag, detail),
                )
            except sqlite3.Error as error:
                raise StoreError(f"review.db: {error}") from error
            self._seen_version = -1

    def reviewed_until(self, name: str) -> int:
        """Return the time up to which was looked under a name; 0 = never."""
        with self._lock:
            row = self._db.execute("SELECT until_ms FROM reviewed WHERE name = ?", (name,)).fetchone()
            return 0 if row is None else int(row[0])

    def flags(self, site_id: str, quantity: str, at_ms: int) -> tuple[str, ...]:
        """Return the flags that second looks gave a value observed at a time, by name."""
        with self._lock:
            self._refresh()
            key = (site_id, quantity)
            stretches = self._series.get(key)
            if stretches is None:
                return ()
            newest: dict[str, tuple[int, bool]] = {}
            last = bisect_right(stretches, at_ms, key=lambda stretch: stretch[0])
            for from_ms, to_ms, flag, version in reversed(stretches[:last]):
                if from_ms <= at_ms - self._longest[key]:
                    break
                if at_ms < to_ms and version >= newest.get(flag, (0, False))[0]:
                    newest[flag] = (version, True)
            return tuple(sorted(newest))

    def stretches(self, site_id: str, quantity: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        """Return the stretches [from, to) of a series that second looks flagged and that touch a time."""
        with self._lock:
            self._refresh()
            key = (site_id, quantity)
            found = self._series.get(key, [])
            last = bisect_left(found, end_ms, key=lambda stretch: stretch[0])
            first_ms = start_ms - self._longest.get(key, 0)
            first = bisect_left(found, first_ms, key=lambda stretch: stretch[0])
            return [(from_ms, to_ms) for from_ms, to_ms, _, _ in found[first:last] if to_ms > start_ms]

    def sites(self) -> frozenset[str]:
        """Return the sites of which anything was found."""
        with self._lock:
            self._refresh()
            return self._sites

    def between(self, start_ms: int, end_ms: int, site_id: str | None = None) -> list[Assessment]:
        """Return what was found of stretches that touch [start_ms, end_ms), by site, quantity and time."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM assessments WHERE from_ms < ? AND to_ms > ? AND (site_id = ? OR ? IS NULL) "
                "ORDER BY site_id, quantity, from_ms, flag, version",
                (end_ms, start_ms, site_id, site_id),
            )
            return [Assessment(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _refresh(self) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._seen_version:
            return
        self._seen_version = version
        self._series.clear()
        self._longest.clear()
        self._sites = frozenset()
        rows = self._db.execute(
            "SELECT site_id, quantity, from_ms, to_ms, flag, version FROM assessments ORDER BY from_ms"
        )
        for site_id, quantity, from_ms, to_ms, flag, number in rows:
            key = (site_id, quantity)
            self._series.setdefault(key, []).append((from_ms, to_ms, flag, number))
            self._longest[key] = max(self._longest.get(key, 0), to_ms - from_ms)
        self._sites = frozenset(site_id for site_id, _ in self._series)

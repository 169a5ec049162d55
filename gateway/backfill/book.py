"""The gaps of all devices on the disk: gaps.db, one row a device.

It is written behind the store: gaps at once, the highest number of a device that misses nothing once in a
while. After a kill it may know less than the store, which is asked then.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

from gateway.dbfile import open_database
from gateway.errors import StoreError

from .gaps import Gaps

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS gaps(dev_eui TEXT PRIMARY KEY, top INTEGER NOT NULL, missing TEXT NOT NULL)"
)
# A row while everything is written; older Meetnets pass it by.
_CLOSED = "CREATE TABLE IF NOT EXISTS closed(at INTEGER PRIMARY KEY)"


class GapBook:
    """load once, save often. Belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError."""
        self._path = path
        remedy = "move it away, it is made again from the store"
        self._db = open_database(path, 1, _SCHEMA, remedy=remedy, synchronous="NORMAL")
        self._db.execute(_CLOSED)

    def load(self) -> dict[str, Gaps]:
        """Return the gaps of every device; raise StoreError."""
        try:
            rows = self._db.execute("SELECT dev_eui, top, missing FROM gaps").fetchall()
            return {
                dev_eui: Gaps(top, [(first, end) for first, end in json.loads(missing)])
                for dev_eui, top, missing in rows
            }
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise StoreError(
                f"{self._path.name}: {error}; move it away, it is made again from the store"
            ) from error

    def open(self) -> bool:
        """Note that what is written may fall behind; tell whether it was complete until now."""
        try:
            return self._db.execute("DELETE FROM closed").rowcount > 0
        except sqlite3.Error as error:
            raise StoreError(f"{self._path.name}: {error}") from error

    def save(self, rows: list[tuple[str, int, str]]) -> None:
        """Write (DevEUI, top, missing as JSON) of some devices; raise StoreError."""
        try:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO gaps VALUES (?,?,?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreError(f"{self._path.name}: {error}") from error

    def close(self, *, is_complete: bool = False) -> None:
        """Close the file. is_complete: every device is as it was saved last."""
        if is_complete:
            with contextlib.suppress(sqlite3.Error):  # then the store is asked again
                self._db.execute("INSERT OR REPLACE INTO closed VALUES (1)")
        self._db.close()


def row_of(dev_eui: str, gaps: Gaps) -> tuple[str, int, str]:
    """Return the row of a device."""
    return dev_eui, gaps.top, json.dumps(gaps.missing)

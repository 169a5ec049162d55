"""Protected frames of late, on the disk: windows.db, so that a new process knows each device's window.

A frame is written as it is decoded, before the store knows its records: after a kill some are decoded once
more, which teaches nothing new.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.dbfile import open_database
from gateway.decode.recovery import KEPT
from gateway.errors import StoreError
from wire.codec import parity

_SCHEMA = """CREATE TABLE IF NOT EXISTS frames(id INTEGER PRIMARY KEY, dev_eui TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS frames_by_device ON frames(dev_eui, id)"""
_REMEDY = "move it away: lost frames are asked for until it has filled again"
_NEEDED = KEPT + parity.WINDOW
_TRIM_EVERY = 64


class WindowBook:
    """The newest protected frames of every device. Belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError."""
        self._path = path
        self._added = 0
        self._db = open_database(path, 1, _SCHEMA, remedy=_REMEDY, synchronous="NORMAL")

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path.name}: {error}; {_REMEDY}")

    def load(self, dev_eui: str) -> list[tuple[int, bytes]]:
        """Return (received_at_ms, payload) of a device's frames, oldest first; raise StoreError."""
        try:
            return self._db.execute(
                "SELECT received_at_ms, payload FROM frames WHERE dev_eui = ? ORDER BY id", (dev_eui,)
            ).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def add(self, dev_eui: str, received_at_ms: int, payload: bytes) -> None:
        """Keep a frame, and no more than are needed; raise StoreError."""
        try:
            self._db.execute(
                "INSERT INTO frames(dev_eui, received_at_ms, payload) VALUES (?,?,?)",
                (dev_eui, received_at_ms, payload),
            )
            self._added += 1
            if self._added % _TRIM_EVERY == 0:
                self._db.execute(
                    "DELETE FROM frames WHERE dev_eui = ?1 AND id <= (SELECT id FROM frames"
                    " WHERE dev_eui = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                    (dev_eui, _NEEDED),
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

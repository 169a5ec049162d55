"""What drivers report from their rounds, in waste.db: emptied, was empty, overflowing, blocked, damaged."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from gateway.dbfile import open_database
from gateway.errors import RegistryError

REPORTS = ("emptied", "was_empty", "overflowing", "blocked", "damaged")
_TABLE = """CREATE TABLE IF NOT EXISTS reports(
    site_id TEXT NOT NULL, at_ms INTEGER NOT NULL, what TEXT NOT NULL, person INTEGER,
    PRIMARY KEY(site_id, at_ms, what)) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Report:
    """One report of a driver."""

    site_id: str
    at_ms: int
    what: str


class Rounds:
    """The reports of one data directory. Safe to call from several threads."""

    def __init__(self, directory: Path) -> None:
        """Open or create waste.db, mode 0600; raise StoreError."""
        path = directory / "waste.db"
        self._lock = threading.RLock()
        self._db = open_database(path, 1, _TABLE)

    def report(self, site_id: str, what: str, at_ms: int, person_id: int | None) -> None:
        """Keep a report; the same one twice is kept once. Raise RegistryError."""
        if what not in REPORTS:
            raise RegistryError(f"what: {what!r}; allowed: {', '.join(REPORTS)}")
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO reports VALUES (?, ?, ?, ?)", (site_id, at_ms, what, person_id)
            )

    def since(self, from_ms: int) -> list[Report]:
        """Return the reports from a time on, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT site_id, at_ms, what FROM reports WHERE at_ms >= ? ORDER BY at_ms DESC, site_id",
                (from_ms,),
            )
            return [Report(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

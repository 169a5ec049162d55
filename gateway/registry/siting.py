"""What hosts and technicians said of the place of a sensor, in siting.db."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.dbfile import open_database

_TABLE = """CREATE TABLE IF NOT EXISTS siting(
    site_id TEXT PRIMARY KEY, answers TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID"""


class SitingBook:
    """The answers of one data directory. Safe to call from several threads.

    maintained(site_id, from_ms, to_ms): marks what was measured then as of somebody at work there.
    """

    def __init__(self, directory: Path, maintained: Callable[[str, int, int], None]) -> None:
        """Open or create siting.db, mode 0600; raise StoreError."""
        self._lock = threading.RLock()
        self.maintained = maintained
        self._db = open_database(directory / "siting.db", 1, _TABLE)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def answers(self, site_id: str) -> dict[str, str]:
        """Return what was answered, by question."""
        with self._lock:
            row = self._db.execute("SELECT answers FROM siting WHERE site_id = ?", (site_id,)).fetchone()
        return json.loads(row[0]) if row else {}

    def answer(self, site_id: str, answers: Mapping[str, str], now_ms: int) -> None:
        """Keep the answers in the place of those before."""
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO siting VALUES (?, ?, ?)", (site_id, json.dumps(dict(answers)), now_ms)
            )

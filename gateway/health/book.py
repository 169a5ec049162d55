"""Incidents on record: when each began, was told, and ended. So a restart tells nothing twice.

Several workers on one register keep one book: each puts in what it sees, and what none of them sees any more
has ended.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.dbfile import REMEDY, open_database
from gateway.errors import StoreError
from gateway.health.rules import Incident

_TABLES = """CREATE TABLE IF NOT EXISTS incidents(
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, cause TEXT NOT NULL, subject TEXT NOT NULL,
    devices TEXT NOT NULL, figures TEXT NOT NULL, since_ms INTEGER NOT NULL, opened_ms INTEGER NOT NULL,
    closed_ms INTEGER, told_ms INTEGER, told_end INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS incidents_open ON incidents(key) WHERE closed_ms IS NULL;"""
_SEEN = "CREATE TABLE IF NOT EXISTS seen(key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID"
_WAYS = (
    "CREATE TABLE IF NOT EXISTS ways(incident INTEGER NOT NULL, occasion TEXT NOT NULL, way TEXT NOT NULL, "
    "tries INTEGER NOT NULL, next_ms INTEGER, PRIMARY KEY(incident, occasion, way)) WITHOUT ROWID"
)
_SELECT = (
    "SELECT id, key, cause, subject, since_ms, devices, figures, opened_ms, closed_ms, told_ms, told_end "
    "FROM incidents "
)
# An incident ends when it was not seen for this long: a device at the edge of its patience is one incident.
CALM_MS = 10 * 60_000


@dataclass(frozen=True, slots=True)
class Entry:
    """An incident as it is on record. told_ms: when people were last told; closed_ms: None = it goes on."""

    id: int
    incident: Incident
    opened_ms: int
    closed_ms: int | None
    told_ms: int | None
    told_end: bool

    @property
    def occasion(self) -> str:
        """What there is to tell of it now: its beginning (0), that it goes on, or its end."""
        return "end" if self.closed_ms is not None else str(self.told_ms or 0)


@dataclass(frozen=True, slots=True)
class Way:
    """What became of telling somebody on one occasion. next_ms: when to try again; None: it was taken."""

    tries: int
    next_ms: int | None


class IncidentBook:
    """The file of one register. Safe to call from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError."""
        self._lock = threading.Lock()
        self._begin_ms: int | None = None
        remedy = f"{REMEDY}. If the file is damaged, move it away: only the history of incidents is lost"
        self._db = open_database(path, 1, _TABLES, remedy=remedy)
        try:
            self._db.execute(_SEEN)
            self._db.execute(_WAYS)
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError(f"{path.name}: {error}; {remedy}") from error

    def update(self, now_ms: int, found: Iterable[Incident]) -> None:
        """Open what is new, refresh what goes on, end what was not seen for CALM_MS. Raise StoreError."""
        with self._lock:
            if self._begin_ms is None:
                self._begin_ms = now_ms
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    present = {one.key: one for one in found}
                    for one in present.values():
                        self._put(now_ms, one)
                    self._db.executemany(
                        "INSERT INTO seen(key, at_ms) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET at_ms = "
                        "excluded.at_ms",
                        [(key, now_ms) for key in present],
                    )
                    if now_ms - self._begin_ms >= CALM_MS:  # after a restart each is given its time again
                        self._db.execute(
                            "UPDATE incidents SET closed_ms = ? WHERE closed_ms IS NULL AND ? <= ? - "
                            "COALESCE((SELECT at_ms FROM seen WHERE seen.key = incidents.key), 0)",
                            (now_ms, CALM_MS, now_ms),
                        )
                    self._db.execute(
                        "DELETE FROM seen WHERE key NOT IN "
                        "(SELECT key FROM incidents WHERE closed_ms IS NULL)"
                    )
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"health.db: {error}") from error

    def _put(self, now_ms: int, one: Incident) -> None:
        told = json.dumps(list(one.devices)), json.dumps(dict(one.figures or {}))
        cursor = self._db.execute(
            "UPDATE incidents SET devices = ?, figures = ? WHERE key = ? AND closed_ms IS NULL",
            (*told, one.key),
        )
        if cursor.rowcount == 0:
            self._db.execute(
                "INSERT INTO incidents(key, cause, subject, devices, figures, since_ms, opened_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.key, one.cause, one.subject, *told, one.since_ms, now_ms),
            )

    def open(self) -> list[Entry]:
        """Return the incidents that go on, oldest first."""
        return self._read("WHERE closed_ms IS NULL ORDER BY since_ms, id")

    def recent(self, most: int = 100) -> list[Entry]:
        """Return the newest incidents, also those that ended, newest first."""
        return self._read(f"ORDER BY id DESC LIMIT {int(most)}")

    def to_tell(self, now_ms: int, remind_ms: int) -> list[Entry]:
        """Return what is to be told: what is new, what goes on for long, ends of what somebody knows."""
        return self._read(
            "WHERE (closed_ms IS NULL AND (told_ms IS NULL OR told_ms <= ?)) "
            "OR (closed_ms IS NOT NULL AND NOT told_end AND (told_ms IS NOT NULL OR EXISTS "
            "(SELECT 1 FROM ways WHERE incident = id AND next_ms IS NULL))) ORDER BY since_ms, id",
            (now_ms - remind_ms,),
        )

    def told(self, entry: Entry, now_ms: int) -> None:
        """Keep that people were told."""
        with self._lock:
            self._db.execute(
                "UPDATE incidents SET told_ms = ?, told_end = ? WHERE id = ?",
                (now_ms, entry.closed_ms is not None, entry.id),
            )

    def ways(self, entry: Entry) -> dict[str, dict[str, Way]]:
        """Return what became of telling of an incident: by occasion, by whom it goes to."""
        with self._lock:
            rows = self._db.execute(
                "SELECT occasion, way, tries, next_ms FROM ways WHERE incident = ?", (entry.id,)
            ).fetchall()
        found: dict[str, dict[str, Way]] = {}
        for occasion, way, tries, next_ms in rows:
            found.setdefault(occasion, {})[way] = Way(tries, next_ms)
        return found

    def tried(self, entry: Entry, name: str, way: Way) -> None:
        """Keep what became of telling somebody on the present occasion."""
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO ways(incident, occasion, way, tries, next_ms) VALUES (?, ?, ?, ?, ?)",
                (entry.id, entry.occasion, name, way.tries, way.next_ms),
            )

    def forget_before(self, at_ms: int) -> None:
        """Drop incidents that ended before a time."""
        with self._lock:
            self._db.execute("DELETE FROM incidents WHERE closed_ms < ?", (at_ms,))
            self._db.execute("DELETE FROM ways WHERE incident NOT IN (SELECT id FROM incidents)")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _read(self, where: str, values: tuple[int, ...] = ()) -> list[Entry]:
        with self._lock:
            rows = self._db.execute(
                _SELECT + where,
                values,
            ).fetchall()
        return [_entry(row) for row in rows]


def _entry(row: tuple[Any, ...]) -> Entry:
    number, key, cause, subject, since_ms, devices, figures, opened_ms, closed_ms, told_ms, told_end = row
    names, told = tuple(json.loads(devices)), json.loads(figures) or None
    incident = Incident(key, cause, subject, since_ms, names, told)
    return Entry(number, incident, opened_ms, closed_ms, told_ms, bool(told_end))

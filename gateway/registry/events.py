"""Events at which noise is followed, in events.db: when, where, under which limits, the organiser's key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.dbfile import open_database
from gateway.errors import RegistryError

LONGEST_MS = 31 * 86_400_000
MOST_SITES = 12
_TABLE = """CREATE TABLE IF NOT EXISTS events(
    id TEXT PRIMARY KEY, name TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    regime TEXT NOT NULL, own TEXT NOT NULL, sites TEXT NOT NULL, key_hash BLOB NOT NULL,
    is_open INTEGER NOT NULL) WITHOUT ROWID"""


class OwnLimit(msgspec.Struct, frozen=True):
    """A limit as typed from a permit: quantity, minutes of its mean (-1: a maximum), level in dB."""

    quantity: str
    window_min: int
    upper_db: float


@dataclass(frozen=True, slots=True)
class Event:
    """One event. regime: a name of gateway.insight.permits; own: limits where that is "own".

    is_open: neighbours may follow it.
    """

    id: str
    name: str
    from_ms: int
    to_ms: int
    regime: str
    own: tuple[OwnLimit, ...]
    sites: tuple[str, ...]
    is_open: bool


class EventBook:
    """The events of one data directory. Safe to call from several threads."""

    def __init__(self, directory: Path) -> None:
        """Open or create events.db, mode 0600; raise StoreError."""
        path = directory / "events.db"
        self._lock = threading.RLock()
        self._db = open_database(path, 1, _TABLE)

    def add(
        self,
        name: str,
        from_ms: int,
        to_ms: int,
        regime: str,
        own: Sequence[OwnLimit],
        sites: Sequence[str],
        is_open: bool,
    ) -> tuple[Event, str]:
        """Keep a new event; return it with the organiser's key, kept nowhere. Raise RegistryError."""
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise RegistryError("name: write 1 to 80 signs")
        if not 0 < to_ms - from_ms <= LONGEST_MS:
            raise RegistryError("to: must lie after the beginning, at most 31 days")
        if not 1 <= len(sites) <= MOST_SITES:
            raise RegistryError(f"sites: choose 1 to {MOST_SITES}")
        event = Event(secrets.token_hex(4), name, from_ms, to_ms, regime, tuple(own), tuple(sites), is_open)
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    event.id, name, from_ms, to_ms, regime, msgspec.json.encode(event.own).decode(),
                    msgspec.json.encode(event.sites).decode(), _hash(key), is_open,
                ),
            )  # fmt: skip
        return event, key

    def event(self, event_id: str) -> Event | None:
        """Return one event."""
        with self._lock:
            row = self._db.execute("SELECT * FROM events WHERE id = ?", (event_id,)).fetchone()
        return _event(row) if row else None

    def events(self) -> list[Event]:
        """Return all events, the newest first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM events ORDER BY from_ms DESC, id").fetchall()
        return [_event(row) for row in rows]

    def accepts(self, event_id: str, key: str) -> bool:
        """Tell whether a key is the organiser's of an event."""
        with self._lock:
            row = self._db.execute("SELECT key_hash FROM events WHERE id = ?", (event_id,)).fetchone()
        return row is not None and hmac.compare_digest(row[0], _hash(key))

    def end(self, event_id: str, at_ms: int) -> bool:
        """Let an event that runs end now; tell whether there was one."""
        with self._lock:
            sql = "UPDATE events SET to_ms = ? WHERE id = ? AND from_ms < ? AND to_ms > ?"
            return self._db.execute(sql, (at_ms, event_id, at_ms, at_ms)).rowcount > 0

    def remove(self, event_id: str) -> bool:
        """Forget an event; what was measured stays. Tell whether there was one."""
        with self._lock:
            return self._db.execute("DELETE FROM events WHERE id = ?", (event_id,)).rowcount > 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _event(row: tuple[str, str, int, int, str, str, str, bytes, int]) -> Event:
    own = msgspec.json.decode(row[5], type=tuple[OwnLimit, ...])
    sites = msgspec.json.decode(row[6], type=tuple[str, ...])
    return Event(row[0], row[1], row[2], row[3], row[4], own, sites, bool(row[8]))


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()

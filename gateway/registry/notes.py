"""What hosts and staff write beside a chart, in notes.db: "wood fire next door", "moved to the shade".

A note is for its site's hosts and staff, and for everybody only where its writer chose so. It goes with the
site when that is erased.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.dbfile import open_database
from gateway.errors import RegistryError

MOST_LETTERS = 200
MOST_NOTES = 1000  # of one site
_TABLE = """CREATE TABLE IF NOT EXISTS notes(
    id INTEGER PRIMARY KEY, site_id TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    text TEXT NOT NULL, public INTEGER NOT NULL, person INTEGER, made_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS notes_of ON notes(site_id, from_ms)"""


@dataclass(frozen=True, slots=True)
class Note:
    """A note on [from_ms, to_ms] of a site; both the same: on a moment. person: who wrote it."""

    id: int
    site_id: str
    from_ms: int
    to_ms: int
    text: str
    is_public: bool
    person: int | None

    def holds(self, at_ms: int) -> bool:
        """Tell whether a moment lies in it."""
        return self.from_ms <= at_ms <= self.to_ms


class NoteBook:
    """The notes of one data directory. Safe to call from several threads."""

    def __init__(self, directory: Path) -> None:
        """Open or create notes.db, mode 0600; raise StoreError."""
        self._lock = threading.RLock()
        self._written = 0
        self._db = open_database(directory / "notes.db", 1, _TABLE)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def version(self) -> tuple[int, int]:
        """Return something that differs once a note was written or removed, also by another process."""
        with self._lock:
            return self._written, self._db.execute("PRAGMA data_version").fetchone()[0]

    def add(
        self, site_id: str, from_ms: int, to_ms: int, text: str, is_public: bool, person: int, now_ms: int
    ) -> int:
        """Keep a note and return its id; the same one again is the same. Raise RegistryError."""
        text = " ".join(text.split())
        if not 1 <= len(text) <= MOST_LETTERS or not text.isprintable():
            raise RegistryError(f"text: give 1 to {MOST_LETTERS} letters")
        if from_ms > to_ms:
            raise RegistryError("to: lies before from")
        keys = (site_id, from_ms, to_ms, text, is_public, person)
        with self._lock:
            same = self._db.execute(
                "SELECT id FROM notes WHERE site_id = ? AND from_ms = ? AND to_ms = ? AND text = ? "
                "AND public = ? AND person = ?",
                keys,
            ).fetchone()
            if same is not None:
                return same[0]
            n = self._db.execute("SELECT COUNT(*) FROM notes WHERE site_id = ?", (site_id,)).fetchone()[0]
            if n >= MOST_NOTES:
                raise RegistryError(f"text: a site holds {MOST_NOTES} notes: remove one first")
            added = self._db.execute(
                "INSERT INTO notes(site_id, from_ms, to_ms, text, public, person, made_ms) "
                "VALUES (?,?,?,?,?,?,?)",
                (*keys, now_ms),
            )
            self._written += 1
            return int(added.lastrowid or 0)

    def note(self, note_id: int) -> Note | None:
        """Return a note, or None."""
        rows = self._select("id = ?", (note_id,))
        return rows[0] if rows else None

    def of(
        self, site_ids: Sequence[str], from_ms: int = 0, to_ms: int = 2**53, public_only: bool = True
    ) -> list[Note]:
        """Return the notes that touch [from_ms, to_ms] at some sites, by time."""
        found: list[Note] = []
        for at in range(0, len(site_ids), 500):
            part = site_ids[at : at + 500]
            where = f"site_id IN ({','.join('?' * len(part))}) AND from_ms <= ? AND to_ms >= ?"
            if public_only:
                where += " AND public = 1"
            found += self._select(where, (*part, to_ms, from_ms))
        return sorted(found, key=lambda one: (one.from_ms, one.id))

    def remove(self, note_id: int) -> bool:
        """Delete a note; return False when there is none."""
        with self._lock:
            self._db.execute("PRAGMA secure_delete=ON")
            gone = self._db.execute("DELETE FROM notes WHERE id = ?", (note_id,)).rowcount
            self._written += 1
            return gone > 0

    def _select(self, where: str, values: Sequence[object]) -> list[Note]:
        with self._lock:
            rows = self._db.execute(
                f"SELECT id, site_id, from_ms, to_ms, text, public, person FROM notes WHERE {where} "  # noqa: S608
                "ORDER BY from_ms, id",
                values,
            ).fetchall()
        return [Note(*row[:5], is_public=bool(row[5]), person=row[6]) for row in rows]

"""The registry's two files, and who may use them when: locks, transactions, versions, what is cached.

Several processes may use them at once (`meetnet device add` beside a running gateway): what is cached is
thrown away as soon as another connection has written.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from gateway.dbfile import REMEDY, open_database
from gateway.errors import StoreError
from gateway.registry import answers, corrections, foreign
from gateway.registry.atomic import atomic
from gateway.registry.secrets import Secrets

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE organisations(id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sites(
    id TEXT PRIMARY KEY, organisation TEXT NOT NULL REFERENCES organisations(id), name TEXT NOT NULL,
    kind TEXT NOT NULL, longitude REAL NOT NULL, latitude REAL NOT NULL, precision_m INTEGER NOT NULL,
    licence TEXT NOT NULL, empty_mm REAL, full_mm REAL, rain_mm_per_tip REAL) WITHOUT ROWID;
CREATE TABLE devices(
    dev_eui TEXT PRIMARY KEY, kind TEXT NOT NULL, transport TEXT NOT NULL, join_eui TEXT) WITHOUT ROWID;
CREATE TABLE deployments(
    dev_eui TEXT NOT NULL REFERENCES devices(dev_eui), site_id TEXT NOT NULL REFERENCES sites(id),
    from_ms INTEGER NOT NULL, to_ms INTEGER, PRIMARY KEY(dev_eui, from_ms)) WITHOUT ROWID;
CREATE TABLE consents(
    site_id TEXT NOT NULL REFERENCES sites(id), recipient TEXT NOT NULL,
    from_ms INTEGER NOT NULL, to_ms INTEGER, PRIMARY KEY(site_id, recipient, from_ms)) WITHOUT ROWID;
INSERT INTO organisations VALUES ('city', 'City');
"""
# Older Meetnets pass it by, so it needs no new schema.
_CALIBRATIONS = """CREATE TABLE IF NOT EXISTS calibrations(
    dev_eui TEXT NOT NULL, at_ms INTEGER NOT NULL, token INTEGER NOT NULL, outcome TEXT NOT NULL,
    level_db REAL NOT NULL, correction_db REAL NOT NULL, instrument TEXT NOT NULL,
    PRIMARY KEY(dev_eui, at_ms, token)) WITHOUT ROWID"""


class RegistryFiles:
    """registry.db and secrets.db of a data directory, open. Safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        """Open or create both files; raise StoreError, StoreVersionError."""
        self._lock = threading.RLock()
        self._writes_in: int | None = None  # the thread that is within `atomic`
        self._seen_version = -1
        path = self._path = directory / "registry.db"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"registry.db in {directory}: {error}; {REMEDY}") from error
        self._db = open_database(path, SCHEMA_VERSION, _TABLES, remedy=f"{REMEDY}, or restore a backup")
        for table in (_CALIBRATIONS, *answers.TABLES, *corrections.TABLES, *foreign.TABLES):
            self._db.execute(table)
        self._secrets = Secrets(directory / "secrets.db")

    def version(self) -> tuple[int, int]:
        """Return what differs after anybody, in whatever process, has written. Quick."""
        with self._lock:
            return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def secrets_version(self) -> tuple[int, int]:
        """Return what differs after anybody has changed a key or password. Quick."""
        with self._lock:
            return self._secrets.version()

    def refresh(self) -> None:
        """Forget what another process has changed since."""
        with self._lock:
            self._refresh()

    @contextlib.contextmanager
    def atomic(self) -> Generator[None]:
        """Keep what a block writes, or nothing of it when it raises. One flush for many rows."""
        with self._lock:
            before, self._writes_in = self._writes_in, threading.get_ident()
            try:
                with atomic(self._db), self._secrets.atomic():
                    yield
            except BaseException:
                self._forget_cache()
                raise
            finally:
                self._writes_in = before

    def close(self) -> None:
        """Close both files."""
        with self._lock:
            self._db.close()
            self._secrets.close()

    # -- for the tables

    def _whole(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return many rows without holding up others for it: of a connection of its own.

        A thread that is writing several rows at once (`atomic`) sees them too.
        """
        if self._writes_in == threading.get_ident():
            return self._db.execute(sql, keys).fetchall()
        db = sqlite3.connect(self._path, isolation_level=None)
        try:
            db.execute("PRAGMA busy_timeout=5000")
            return db.execute(sql, keys).fetchall()
        finally:
            db.close()

    def _refresh(self) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen_version:
            self._seen_version = version
            self._forget_cache()

    def _forget_cache(self) -> None:
        """Forget what was read: whoever caches something extends it."""

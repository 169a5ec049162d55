"""How database files beside the store are opened: owner only, in WAL mode, of a version that is known."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from gateway.errors import StoreError, StoreVersionError

REMEDY = "check owner, mode and free space"


def open_database(
    path: Path,
    version: int,
    tables: str,
    *,
    remedy: str = REMEDY,
    synchronous: str = "FULL",
    prepare: Callable[[sqlite3.Connection, int], None] | None = None,
) -> sqlite3.Connection:
    """Open a file, or create it with mode 0600 before anything is written to it, and return a connection.

    tables: statements that are run in a file of an older version, or a new one (version 0; so were all files
    of Meetnets that gave them no version: write IF NOT EXISTS). prepare(db, version found): what else a file
    of an older version needs, in the same transaction. remedy: what to do when the file cannot be used.
    Raise StoreError, and StoreVersionError for a file of a newer Meetnet.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA busy_timeout=5000")
            found: int = db.execute("PRAGMA user_version").fetchone()[0]
            if found > version:
                raise StoreVersionError(
                    f"{path.name} has schema {found}, this Meetnet knows up to {version}: "
                    "install the newer Meetnet again, or restore a backup from before the upgrade"
                )
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={synchronous}")
            db.execute("PRAGMA foreign_keys=ON")
            if found < version:
                _upgrade(db, version, tables, prepare)
        except BaseException:
            db.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path.name} in {path.parent}: {error}; {remedy}") from error
    return db


def _upgrade(
    db: sqlite3.Connection,
    version: int,
    tables: str,
    prepare: Callable[[sqlite3.Connection, int], None] | None,
) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        found: int = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
        if found < version:
            for statement in tables.split(";"):
                if statement.strip():
                    db.execute(statement)
            if prepare is not None:
                prepare(db, found)
            db.execute(f"PRAGMA user_version = {version:d}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise

"""Delete all of one site: a host's right (GDPR article 17). The raw log follows within data.raw_days."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import StoreError
from gateway.store import schema


def erase_site(path: Path, site_id: str) -> int:
    """Delete the observations of a site from store.db; return how many records went. Raise StoreError.

    What is deleted is overwritten, so it is in no free page either.
    """
    try:
        db = schema.connect(path)
        try:
            db.execute("PRAGMA secure_delete=ON")
            db.execute("BEGIN IMMEDIATE")
            n = db.execute("DELETE FROM records WHERE site_id = ?", (site_id,)).rowcount
            db.execute("DELETE FROM last WHERE site_id = ?", (site_id,))
            db.execute("COMMIT")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path.name}: {error}; nothing was deleted, try again") from error
    return n

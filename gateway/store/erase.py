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
            # A store that is open sees that another has written, and forgets what it remembers of sites.
            where = "site IN (SELECT id FROM sites WHERE site_id = ?)"
            n = db.execute(f"DELETE FROM records WHERE {where}", (site_id,)).rowcount  # noqa: S608
            db.execute("DELETE FROM sites WHERE site_id = ?", (site_id,))
            db.execute("COMMIT")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path.name}: {error}; nothing was deleted, try again") from error
    return n

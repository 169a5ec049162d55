"""The store in a SQLite file: what a street, and most cities, need."""

from __future__ import annotations

from pathlib import Path

from gateway.store.database import SqliteDatabase
from gateway.store.store import Store


class SqliteStore(Store):
    """The observations of one data directory."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError, StoreVersionError."""
        super().__init__(SqliteDatabase(path))

"""Which engine a network's observations are in: one setting."""

from __future__ import annotations

from pathlib import Path

from gateway.store.sqlite import SqliteStore
from gateway.store.store import Store


def open_store(path: Path, postgres: str) -> Store:
    """Open the store that `data.postgres` names, a SQLite file at `path` where it is empty; StoreError."""
    if not postgres:
        return SqliteStore(path)
    from gateway.store.postgres import PostgresStore

    return PostgresStore(postgres)

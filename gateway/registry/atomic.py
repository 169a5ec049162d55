"""All or nothing, nested as often as needed: a transaction outside, savepoints within."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator


@contextlib.contextmanager
def atomic(db: sqlite3.Connection) -> Generator[None]:
    """Keep what the block wrote, or nothing of it when it raises."""
    begin, keep, undo = (
        ("SAVEPOINT step", "RELEASE step", ("ROLLBACK TO step", "RELEASE step"))
        if db.in_transaction
        else ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
    )
    db.execute(begin)
    try:
        yield
    except BaseException:
        if db.in_transaction:
            for statement in undo:
                db.execute(statement)
        raise
    db.execute(keep)

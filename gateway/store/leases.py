"""Leases: which of the processes that store into one database does what only one may do.

A lease is a row with its owner and the time until which it is his, by the clock of the database, so that no
computer's own clock matters. Who holds one renews it; when he is gone, another takes it after that time. A
process that was stopped for long does not know that it lost its lease: what it writes is fenced, which is to
say that the database refuses it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Protocol

TERM_S = 30.0
TABLE = (
    "CREATE TABLE IF NOT EXISTS leases("
    "name TEXT PRIMARY KEY, owner TEXT NOT NULL, until TIMESTAMPTZ NOT NULL, since TIMESTAMPTZ NOT NULL)"
)
# One statement: two that claim at the same moment wait for one another's row.
CLAIM = (
    "INSERT INTO leases AS l(name, owner, until, since) "
    "SELECT name, ?, clock_timestamp() + ? * interval '1 second', clock_timestamp() "
    "FROM unnest(?::text[]) AS wanted(name) ORDER BY name "
    "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until, "
    "since = CASE WHEN l.owner = excluded.owner THEN l.since ELSE excluded.since END "
    "WHERE l.owner = excluded.owner OR l.until < clock_timestamp() RETURNING name"
)
RELEASE = "DELETE FROM leases WHERE owner = ?"
# The row stays as it is until the transaction ends: nobody takes the lease in the middle of a step.
FENCE = "SELECT 1 FROM leases WHERE name = ? AND owner = ? AND until > clock_timestamp() FOR SHARE"
HOLDERS = "SELECT name, owner FROM leases WHERE until > clock_timestamp() ORDER BY name"


class LeaseTable(Protocol):
    """The leases of one database, as one owner sees them. Its methods block."""

    @property
    def is_shared(self) -> bool:
        """Whether others may write to this database at all."""
        ...

    @property
    def term_s(self) -> float:
        """How long a lease lasts that is not renewed, in seconds."""
        ...

    def claim(self, names: Sequence[str]) -> set[str]:
        """Take or renew what is free or ours; return which of them are ours now; raise StoreError."""
        ...

    def release(self) -> None:
        """Give back everything; raise StoreError."""
        ...

    def holders(self) -> dict[str, str]:
        """Return who holds which; raise StoreError."""
        ...

    def fence(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Within the block, this thread writes only while a lease is ours, or has a StoreError."""
        ...


class SoleOwner:
    """The leases of a database that belongs to one process: a file in a directory that it has locked."""

    is_shared = False
    term_s = TERM_S

    def __init__(self, owner: str) -> None:
        """owner: as it is shown."""
        self._owner = owner
        self._names: set[str] = set()

    def claim(self, names: Sequence[str]) -> set[str]:
        """Return all."""
        self._names |= set(names)
        return set(names)

    def release(self) -> None:
        """Forget."""
        self._names.clear()

    def holders(self) -> dict[str, str]:
        """Return what was claimed."""
        return dict.fromkeys(sorted(self._names), self._owner)

    @contextlib.contextmanager
    def fence(self, name: str) -> Generator[None]:
        """Let everything pass."""
        del name
        yield

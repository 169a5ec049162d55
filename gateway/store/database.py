"""What the store wants of a database: reading from any thread, one writer, many rows at a time.

Statements are written once, with `?` for their values; an engine turns them into its own. Each engine's
faults leave here as StoreError.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from gateway.errors import StoreError
from gateway.statements import runs
from gateway.store import schema
from gateway.store.leases import TERM_S, LeaseTable, SoleOwner

Rows = Sequence[Sequence[Any]]


class Transaction(Protocol):
    """Reads and writes of one transaction."""

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return all rows."""
        ...

    def execute(self, sql: str, keys: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        ...

    def insert(self, table: str, columns: str, rows: Rows, conflict: str = "") -> None:
        """Insert many rows in few statements; conflict: what follows ON CONFLICT."""
        ...


class Reading(Protocol):
    """Reads of one moment: whatever others commit meanwhile."""

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return all rows."""
        ...

    def stream(self, sql: str, keys: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield rows as they are read; several at a time, in turn."""
        ...


class Database(Protocol):
    """One engine. `name` stands in messages; it holds no password.

    epoch: another number after a connection was lost, from when on the database may know less than before;
    on_break is called then, from any thread.
    """

    name: str
    epoch: int
    on_break: Callable[[], None]

    def write(self) -> contextlib.AbstractContextManager[Transaction]:
        """Begin the one transaction that writes, and commit it; or nothing (StoreError)."""
        ...

    def changed_elsewhere(self, transaction: Transaction) -> bool:
        """Tell whether another process wrote since this one last did."""
        ...

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return all rows, from any thread."""
        ...

    def stream(self, sql: str, keys: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield rows as they are read, from any thread; close it when you stop early."""
        ...

    def snapshot(self) -> contextlib.AbstractContextManager[Reading]:
        """Give reads of one moment, from any thread; they last until the block ends."""
        ...

    def leases(self, owner: str, term_s: float = TERM_S) -> LeaseTable:
        """Return the leases of this database, as the process sees them that `owner` names."""
        ...

    def damage(self) -> list[str]:
        """Return what the engine itself finds wrong with its files."""
        ...

    def tidy(self, below: int) -> None:
        """Give back what records below an id took, where nothing is left of them."""
        ...

    def scrub(self) -> None:
        """See to it that nothing of what was deleted can be read from the files."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


def marks(n: int) -> str:
    """Return n placeholders."""
    return ",".join("?" * n)


class SqliteDatabase:
    """A SQLite file in WAL mode."""

    epoch = 0  # what is committed stays

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError, StoreVersionError."""
        self.name = path.name
        self.on_break: Callable[[], None] = lambda: None
        self._path = path
        self._writer = schema.prepare(path)
        self._writer.execute("PRAGMA secure_delete=ON")  # what is deleted, or packed, is in no free page
        self._lock = threading.RLock()
        self._local = threading.local()
        self._idle: deque[sqlite3.Connection] = deque()
        self._connections = [self._writer]
        self._version = -1

    @contextlib.contextmanager
    def write(self) -> Generator[Transaction]:
        """Begin the one transaction that writes, and commit it."""
        with self._lock:
            db = self._writer
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield _SqliteTransaction(db)
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"{self.name}: {error}") from error

    def changed_elsewhere(self, transaction: Transaction) -> bool:
        """Tell whether another connection wrote."""
        version = transaction.query("PRAGMA data_version")[0][0]
        changed = version != self._version
        self._version = version
        return changed

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return all rows."""
        try:
            return self._reader().execute(sql, keys).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.name}: {error}") from error

    def stream(self, sql: str, keys: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield rows as they are read."""
        try:
            cursor = self._reader().execute(sql, keys)
            try:
                while rows := cursor.fetchmany(256):
                    yield from rows
            finally:
                cursor.close()
        except sqlite3.Error as error:
            raise StoreError(f"{self.name}: {error}") from error

    @contextlib.contextmanager
    def snapshot(self) -> Generator[Reading]:
        """Give reads of one moment, on a connection of their own."""
        try:
            try:
                db = self._idle.pop()
            except IndexError:
                db = self._connect()
            try:
                db.execute("BEGIN")
                yield _SqliteReading(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                self._idle.append(db)
        except sqlite3.Error as error:
            raise StoreError(f"{self.name}: {error}") from error

    def leases(self, owner: str, term_s: float = TERM_S) -> LeaseTable:
        """Return leases that are all ours: who writes here has locked the directory."""
        del term_s
        return SoleOwner(owner)

    def tidy(self, below: int) -> None:
        """Do nothing: SQLite uses free pages again."""

    def scrub(self) -> None:
        """Write the journal into the file and empty it; pages in the file were overwritten as they went."""
        with self._lock:
            try:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"{self.name}: {error}") from error

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file."""
        return [text for (text,) in self.query("PRAGMA integrity_check(20)") if text != "ok"]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._connections:
                connection.close()

    def _reader(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
        return found

    def _connect(self) -> sqlite3.Connection:
        found = schema.connect(self._path)
        found.execute("PRAGMA query_only=ON")
        found.execute("PRAGMA cache_size=-500")  # there is one a thread, and what is new is in memory anyway
        self._connections.append(found)
        return found


class _SqliteReading:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        return self._db.execute(sql, keys).fetchall()

    def stream(self, sql: str, keys: Sequence[Any] = ()) -> Iterator[Any]:
        cursor = self._db.execute(sql, keys)
        try:
            while rows := cursor.fetchmany(256):
                yield from rows
        finally:
            cursor.close()


class _SqliteTransaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        return self._db.execute(sql, keys).fetchall()

    def execute(self, sql: str, keys: Sequence[Any] = ()) -> int:
        return self._db.execute(sql, keys).rowcount

    def insert(self, table: str, columns: str, rows: Rows, conflict: str = "") -> None:
        """Insert in statements of many rows: the interpreter lock is let go once a statement."""
        if not rows:
            return
        width = len(rows[0])
        one = f"({marks(width)})"
        tail = f" ON CONFLICT {conflict}" if conflict else ""
        for part, more in runs(rows):
            values = f"VALUES {','.join([one] * (len(part) + more))}"
            if more:  # every table's first column has a value
                values = f"SELECT * FROM ({values}) WHERE column1 IS NOT NULL"  # noqa: S608
            keys = [value for row in part for value in row]
            self._db.execute(f"INSERT INTO {table}({columns}) {values}{tail}", keys + [None] * (width * more))

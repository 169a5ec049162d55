"""The store in PostgreSQL, for networks that outgrow one computer: the same tables, statements and tests.

Several workers may write. Each batch holds one lock until it is committed, so numbers are given out and
become visible in one order: whoever follows the positions never passes a gap that is filled later. Records
are in partitions of PARTITION ids, which is to say by time of arrival; old ones can be dropped whole.

The address may name several servers, of which one takes writes and the others follow it (host=a,b). When
another takes its place, it may lack what was committed last: `epoch` tells that a connection was lost, and
whoever remembers positions or numbers reads them again then.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.errors import StoreError, StoreVersionError
from gateway.store import leases, schema
from gateway.store.database import Reading, Rows, Transaction
from gateway.store.store import Store

if TYPE_CHECKING:
    import psycopg

_LOCK = 0x4D65_6574  # any number that means us
PARTITION = 5_000_000
# A worker that hangs within a transaction, or whose computer is gone, does not hold up the others for ever.
IDLE_MS = 30_000
_PATIENCE = (
    "SELECT set_config('idle_in_transaction_session_timeout', %s, false), "
    "set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false)"
)
_FEW = 50  # rows up to which a statement of their own costs less than COPY
_TEXTS = frozenset(("dev_eui", "source", "status", "site_id", "name", "cause", "detail", "quantity", "unit"))
_BLOBS = frozenset(("body", "last", "memory", "payload"))
_FLOATS = frozenset(("rssi_dbm", "snr_db"))


class PostgresDatabase:
    """A database: postgresql://user@host/name. Its password is best in the file that PGPASSFILE names."""

    def __init__(self, url: str) -> None:
        """Connect and make the tables where there are none; raise StoreError, StoreVersionError."""
        try:
            import psycopg
        except ImportError as error:
            raise StoreError("PostgreSQL needs psycopg: pip install 'meetnet[postgres]'") from error
        self._psycopg = psycopg
        self._url = url
        self._more = _of_several(url)
        self.epoch = 0
        self.on_break: Callable[[], None] = lambda: None
        parts = urlsplit(url)
        self.name = f"PostgreSQL {parts.hostname or 'local'}{parts.path}"
        self._lock = threading.RLock()
        self._idle: deque[psycopg.Connection[Any]] = deque()
        self._writer: psycopg.Connection[Any] | None = None
        self._generation = -1
        self._partitions: set[int] = set()
        self._is_closed = False
        self._fences = threading.local()
        self._prepare()

    @contextlib.contextmanager
    def write(self) -> Generator[Transaction]:
        """Begin the one transaction that writes, of all workers, and commit it."""
        with self._lock, self._faults():
            if self._writer is None or self._writer.closed:
                self._writer = self._connect()
                self._writer.execute(_PATIENCE, (str(IDLE_MS),))
            db = self._writer
            try:
                with db.transaction():
                    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                    self._check_fence(db)
                    yield _PostgresTransaction(db, self._partitions)
            except BaseException:
                self._partitions.clear()
                self._generation = -1
                raise

    def changed_elsewhere(self, transaction: Transaction) -> bool:
        """Tell whether another worker wrote."""
        rows = transaction.query("SELECT position FROM positions WHERE name = ?", ("generation",))
        found = rows[0][0] if rows else 0
        transaction.execute(
            "INSERT INTO positions(name, position) VALUES (?, ?) "
            "ON CONFLICT(name) DO UPDATE SET position = excluded.position",
            ("generation", found + 1),
        )
        changed = found != self._generation
        self._generation = found + 1
        return changed

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return all rows."""
        with self._faults(), self._reader() as db:
            return db.execute(_translated(sql), keys).fetchall()  # type: ignore[arg-type]

    def stream(self, sql: str, keys: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield rows as they are read."""
        with self._faults(), self._reader() as db, db.transaction(), db.cursor("meetnet") as cursor:
            cursor.itersize = 500
            cursor.execute(_translated(sql), keys)  # type: ignore[arg-type]
            yield from cursor

    @contextlib.contextmanager
    def snapshot(self) -> Generator[Reading]:
        """Give reads of one moment, on a connection of their own."""
        with self._faults(), self._reader() as db, db.transaction():
            db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield _PostgresReading(db)

    def tidy(self, below: int) -> None:
        """Drop the partitions of which nothing is left."""
        with self.write() as transaction:
            for (name,) in transaction.query(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                "WHERE i.inhparent = 'records'::regclass"
            ):
                number = int(name.removeprefix("records_"))
                if (number + 1) * PARTITION <= below and not transaction.query(
                    f"SELECT 1 FROM {name} LIMIT 1"  # noqa: S608
                ):
                    transaction.execute(f"DROP TABLE {name}")

    def scrub(self) -> None:
        """Let PostgreSQL clear away deleted rows; tables that name people's places are written anew."""
        with self._faults(), self._reader() as db:
            for table in ("sites", "devices", "dead_letters"):
                db.execute(f"VACUUM FULL {table}")  # type: ignore[arg-type]
            for table in ("records", "chunks", "rollups"):
                db.execute(f"VACUUM {table}")  # type: ignore[arg-type]

    def leases(self, owner: str, term_s: float = leases.TERM_S) -> leases.LeaseTable:
        """Return the leases of this database for one process."""
        return PostgresLeases(self, owner, term_s)

    @contextlib.contextmanager
    def fenced(self, name: str, owner: str) -> Generator[None]:
        """Within the block, this thread writes only while an owner has a lease."""
        before = getattr(self._fences, "wanted", None)
        self._fences.wanted = name, owner
        try:
            yield
        finally:
            self._fences.wanted = before

    def damage(self) -> list[str]:
        """Return nothing: PostgreSQL has its own tools (pg_amcheck)."""
        return []

    def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        with self._lock:
            if self._writer is not None:
                self._writer.close()
            while self._idle:
                self._idle.pop().close()

    # -- within

    def _check_fence(self, db: psycopg.Connection[Any]) -> None:
        wanted = getattr(self._fences, "wanted", None)
        if wanted and db.execute(_translated(leases.FENCE), wanted).fetchone() is None:  # type: ignore[arg-type]
            raise StoreError(f"{self.name}: the lease {wanted[0]!r} went to another process meanwhile")

    def _connect(self) -> psycopg.Connection[Any]:
        return self._psycopg.connect(self._url, autocommit=True, connect_timeout=10, **self._more)

    @contextlib.contextmanager
    def _reader(self) -> Generator[psycopg.Connection[Any]]:
        try:
            db = self._idle.pop()
        except IndexError:
            db = self._connect()
        try:
            yield db
        finally:
            if db.closed or db.broken or self._is_closed:
                db.close()
            else:
                self._idle.append(db)

    @contextlib.contextmanager
    def _faults(self) -> Generator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            if isinstance(error, (self._psycopg.OperationalError, self._psycopg.InterfaceError)):
                self.epoch += 1
                self.on_break()
            while self._idle:  # after a restart of the server each of them is dead
                self._idle.pop().close()
            text = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"{self.name}: {text}") from error

    def _prepare(self) -> None:
        with self._faults():
            db = self._connect()
            try:
                db.execute(_PATIENCE, (str(IDLE_MS),))
                with db.transaction():
                    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                    found = db.execute("SELECT to_regclass('positions')").fetchone()
                    if found is None or found[0] is None:
                        for statement in _tables():
                            db.execute(statement)  # type: ignore[arg-type]
                        db.execute(
                            "INSERT INTO positions(name, position) VALUES ('schema', %s)",
                            (schema.SCHEMA_VERSION,),
                        )
                    row = db.execute("SELECT position FROM positions WHERE name = 'schema'").fetchone()
                    version = row[0] if row else 0
                    if version == 2:
                        for statement in _statements(schema.TABLES_3):
                            db.execute(statement)  # type: ignore[arg-type]
                        version = schema.SCHEMA_VERSION
                        db.execute("UPDATE positions SET position = %s WHERE name = 'schema'", (version,))
                    db.execute(leases.TABLE)  # is no part of what is copied: of no use to another database
            finally:
                db.close()
        if version > schema.SCHEMA_VERSION:
            raise StoreVersionError(
                f"{self.name} has schema {version}, this Meetnet knows up to {schema.SCHEMA_VERSION}: "
                "install the newer Meetnet again, or restore a backup from before the upgrade"
            )


class PostgresLeases:
    """The leases of a PostgreSQL database, as one owner sees them."""

    is_shared = True

    def __init__(self, database: PostgresDatabase, owner: str, term_s: float) -> None:
        """term_s: how long a lease lasts that is not renewed."""
        self._database = database
        self._owner = owner
        self.term_s = term_s

    def claim(self, names: Sequence[str]) -> set[str]:
        """Take or renew what is free or ours."""
        rows = self._database.query(leases.CLAIM, (self._owner, self.term_s, list(names)))
        return {name for (name,) in rows}

    def release(self) -> None:
        """Give back everything."""
        self._database.query(leases.RELEASE + " RETURNING name", (self._owner,))

    def holders(self) -> dict[str, str]:
        """Return who holds which."""
        return dict(self._database.query(leases.HOLDERS))

    def fence(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Write only while a lease is ours."""
        return self._database.fenced(name, self._owner)


class _PostgresReading:
    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db
        self._names = count()

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        return self._db.execute(_translated(sql), keys).fetchall()  # type: ignore[arg-type]

    def stream(self, sql: str, keys: Sequence[Any] = ()) -> Iterator[Any]:
        with self._db.cursor(f"meetnet_{next(self._names)}") as cursor:
            cursor.itersize = 500
            cursor.execute(_translated(sql), keys)  # type: ignore[arg-type]
            yield from cursor


class _PostgresTransaction:
    def __init__(self, db: psycopg.Connection[Any], partitions: set[int]) -> None:
        self._db = db
        self._partitions = partitions

    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        return self._db.execute(_translated(sql), keys).fetchall()  # type: ignore[arg-type]

    def execute(self, sql: str, keys: Sequence[Any] = ()) -> int:
        return self._db.execute(_translated(sql), keys).rowcount  # type: ignore[arg-type]

    def insert(self, table: str, columns: str, rows: Rows, conflict: str = "") -> None:
        if not rows:
            return
        if table == "records":
            self._make_partitions(rows[0][0], rows[-1][0])
        tail = f" ON CONFLICT {conflict}" if conflict else ""
        if len(rows) <= _FEW:
            one = f"({','.join(['%s'] * len(rows[0]))})"
            sql = f"INSERT INTO {table}({columns}) VALUES {','.join([one] * len(rows))}{tail}"  # noqa: S608
            self._db.execute(sql, [value for row in rows for value in row])  # type: ignore[arg-type]
        elif not conflict:
            self._copy(table, table, columns, rows)
        else:
            target = f"new_{table}"
            self._db.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {target} (LIKE {table}) ON COMMIT DELETE ROWS"  # type: ignore[arg-type]
            )
            self._db.execute(f"DELETE FROM {target}")  # type: ignore[arg-type]  # noqa: S608
            for name in _needed(table):
                self._db.execute(f"ALTER TABLE {target} ALTER COLUMN {name} DROP NOT NULL")  # type: ignore[arg-type]
            self._copy(table, target, columns, rows)
            self._db.execute(
                f"INSERT INTO {table}({columns}) SELECT {columns} FROM {target}{tail}"  # type: ignore[arg-type]  # noqa: S608
            )

    def _copy(self, table: str, target: str, columns: str, rows: Rows) -> None:
        sql = f"COPY {target} ({columns}) FROM STDIN (FORMAT BINARY)"
        with self._db.cursor() as cursor, cursor.copy(sql) as copy:  # type: ignore[arg-type]
            copy.set_types([_type_of(table, name.strip()) for name in columns.split(",")])
            for row in rows:
                copy.write_row(row)

    def _make_partitions(self, first: int, last: int) -> None:
        for number in range(first // PARTITION, last // PARTITION + 1):
            if number in self._partitions:
                continue
            low, high = number * PARTITION, (number + 1) * PARTITION
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS records_{number} PARTITION OF records "  # type: ignore[arg-type]
                f"FOR VALUES FROM ({low}) TO ({high})"
            )
            self._partitions.add(number)


class PostgresStore(Store):
    """The observations in a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        """Connect; raise StoreError, StoreVersionError."""
        super().__init__(PostgresDatabase(url))


def _of_several(url: str) -> dict[str, Any]:
    """Return what connecting needs beside an address: of several servers the one that takes writes."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(url)
    except ProgrammingError:  # its text repeats the address, perhaps with a password
        raise StoreError(
            "data.postgres: this is no address of PostgreSQL: write it like postgresql://meetnet@db/meetnet"
        ) from None
    several = "," in str(found.get("host", "")) and "target_session_attrs" not in found
    return {"target_session_attrs": "read-write"} if several else {}


def _tables() -> list[str]:
    """Return the statements of the tables. What is unique over partitions is kept so by the lock."""
    return [
        statement + " PARTITION BY RANGE (id)"
        if statement.startswith("CREATE TABLE records")
        else statement.replace("UNIQUE INDEX records_by_device", "INDEX records_by_device")
        for statement in _statements(schema.TABLES)
    ]


def _statements(tables: str) -> list[str]:
    text = tables.format(big="BIGINT", blob="BYTEA", real="DOUBLE PRECISION", clustered="")
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def _needed(table: str) -> tuple[str, ...]:
    return {"sites": ("memory",), "devices": ()}.get(table, ())


def _type_of(table: str, column: str) -> str:
    if column in _TEXTS or (table, column) == ("shapes", "shape"):
        return "text"
    if column in _BLOBS:
        return "bytea"
    return "float8" if column in _FLOATS else "int8"


@lru_cache(1000)
def _translated(sql: str) -> str:
    return re.sub(r" INDEXED BY \w+", "", sql).replace("?", "%s")  # its planner counts what there is

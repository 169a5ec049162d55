"""Files of older Meetnets are taken up whole, and those of newer ones refused with a clear sentence.

The tables of older versions are recorded here as they were released, not taken from the code of now.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.backfill import GapBook
from gateway.claims import ClaimBook
from gateway.commissioning import SiteReports
from gateway.decode import WindowBook
from gateway.errors import StoreVersionError
from gateway.health import IncidentBook
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook
from gateway.registry.rounds import Rounds
from gateway.store import SqliteStore
from gateway.store.assessments import Assessments
from gateway.store.checking import check
from gateway.store.history.rolling import roll_all
from gateway.store.store import Store
from gateway.update import UpdateBook

from .house import AIR, T0_MS
from .store.test_history import DAY_MS, HOUR_MS, seal
from .store.test_sqlite import outcome

START_MS = T0_MS - T0_MS % DAY_MS
N = 48
SHAPE = '["network",1,[["pm2_5","ug/m3","ok",[],"kappa_koehler",1],["battery","V","ok",["range"],"none",0]]]'


def fill_version_2(insert: Callable[[str, tuple[Any, ...]], object]) -> None:
    """Two days of one site as version 2 laid them out: doubles, raw then shown."""
    insert("devices VALUES (?,?,?,?,?,?,?,?,?,?,?)", (1, AIR, N, "lorawan", N, T0_MS, 9, 2, -90.5, 6.0, None))
    insert("shapes VALUES (?,?)", (1, SHAPE))
    body = b""
    for n in range(1, N + 1):
        body = struct.pack("<4d", n, 3.5, n / 2, 3.5)
        at_ms = START_MS + n * HOUR_MS
        insert("records VALUES (?,?,?,?,?,?,?,?,?)", (n, 1, n, 1, at_ms, at_ms + 400, n, 1, body))
    part = [N, START_MS + N * HOUR_MS, START_MS + N * HOUR_MS + 400, 1, 3, body]
    insert(
        "sites VALUES (?,?,?,?,?)",
        (1, "plein-1", START_MS + N * HOUR_MS, msgspec.msgpack.encode([part]), None),
    )
    for name, position in (("pipeline", N), ("records", N + 1), ("publisher:x", 129)):
        insert("positions VALUES (?,?)", (name, position))


def is_whole(store: Store) -> None:
    """All of version 2 is there, history begins to be made of it, and it goes on."""
    rows = store.series("plein-1", "pm2_5", 0, 2**60, 1000)
    assert [(row.raw, row.value) for row in rows] == [(float(n), n / 2) for n in range(1, N + 1)]
    assert (store.position(), store.load("x"), store.count()) == (N, 129, N)
    before = store.buckets("plein-1", "pm2_5", START_MS, START_MS + 3 * DAY_MS, DAY_MS, 0)
    assert [bucket.n for bucket in before] == [23, 24, 1]
    roll_all(store)
    seal(store, START_MS + 2 * DAY_MS)
    assert store.buckets("plein-1", "pm2_5", START_MS, START_MS + 3 * DAY_MS, DAY_MS, 0) == before
    assert check(store) == []
    store.commit([outcome(N + 1, 3, T0_MS, dev_eui=AIR), outcome(N + 2, N + 1, T0_MS, dev_eui=AIR)])
    assert store.count() == N + 1  # record 3 was there already


def test_a_store_of_version_2_is_taken_up_whole(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "store.db")
    db.executescript(VERSION_2)
    fill_version_2(lambda where, values: db.execute(f"INSERT INTO {where}", values))
    db.execute("PRAGMA user_version = 2")
    db.commit()
    db.close()
    store = SqliteStore(tmp_path / "store.db")
    is_whole(store)
    store.close()


def test_a_database_of_version_2_in_postgresql_is_taken_up_whole(new_database: Callable[[], str]) -> None:
    import psycopg

    from gateway.store.postgres import PostgresStore

    url = new_database()
    text = VERSION_2.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA").replace("REAL", "DOUBLE PRECISION")
    with psycopg.connect(url, autocommit=True) as db:
        for statement in text.split(";"):
            if "CREATE TABLE records" in statement:
                statement += " PARTITION BY RANGE (id)"
            if statement.strip():
                db.execute(statement.replace("UNIQUE INDEX records_by_device", "INDEX records_by_device"))
        db.execute("CREATE TABLE records_0 PARTITION OF records FOR VALUES FROM (0) TO (5000000)")
        fill_version_2(lambda where, values: db.execute(f"INSERT INTO {where}".replace("?", "%s"), values))
        db.execute("INSERT INTO positions VALUES ('schema', 2)")
    store = PostgresStore(url)
    is_whole(store)
    store.close()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("UPDATE positions SET position = 99 WHERE name = 'schema'")
    with pytest.raises(StoreVersionError, match="schema 99, this Meetnet knows up to 3: install the newer"):
        PostgresStore(url)


OPENED: dict[str, Callable[[Path], Any]] = {
    "store.db": lambda path: SqliteStore(path / "store.db"),
    "registry.db": Registry,
    "secrets.db": Registry,
    "access.db": Accounts,
    "claims.db": lambda path: ClaimBook(path / "claims.db"),
    "commissioning.db": SiteReports,
    "waste.db": Rounds,
    "events.db": EventBook,
    "review.db": lambda path: Assessments(path / "review.db"),
    "health.db": lambda path: IncidentBook(path / "health.db"),
    "gaps.db": lambda path: GapBook(path / "gaps.db"),
    "windows.db": lambda path: WindowBook(path / "windows.db"),
    "updates.db": UpdateBook,
}


@pytest.mark.parametrize("name", OPENED)
def test_a_file_of_a_newer_meetnet_is_refused_with_the_remedy_and_left_as_it_is(
    tmp_path: Path, name: str
) -> None:
    OPENED[name](tmp_path).close()
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    with sqlite3.connect(tmp_path / name) as db:
        db.execute("CREATE TABLE of_tomorrow(x)")
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreVersionError) as caught:
        OPENED[name](tmp_path)
    assert f"{name} has schema 99, this Meetnet knows up to" in str(caught.value)
    assert "install the newer Meetnet again, or restore a backup from before the upgrade" in str(caught.value)
    with sqlite3.connect(tmp_path / name) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 99
        assert db.execute("SELECT COUNT(*) FROM of_tomorrow").fetchone()[0] == 0
    db.close()


@pytest.mark.parametrize(
    "name", [name for name in OPENED if name not in ("store.db", "registry.db", "access.db")]
)
def test_a_file_from_before_files_had_versions_keeps_its_rows(tmp_path: Path, name: str) -> None:
    OPENED[name](tmp_path).close()
    with sqlite3.connect(tmp_path / name) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = next(one for one in tables if not one.startswith("sqlite_") and one != "salt")
        columns = len(list(db.execute(f"PRAGMA table_info({table})")))
        db.execute(f"INSERT INTO {table} VALUES ({','.join(['1'] * columns)})")
        if name not in ("claims.db", "commissioning.db"):  # those had versions from the first day on
            db.execute("PRAGMA user_version = 0")
    db.close()
    OPENED[name](tmp_path).close()
    with sqlite3.connect(tmp_path / name) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] >= 1
        assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] == 1
    db.close()


VERSION_2 = """
CREATE TABLE devices(
    id INTEGER PRIMARY KEY, dev_eui TEXT NOT NULL UNIQUE, top_seq INTEGER NOT NULL, source TEXT NOT NULL,
    uplinks INTEGER NOT NULL, received_at_ms INTEGER NOT NULL, f_cnt INTEGER, missed INTEGER NOT NULL,
    rssi_dbm REAL, snr_db REAL, status TEXT);
CREATE TABLE sites(
    id INTEGER PRIMARY KEY, site_id TEXT NOT NULL UNIQUE, observed_at_ms INTEGER NOT NULL,
    last BLOB NOT NULL, memory BLOB);
CREATE TABLE shapes(id INTEGER PRIMARY KEY, shape TEXT NOT NULL UNIQUE);
CREATE TABLE records(
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, seq INTEGER NOT NULL, site INTEGER NOT NULL,
    observed_at_ms INTEGER NOT NULL, received_at_ms INTEGER NOT NULL, log_sequence INTEGER NOT NULL,
    shape INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX records_by_device ON records(device, seq);
CREATE INDEX records_by_site ON records(site, observed_at_ms);
CREATE INDEX records_by_time ON records(observed_at_ms);
CREATE TABLE positions(name TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE dead_letters(
    name TEXT NOT NULL, log_sequence INTEGER NOT NULL, item INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
    source TEXT NOT NULL, dev_eui TEXT NOT NULL, f_port INTEGER NOT NULL, cause TEXT NOT NULL,
    detail TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY(name, log_sequence, item));
"""

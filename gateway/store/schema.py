"""The tables of store.db and how a file of another age is met.

One row is one record of a device (never one row a value: that costs 2.6 times the time and 4.4 times the
space). Its observations are a msgpack list in `body`, one [form, raw, value] each, where value is `true`
if it is the raw value. `forms` holds the few combinations of (quantity, unit, state, flags, method, version)
that occur. The position of an observation is records.id * 64 + its index, so positions rise with the order
of commit.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import StoreError, StoreVersionError

SCHEMA_VERSION = 1
POSITIONS_PER_RECORD = 64

_VERSION_1 = """
CREATE TABLE records(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dev_eui TEXT NOT NULL, seq INTEGER NOT NULL, site_id TEXT NOT NULL,
    observed_at_ms INTEGER NOT NULL, received_at_ms INTEGER NOT NULL, time_quality TEXT NOT NULL,
    log_sequence INTEGER NOT NULL, fingerprint INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE(dev_eui, seq));
CREATE INDEX records_by_site ON records(site_id, observed_at_ms);
CREATE INDEX records_by_time ON records(observed_at_ms);
CREATE TABLE forms(id INTEGER PRIMARY KEY, form TEXT NOT NULL UNIQUE);
CREATE TABLE last(
    site_id TEXT NOT NULL, quantity TEXT NOT NULL, observed_at_ms INTEGER NOT NULL, position INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL, form INTEGER NOT NULL, raw REAL, value REAL,
    PRIMARY KEY(site_id, quantity)) WITHOUT ROWID;
CREATE TABLE positions(name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters(
    log_sequence INTEGER NOT NULL, item INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
    source TEXT NOT NULL, dev_eui TEXT NOT NULL, f_port INTEGER NOT NULL, cause TEXT NOT NULL,
    detail TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY(log_sequence, item)) WITHOUT ROWID;
CREATE TABLE devices_seen(
    dev_eui TEXT PRIMARY KEY, source TEXT NOT NULL, uplinks INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
    f_cnt INTEGER, missed INTEGER NOT NULL, rssi_dbm REAL, snr_db REAL, status TEXT) WITHOUT ROWID;
"""
_STEPS = {0: _VERSION_1}  # from version n to n + 1


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection as every reader and writer of the store uses it."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA busy_timeout=5000")
    # NORMAL: a power cut may lose the newest commits, never part of one. They are computed again from
    # the segment log, whose position is lost with them.
    db.execute("PRAGMA synchronous=NORMAL")
    return db


def prepare(path: Path) -> sqlite3.Connection:
    """Create or upgrade a database and return a connection.

    Raise StoreVersionError when a newer Meetnet wrote it, StoreError when it cannot be used.
    """
    try:
        db = connect(path)
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            db.close()
            raise StoreVersionError(
                f"{path.name} has schema {found}, this Meetnet knows up to {SCHEMA_VERSION}: "
                "install the newer Meetnet again, or restore a backup from before the upgrade"
            )
        if found == 0:
            db.execute("PRAGMA page_size=8192")
        db.execute("PRAGMA journal_mode=WAL")
        while found < SCHEMA_VERSION:
            db.executescript(f"BEGIN IMMEDIATE; {_STEPS[found]} PRAGMA user_version = {found + 1}; COMMIT;")
            found += 1
        path.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{path.name} in {path.parent}: {error}; check owner, mode and free space. "
            "If the file is damaged, move it away: it is computed again from the segment log, "
            "as far back as that reaches"
        ) from error
    return db

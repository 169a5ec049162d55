"""The tables of store.db and how a file of another age is met.

One row is one record of a device (never one row a value: that costs 2.6 times the time and 4.4 times the
space); `rows.py` says how its numbers are laid out. Devices, sites and shapes are numbers in it, so that rows
and their indexes are small. The position of an observation is records.id * 64 + its index. Ids are given out
within the transaction that stores, from `positions`: they rise with the order of commit and none comes twice.

Records of days gone by are in `chunks` instead (history/): those of one site and some days as compressed
columns. `chunk_devices` says which sequence numbers of which devices are in which chunk, `chunk_order` in
which chunk each id is. A chunk of kind 1 holds results that newer ones took the place of. `rollups` is what
minutes, hours and days amount to, of all records whose id is below the position `rolled`.

`sites.last` holds the newest value of each quantity of a site (a list of rows.Part), `sites.memory` what
quality control remembers of it; both change with the record that changes them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import StoreError, StoreVersionError
from gateway.store.migration import create, to_version_2, to_version_3

SCHEMA_VERSION = 3

# The same in every engine; {blob} and {big} are its names of the types.
TABLES_2 = """
CREATE TABLE devices(
    id {big} PRIMARY KEY, dev_eui TEXT NOT NULL UNIQUE, top_seq {big} NOT NULL, source TEXT NOT NULL,
    uplinks {big} NOT NULL, received_at_ms {big} NOT NULL, f_cnt {big}, missed {big} NOT NULL,
    rssi_dbm {real}, snr_db {real}, status TEXT);
CREATE TABLE sites(
    id {big} PRIMARY KEY, site_id TEXT NOT NULL UNIQUE, observed_at_ms {big} NOT NULL,
    last {blob} NOT NULL, memory {blob});
CREATE TABLE shapes(id {big} PRIMARY KEY, shape TEXT NOT NULL UNIQUE);
CREATE TABLE records(
    id {big} PRIMARY KEY, device {big} NOT NULL, seq {big} NOT NULL, site {big} NOT NULL,
    observed_at_ms {big} NOT NULL, received_at_ms {big} NOT NULL, log_sequence {big} NOT NULL,
    shape {big} NOT NULL, body {blob} NOT NULL);
CREATE UNIQUE INDEX records_by_device ON records(device, seq);
CREATE INDEX records_by_site ON records(site, observed_at_ms);
CREATE INDEX records_by_time ON records(observed_at_ms);
CREATE TABLE positions(name TEXT PRIMARY KEY, position {big} NOT NULL);
CREATE TABLE dead_letters(
    name TEXT NOT NULL, log_sequence {big} NOT NULL, item {big} NOT NULL, received_at_ms {big} NOT NULL,
    source TEXT NOT NULL, dev_eui TEXT NOT NULL, f_port {big} NOT NULL, cause TEXT NOT NULL,
    detail TEXT NOT NULL, payload {blob} NOT NULL, PRIMARY KEY(name, log_sequence, item));
"""
TABLES_3 = """
CREATE TABLE chunks(
    id {big} PRIMARY KEY, revision {big} NOT NULL, kind {big} NOT NULL, site {big} NOT NULL,
    start_ms {big} NOT NULL, end_ms {big} NOT NULL, n {big} NOT NULL, body {blob} NOT NULL);
CREATE INDEX chunks_by_site ON chunks(site, kind, start_ms, end_ms);
CREATE INDEX chunks_by_time ON chunks(start_ms, end_ms, kind, site);
CREATE TABLE chunk_devices(
    chunk {big} NOT NULL, device {big} NOT NULL, first_seq {big} NOT NULL, last_seq {big} NOT NULL,
    PRIMARY KEY(chunk, device));
CREATE INDEX chunk_devices_by_device ON chunk_devices(device, last_seq, first_seq);
CREATE TABLE chunk_order(block {big} PRIMARY KEY, body {blob} NOT NULL);
CREATE TABLE quantities(id {big} PRIMARY KEY, quantity TEXT NOT NULL, unit TEXT NOT NULL);
CREATE TABLE rollups(
    step_ms {big} NOT NULL, start_ms {big} NOT NULL, site {big} NOT NULL, body {blob} NOT NULL,
    PRIMARY KEY(step_ms, start_ms, site)){clustered};
CREATE INDEX rollups_by_site ON rollups(site, step_ms);
"""
TABLES = TABLES_2 + TABLES_3
_NAMES = {"big": "INTEGER", "blob": "BLOB", "real": "REAL", "clustered": " WITHOUT ROWID"}


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
            # A record changes pages all over the indexes: the smaller they are, the less is written.
            db.execute("PRAGMA page_size=4096")
        db.execute("PRAGMA journal_mode=WAL")
        if found < SCHEMA_VERSION:
            db.execute("BEGIN IMMEDIATE")
            if found == 0:
                create(db, TABLES.format(**_NAMES))
            else:
                if found == 1:
                    to_version_2(db, TABLES_2.format(**_NAMES))
                to_version_3(db, TABLES_3.format(**_NAMES))
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("COMMIT")
        path.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{path.name} in {path.parent}: {error}; check owner, mode and free space. "
            "If the file is damaged, move it away: it is computed again from the segment log, "
            "as far back as that reaches"
        ) from error
    return db

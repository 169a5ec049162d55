"""The store: what the pipeline writes, in SQLite.

Rows, the newest values, dead letters and the position in the segment log change in one transaction, so
every uplink takes effect exactly once however often the process is killed. Writing belongs to one
thread at a time; reading may be done from any thread.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import StoreError
from gateway.model import Bucket, Decoded, Observation, Uplink
from gateway.store import schema
from gateway.store.buckets import buckets
from gateway.store.schema import POSITIONS_PER_RECORD

PIPELINE = "pipeline"
_PUBLISHER = "publisher:"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, float | None, float | bool | None]]).decode
_SAME = True  # in the place of a value that is its raw value


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A frame, or a record of it, that could not be used: why, and which."""

    cause: str
    detail: str


@dataclass(slots=True)
class Outcome:
    """What became of one uplink of the segment log."""

    sequence: int
    uplink: Uplink
    records: list[tuple[Decoded, list[Observation]]] = field(
        default_factory=list[tuple[Decoded, list[Observation]]]
    )
    dead: list[DeadLetter] = field(default_factory=list[DeadLetter])
    status: dict[str, int | str] | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What observations have in common: see the table `forms`."""

    quantity: str
    unit: str
    state: str
    flags: tuple[str, ...]
    method: str
    method_version: int


@dataclass(frozen=True, slots=True)
class Row:
    """One stored observation. `position` orders the store."""

    position: int
    site_id: str
    observed_at_ms: int
    received_at_ms: int
    form: Form
    raw: float | None
    value: float | None


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """When and how a device was last heard. missed: gaps in the frame counter so far."""

    dev_eui: str
    source: str
    uplinks: int
    received_at_ms: int
    f_cnt: int | None
    missed: int
    rssi_dbm: float | None
    snr_db: float | None
    status: dict[str, int | str] | None


class SqliteStore:
    """The observations of one data directory. It is the PositionStore of the publishers."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError, StoreVersionError."""
        self._path = path
        self._writer = schema.prepare(path)
        self._write_lock = threading.Lock()
        self._local = threading.local()
        self._connections = [self._writer]
        self._form_ids: dict[Form, int] = {}
        self._forms: dict[int, Form] = {}

    # -- writing

    def commit(self, outcomes: Sequence[Outcome]) -> int:
        """Store outcomes and the position of the last; return the newest position of the store.

        Raise StoreError: then nothing of it is stored. Records that are already there are left alone.
        """
        with self._write_lock:
            db = self._writer
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    for outcome in outcomes:
                        self._put_outcome(db, outcome)
                    for heard in _by_device(outcomes).values():
                        _put_seen(db, heard)
                    if outcomes:
                        _put_position(db, PIPELINE, outcomes[-1].sequence)
                    db.execute("COMMIT")
                except BaseException:
                    self._form_ids.clear()  # ids given out in a transaction that never was
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"{self._path.name}: {error}") from error
        return self.newest_position()

    def put_imported(self, records: Sequence[tuple[Decoded, list[Observation]]]) -> int:
        """Store records that no uplink brought, in one transaction; return how many were new.

        The position in the segment log stays. Raise StoreError: then nothing of it is stored.
        """
        with self._write_lock:
            db = self._writer
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    new = sum(self._put_record(db, 0, *record) for record in records)
                    db.execute("COMMIT")
                except BaseException:
                    self._form_ids.clear()
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"{self._path.name}: {error}") from error
        return new

    def _put_outcome(self, db: sqlite3.Connection, outcome: Outcome) -> None:
        uplink = outcome.uplink
        for decoded, observations in outcome.records:
            self._put_record(db, outcome.sequence, decoded, observations)
        for item, dead in enumerate(outcome.dead):
            db.execute(
                "INSERT OR IGNORE INTO dead_letters VALUES (?,?,?,?,?,?,?,?,?)",
                (outcome.sequence, item, uplink.received_at_ms, uplink.source, uplink.dev_eui, uplink.f_port,
                 dead.cause, dead.detail, uplink.payload),
            )  # fmt: skip

    def _put_record(
        self, db: sqlite3.Connection, sequence: int, decoded: Decoded, observations: list[Observation]
    ) -> bool:
        """Insert a record; return whether it was new."""
        if not observations:
            return False
        if len(observations) > POSITIONS_PER_RECORD:
            raise StoreError(f"a record of {len(observations)} observations, {POSITIONS_PER_RECORD} fit")
        forms = [self._form_id(db, observation) for observation in observations]
        body = _encode([
            (form, observation.raw_value, _stored(observation))
            for form, observation in zip(forms, observations, strict=True)
        ])  # fmt: skip
        site_id = observations[0].site_id
        cursor = db.execute(
            "INSERT OR IGNORE INTO records(dev_eui, seq, site_id, observed_at_ms, received_at_ms, "
            "time_quality, log_sequence, fingerprint, body) VALUES (?,?,?,?,?,?,?,?,?)",
            (decoded.dev_eui, decoded.seq, site_id, decoded.observed_at_ms, decoded.received_at_ms,
             decoded.time_quality, sequence, fingerprint(decoded), body),
        )  # fmt: skip
        if cursor.rowcount == 0 or cursor.lastrowid is None:
            return False
        base = cursor.lastrowid * POSITIONS_PER_RECORD
        db.executemany(
            "INSERT INTO last VALUES (?,?,?,?,?,?,?,?) ON CONFLICT(site_id, quantity) DO UPDATE SET "
            "observed_at_ms=excluded.observed_at_ms, position=excluded.position, "
            "received_at_ms=excluded.received_at_ms, form=excluded.form, raw=excluded.raw, "
            "value=excluded.value "
            "WHERE excluded.observed_at_ms >= last.observed_at_ms",
            [
                (site_id, observation.quantity, decoded.observed_at_ms, base + index, decoded.received_at_ms,
                 form, observation.raw_value, observation.value)
                for index, (form, observation) in enumerate(zip(forms, observations, strict=True))
            ],
        )  # fmt: skip
        return True

    def _form_id(self, db: sqlite3.Connection, observation: Observation) -> int:
        form = Form(
            observation.quantity,
            observation.unit,
            observation.state,
            observation.flags,
            observation.method,
            observation.method_version,
        )
        found = self._form_ids.get(form)
        if found is None:
            text = json.dumps(astuple(form))
            db.execute("INSERT OR IGNORE INTO forms(form) VALUES (?)", (text,))
            found = int(db.execute("SELECT id FROM forms WHERE form = ?", (text,)).fetchone()[0])
            self._form_ids[form] = found
        return found

    # -- positions

    def load(self, publisher: str) -> int:
        """Return the last confirmed position of a publisher, 0 if there is none."""
        return self.position(_PUBLISHER + publisher)

    def save(self, publisher: str, position: int) -> None:
        """Make a publisher's position durable; raise StoreError."""
        with self._write_lock:
            try:
                _put_position(self._writer, _PUBLISHER + publisher, position)
            except sqlite3.Error as error:
                raise StoreError(f"{self._path.name}: {error}") from error

    def publisher_positions(self) -> dict[str, int]:
        """Return the position of every publisher that ever saved one."""
        rows = self._query("SELECT name, position FROM positions WHERE name LIKE 'publisher:%' ORDER BY 1")
        return {name.removeprefix(_PUBLISHER): position for name, position in rows}

    def position(self, name: str = PIPELINE) -> int:
        """Return a position by its full name; the default is the pipeline's in the segment log."""
        rows = self._query("SELECT position FROM positions WHERE name = ?", (name,))
        return rows[0][0] if rows else 0

    def newest_position(self) -> int:
        """Return the highest position that an observation can have by now."""
        found = self._query("SELECT MAX(id) FROM records")[0][0]
        return 0 if found is None else (found + 1) * POSITIONS_PER_RECORD - 1

    # -- reading

    def known(self, dev_eui: str, seq: int) -> int | None:
        """Return the fingerprint of a stored record, or None."""
        rows = self._query("SELECT fingerprint FROM records WHERE dev_eui = ? AND seq = ?", (dev_eui, seq))
        return rows[0][0] if rows else None

    def seqs(self, dev_eui: str, first: int, end: int) -> list[int]:
        """Return the sequence numbers in [first, end) of the stored records of a device, sorted."""
        rows = self._query(
            "SELECT seq FROM records WHERE dev_eui = ? AND seq >= ? AND seq < ? ORDER BY seq",
            (dev_eui, first, end),
        )
        return [row[0] for row in rows]

    def history(self, site_id: str, since_ms: int) -> list[Row]:
        """Return a site's observations from a time on, by observed time: what quality checks start from."""
        rows = self._query(
            _SELECT + "WHERE site_id = ? AND observed_at_ms >= ? ORDER BY observed_at_ms, id",
            (site_id, since_ms),
        )
        return list(self._rows(rows))

    def newest_observed(self, site_id: str) -> int | None:
        """Return the newest observed time of a site, or None."""
        return self._query("SELECT MAX(observed_at_ms) FROM records WHERE site_id = ?", (site_id,))[0][0]

    def latest(self) -> list[Row]:
        """Return the newest observation of each site and quantity, by site and quantity."""
        rows = self._query(
            "SELECT position, site_id, observed_at_ms, received_at_ms, form, raw, value FROM last "
            "ORDER BY site_id, quantity"
        )
        return [Row(p, site, o, r, self._form(f), raw, value) for p, site, o, r, f, raw, value in rows]

    def series(self, site_id: str, quantity: str, start_ms: int, end_ms: int, limit: int) -> list[Row]:
        """Return one series in [start_ms, end_ms), by observed time; the newest `limit` if there are more."""
        found: list[Row] = []
        cursor = self._cursor(
            _SELECT + "WHERE site_id = ? AND observed_at_ms >= ? AND observed_at_ms < ? "
            "ORDER BY observed_at_ms DESC, id DESC",
            (site_id, start_ms, end_ms),
        )
        for record in cursor:
            found.extend(row for row in self._rows((record,)) if row.form.quantity == quantity)
            if len(found) >= limit:
                break
        cursor.close()
        return found[:limit][::-1]

    def buckets(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, step_ms: int, since_ms: int
    ) -> list[Bucket]:
        """Return one series from since_ms on in [start_ms, end_ms) as buckets counted from start_ms."""
        rows = self.series(site_id, quantity, max(start_ms, since_ms), end_ms, 2**62)
        unit = rows[-1].form.unit if rows else ""
        values = ((row.observed_at_ms, row.value, bool(row.form.flags)) for row in rows)
        return buckets(values, unit, start_ms, step_ms)

    def after(self, position: int, limit: int, sites: Iterable[str] | None = None) -> list[Row]:
        """Return observations (of some sites) in store order after a position."""
        wanted = None if sites is None else set(sites)
        found: list[Row] = []
        cursor = self._cursor(_SELECT + "WHERE id >= ? ORDER BY id", (position // POSITIONS_PER_RECORD,))
        for record in cursor:
            if wanted is None or record[1] in wanted:
                found.extend(row for row in self._rows((record,)) if row.position > position)
            if len(found) >= limit:
                break
        cursor.close()
        return found[:limit]

    def between(
        self, start_ms: int, end_ms: int, limit: int, sites: Iterable[str] | None = None
    ) -> list[Row]:
        """Return observations (of some sites) in [start_ms, end_ms), by observed time then position."""
        wanted = None if sites is None else set(sites)
        if wanted is not None and len(wanted) == 1:
            where, keys = "WHERE site_id = ? AND ", (next(iter(wanted)), start_ms, end_ms)
        else:
            where, keys = "WHERE ", (start_ms, end_ms)
        found: list[Row] = []
        cursor = self._cursor(
            _SELECT + where + "observed_at_ms >= ? AND observed_at_ms < ? ORDER BY observed_at_ms, id", keys
        )
        for record in cursor:
            if wanted is None or record[1] in wanted:
                found.extend(self._rows((record,)))
            if len(found) >= limit:
                break
        cursor.close()
        return found[:limit]

    def scan(
        self, start_ms: int, end_ms: int, sites: Iterable[str], *, descending: bool = False
    ) -> Iterator[Row]:
        """Yield observations of sites in [start_ms, end_ms), by (observed time, position), either way."""
        wanted = set(sites)
        where, keys = "WHERE ", (start_ms, end_ms)
        if len(wanted) == 1:
            where, keys = "WHERE site_id = ? AND ", (next(iter(wanted)), start_ms, end_ms)
        way = "DESC" if descending else "ASC"
        cursor = self._cursor(
            f"{_SELECT}{where}observed_at_ms >= ? AND observed_at_ms < ? "
            f"ORDER BY observed_at_ms {way}, id {way}",
            keys,
        )
        try:
            for record in cursor:
                if record[1] in wanted:
                    rows = list(self._rows((record,)))
                    yield from reversed(rows) if descending else rows
        finally:
            cursor.close()

    def stretch(self, first: int, end: int, sites: Iterable[str]) -> list[Row]:
        """Return observations of sites with first <= position < end, in store order."""
        wanted = set(sites)
        cursor = self._cursor(
            _SELECT + "WHERE id >= ? AND id < ? ORDER BY id",
            (first // POSITIONS_PER_RECORD, -(-end // POSITIONS_PER_RECORD)),
        )
        records = cursor.fetchall()
        return [
            row for row in self._rows(r for r in records if r[1] in wanted) if first <= row.position < end
        ]

    def arrivals(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return (lowest position, time of reception) of the records in [first, end), in store order."""
        rows = self._query(
            "SELECT id, received_at_ms FROM records WHERE id >= ? AND id < ? ORDER BY id",
            (-(-first // POSITIONS_PER_RECORD), -(-end // POSITIONS_PER_RECORD)),
        )
        return [(record_id * POSITIONS_PER_RECORD, received_at_ms) for record_id, received_at_ms in rows]

    def at(self, position: int) -> Row | None:
        """Return the observation at a position, or None."""
        records = self._query(_SELECT + "WHERE id = ?", (position // POSITIONS_PER_RECORD,))
        return next((row for row in self._rows(records) if row.position == position), None)

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest dead letters as they are in the table, payload in hex."""
        names = ("received_at_ms", "source", "dev_eui", "f_port", "cause", "detail", "payload")
        rows = self._query(
            f"SELECT {', '.join(names)} FROM dead_letters ORDER BY log_sequence DESC, item LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [dict(zip(names, (*row[:-1], row[-1].hex()), strict=True)) for row in rows]

    def devices_seen(self) -> list[DeviceSeen]:
        """Return when and how each device was last heard, by DevEUI."""
        rows = self._query("SELECT * FROM devices_seen ORDER BY dev_eui")
        return [DeviceSeen(*row[:8], status=json.loads(row[8]) if row[8] else None) for row in rows]

    def count(self) -> int:
        """Return the number of records."""
        return self._query("SELECT COUNT(*) FROM records")[0][0]

    def close(self) -> None:
        """Close all connections."""
        with self._write_lock:
            for connection in self._connections:
                connection.close()

    # -- within

    def _reader(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = schema.connect(self._path)
            found.execute("PRAGMA query_only=ON")
            self._local.connection = found
            self._connections.append(found)
        return found

    def _cursor(self, sql: str, keys: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._reader().execute(sql, keys)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path.name}: {error}") from error

    def _query(self, sql: str, keys: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._reader().execute(sql, keys).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path.name}: {error}") from error

    def _form(self, form_id: int) -> Form:
        found = self._forms.get(form_id)
        if found is None:
            text = self._query("SELECT form FROM forms WHERE id = ?", (form_id,))[0][0]
            quantity, unit, state, flags, method, version = json.loads(text)
            found = self._forms[form_id] = Form(quantity, unit, state, tuple(flags), method, version)
        return found

    def _rows(self, records: Iterable[tuple[int, str, int, int, bytes]]) -> Iterable[Row]:
        for record_id, site_id, observed, received, body in records:
            base = record_id * POSITIONS_PER_RECORD
            for index, (form, raw, value) in enumerate(_decode(body)):
                shown = raw if value is _SAME else value
                yield Row(base + index, site_id, observed, received, self._form(form), raw, shown)


_SELECT = "SELECT id, site_id, observed_at_ms, received_at_ms, body FROM records "


def _stored(observation: Observation) -> float | bool | None:
    same = observation.value is not None and observation.value == observation.raw_value
    return _SAME if same else observation.value


def fingerprint(decoded: Decoded) -> int:
    """Return a number that differs when another record carries the same (device, seq)."""
    return zlib.crc32(repr([(r.quantity, r.value, r.state) for r in decoded.readings]).encode())


def _put_position(db: sqlite3.Connection, name: str, position: int) -> None:
    db.execute(
        "INSERT INTO positions VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET position = excluded.position",
        (name, position),
    )


def _by_device(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.uplink.dev_eui, []).append(outcome)
    return found


def _put_seen(db: sqlite3.Connection, heard: list[Outcome]) -> None:
    """Note when and how one device was heard."""
    uplink = heard[-1].uplink
    best = max(uplink.receptions, key=lambda r: -1000.0 if r.rssi_dbm is None else r.rssi_dbm, default=None)
    status = next((outcome.status for outcome in reversed(heard) if outcome.status is not None), None)
    row = db.execute("SELECT f_cnt, missed FROM devices_seen WHERE dev_eui = ?", (uplink.dev_eui,)).fetchone()
    f_cnt, missed = (None, 0) if row is None else row
    for outcome in heard:
        counter = outcome.uplink.f_cnt
        if f_cnt is not None and counter is not None and counter > f_cnt:
            missed += counter - f_cnt - 1  # a counter that falls is a new session, not a gap
        f_cnt = counter
    db.execute(
        "INSERT INTO devices_seen VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT(dev_eui) DO UPDATE SET "
        "source=excluded.source, uplinks=uplinks+excluded.uplinks, "
        "received_at_ms=MAX(received_at_ms, excluded.received_at_ms), "
        "f_cnt=excluded.f_cnt, missed=excluded.missed, rssi_dbm=excluded.rssi_dbm, snr_db=excluded.snr_db, "
        "status=COALESCE(excluded.status, status)",
        (uplink.dev_eui, uplink.source, len(heard), uplink.received_at_ms, f_cnt, missed,
         best.rssi_dbm if best else None, best.snr_db if best else None,
         None if status is None else json.dumps(status)),
    )  # fmt: skip

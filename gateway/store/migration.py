"""Tables of older versions become those of now, within the transaction that is open.

Version 1 had device, site and form spelled out in every row. Version 2 had no history: no chunks, no rollups.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.shapes import Form, Judged, shape
from gateway.store.rows import POSITIONS_PER_RECORD, Part, body_of, encode_parts, shape_text

_decode = msgspec.msgpack.Decoder(list[tuple[int, float | None, float | bool | None]]).decode
_OLD = ("records", "forms", "last", "positions", "dead_letters", "devices_seen")


def create(db: sqlite3.Connection, tables: str) -> None:
    """Run the statements of a schema within the transaction that is open."""
    for statement in tables.split(";"):
        if statement.strip():
            db.execute(statement)


def to_version_2(db: sqlite3.Connection, tables: str) -> None:
    """Move every row, within the transaction that is open. Positions stay as they are."""
    for index in ("records_by_site", "records_by_time"):
        db.execute(f"DROP INDEX {index}")
    for table in _OLD:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    create(db, tables)
    _Move(db).run()
    for table in _OLD:
        db.execute(f"DROP TABLE old_{table}")


def to_version_3(db: sqlite3.Connection, tables: str) -> None:
    """Add the tables of history. Rolling and sealing fill them, from the first record on."""
    create(db, tables)


class _Move:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._forms: dict[int, Form] = {}
        for number, text in db.execute("SELECT id, form FROM old_forms"):
            quantity, unit, state, flags, method, version = json.loads(text)
            self._forms[number] = Form(quantity, unit, state, tuple(flags), method, version)
        self._sites: dict[str, int] = {}
        self._devices: dict[str, int] = {}
        self._shapes: dict[str, int] = {}

    def run(self) -> None:
        db = self._db
        tops: dict[int, int] = {}
        top = 0
        for number, dev_eui, seq, site_id, observed, received, quality, log, body in db.execute(
            "SELECT id, dev_eui, seq, site_id, observed_at_ms, received_at_ms, time_quality, log_sequence, "
            "body FROM old_records ORDER BY id"
        ):
            judged = self._judged(quality, _decode(body))
            device = _number(self._devices, dev_eui)
            tops[device] = max(tops.get(device, seq), seq)
            top = number
            db.execute(
                "INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?)",
                (number, device, seq, _number(self._sites, site_id), observed, received, log,
                 self._shape(judged), body_of(judged)),
            )  # fmt: skip
        self._put_devices(tops)
        self._put_sites()
        db.executemany(
            "INSERT INTO shapes VALUES (?,?)", ((number, text) for text, number in self._shapes.items())
        )
        db.execute("INSERT INTO positions SELECT name, position FROM old_positions")
        db.execute("INSERT INTO positions VALUES ('records', ?)", (top + 1,))
        db.execute("INSERT INTO dead_letters SELECT 'pipeline', * FROM old_dead_letters")

    def _judged(self, time_quality: str, items: Iterable[tuple[int, float | None, Any]]) -> Judged:
        forms: list[Form] = []
        raws: list[float | None] = []
        values: list[float | None] = []
        for form, raw, value in items:
            forms.append(self._forms[form])
            raws.append(raw)
            values.append(raw if value is True else value)
        # Derived values stood last, and had a method and no raw value.
        n = next(
            (at for at, form in enumerate(forms) if form.method != "none" and raws[at] is None), len(forms)
        )
        return Judged(shape(time_quality, tuple(forms), n), tuple(raws), tuple(values))

    def _shape(self, judged: Judged) -> int:
        return _number(self._shapes, shape_text(judged.shape))

    def _put_devices(self, tops: dict[int, int]) -> None:
        db = self._db
        seen = {row[0]: row[1:] for row in db.execute("SELECT * FROM old_devices_seen")}
        for dev_eui in seen:
            _number(self._devices, dev_eui)
        for dev_eui, number in self._devices.items():
            rest = seen.get(dev_eui, ("", 0, 0, None, 0, None, None, None))
            db.execute(
                "INSERT INTO devices VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (number, dev_eui, tops.get(number, -1), *rest),
            )

    def _put_sites(self) -> None:
        db = self._db
        for site_id, number in self._sites.items():
            newest: dict[int, int] = {}  # record -> mask
            for (position,) in db.execute("SELECT position FROM old_last WHERE site_id = ?", (site_id,)):
                record, at = divmod(position, POSITIONS_PER_RECORD)
                newest[record] = newest.get(record, 0) | 1 << at
            parts: list[Part] = []
            for record, mask in newest.items():
                observed, received, shape_id, body = db.execute(
                    "SELECT observed_at_ms, received_at_ms, shape, body FROM records WHERE id = ?", (record,)
                ).fetchone()
                parts.append(Part(record, observed, received, shape_id, mask, body))
            db.execute(
                "INSERT INTO sites VALUES (?,?,?,?,NULL)",
                (number, site_id, max(part.observed_at_ms for part in parts), encode_parts(parts)),
            )


def _number(numbers: dict[str, int], name: str) -> int:
    return numbers.setdefault(name, len(numbers) + 1)

"""A whole store from one engine into another, with every number and position as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from gateway.errors import StoreError
from gateway.store.store import Store

_AT_ONCE, _CHUNKS_AT_ONCE = 5000, 200
# In the order of copying: positions last, so that a copy that was broken off is none.
_TABLES: tuple[tuple[str, str, str], ...] = (
    ("shapes", "id, shape", "id"),
    (
        "devices",
        "id, dev_eui, top_seq, source, uplinks, received_at_ms, f_cnt, missed, rssi_dbm, snr_db, status",
        "id",
    ),
    ("sites", "id, site_id, observed_at_ms, last, memory", "id"),
    (
        "records",
        "id, device, seq, site, observed_at_ms, received_at_ms, log_sequence, shape, body",
        "id",
    ),
    ("chunks", "id, revision, kind, site, start_ms, end_ms, n, body", "id"),
    ("chunk_devices", "chunk, device, first_seq, last_seq", "chunk, device"),
    ("chunk_order", "block, body", "block"),
    ("quantities", "id, quantity, unit", "id"),
    ("rollups", "step_ms, start_ms, site, body", "step_ms, start_ms, site"),
    (
        "dead_letters",
        "name, log_sequence, item, received_at_ms, source, dev_eui, f_port, cause, detail, payload",
        "name, log_sequence, item",
    ),
)
_OWN = ("schema", "generation")  # positions that belong to one engine


def copy(source: Store, target: Store, told: Callable[[str, int], None] = lambda _table, _rows: None) -> int:
    """Copy everything into an empty store; return the number of records. `told(table, rows)` is progress.

    Raise StoreError when the target is not empty, or either refuses. Nothing may write to the source.
    """
    if target.count() or target.newest_position() or target.devices_seen():
        raise StoreError("the target is not empty: give an empty one, nothing was copied")
    for table, columns, order in _TABLES:
        rows = source.database.stream(f"SELECT {columns} FROM {table} ORDER BY {order}")  # noqa: S608
        done = 0
        most = _CHUNKS_AT_ONCE if table.startswith("chunk") else _AT_ONCE
        while part := list(islice(rows, most)):
            with target.database.write() as transaction:
                transaction.insert(table, columns, part)
            done += len(part)
            told(table, done)
    with target.database.write() as transaction:
        for name, position in _positions(source):
            transaction.execute(
                "INSERT INTO positions(name, position) VALUES (?, ?) "
                "ON CONFLICT(name) DO UPDATE SET position = excluded.position",
                (name, position),
            )
    return target.count()


def _positions(source: Store) -> Iterator[tuple[str, Any]]:
    for name, position in source.database.query("SELECT name, position FROM positions"):
        if name not in _OWN:
            yield name, position

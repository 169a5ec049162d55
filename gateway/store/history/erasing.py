"""Taking history away: all of one site, or what is older than it may be. In small steps, each
one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.store.database import Transaction, marks
from gateway.store.history.chunk import OBSERVED, SHAPE, ShapeOf, pack, part_of
from gateway.store.history.rolling import ROLLED, mark_rewritten, position
from gateway.store.history.rollups import BLOCKS
from gateway.store.history.sealed import opened
from gateway.store.history.sealing import put_chunks

if TYPE_CHECKING:
    from gateway.store.store import Store

DAY_MS = 86_400_000
STEP_CHUNKS, STEP_RECORDS = 50, 5000
Heard = tuple[str, int, int | None]  # DevEUI, from, to (None: still): when a device was at a site


def erase_site(store: Store, site_id: str, heard: Sequence[Heard] = (), gone: Collection[str] = ()) -> int:
    """Delete all that is kept of a site; return how many records went. Raise StoreError: then nothing did.

    heard: which devices were there when: their dead letters of that time go, too. gone: devices that are
    at no other site: nothing is kept of those.
    """
    with store.database.write() as transaction:
        known = transaction.query("SELECT id FROM sites WHERE site_id = ?", (site_id,))
        n = 0
        for (site,) in known:
            n += transaction.execute("DELETE FROM records WHERE site = ?", (site,))
            rows = transaction.query("SELECT id, n, kind FROM chunks WHERE site = ?", (site,))
            n += sum(row[1] for row in rows if row[2] == 0)
            _delete_chunks(transaction, [row[0] for row in rows])
            transaction.execute("DELETE FROM rollups WHERE site = ?", (site,))
            transaction.execute("DELETE FROM sites WHERE id = ?", (site,))
        for dev_eui, from_ms, to_ms in heard:
            transaction.execute(
                "DELETE FROM dead_letters WHERE dev_eui = ? AND received_at_ms >= ? AND received_at_ms < ?",
                (dev_eui, from_ms, 2**62 if to_ms is None else to_ms + DAY_MS),
            )
        for dev_eui in gone:
            transaction.execute("DELETE FROM dead_letters WHERE dev_eui = ?", (dev_eui,))
            transaction.execute(
                "DELETE FROM devices WHERE dev_eui = ? AND NOT EXISTS("
                "SELECT 1 FROM records WHERE device = devices.id) AND NOT EXISTS("
                "SELECT 1 FROM chunk_devices WHERE device = devices.id)",
                (dev_eui,),
            )
        mark_rewritten(transaction)
    store.forget()
    store.database.scrub()
    return n


def drop_records(store: Store, before_ms: int, only: Collection[str] = ()) -> Iterator[int]:
    """Yield after each step how many records older than a time (whole days, UTC) were deleted.

    only: records of nothing but these quantities. What is not rolled up yet stays: sums are kept longer.
    Newest values stay as well, however old.
    """
    before_ms -= before_ms % DAY_MS
    shapes = _shapes_of(store, only)
    if only and not shapes:
        return
    while n := _drop_hot(store, before_ms, shapes) or (not shapes and _drop_chunks(store, before_ms)):
        yield n
    at: int | None = -1
    while at is not None:
        n, at = _thin_out(store, before_ms, shapes, at)
        if n:
            yield n
    store.database.tidy(store.position(ROLLED))


def older(store: Store, before_ms: int, only: Collection[str] = ()) -> int:
    """Return how many records `drop_records` would delete at most."""
    before_ms -= before_ms % DAY_MS
    shapes = _shapes_of(store, only)
    if only and not shapes:
        return 0
    where, keys = _hot(store, before_ms, shapes)
    n: int = store.database.query(f"SELECT COUNT(*) FROM records WHERE {where}", keys)[0][0]  # noqa: S608
    rows = store.database.stream("SELECT id, n, end_ms, body FROM chunks WHERE start_ms < ?", (before_ms,))
    for number, count, end_ms, body in rows:
        if not shapes and end_ms <= before_ms:
            n += count
        else:
            chunk = opened(number, body)
            n += int(np.count_nonzero(_old(chunk.fields, before_ms, shapes)))
    return n


def drop_rollups(store: Store, before_ms: int) -> int:
    """Delete the blocks of rollups that end before a time; return how many."""
    n = 0
    with store.database.write() as transaction:
        for step_ms, length in BLOCKS.items():
            n += transaction.execute(
                "DELETE FROM rollups WHERE step_ms = ? AND start_ms <= ?", (step_ms, before_ms - length)
            )
        if n:
            mark_rewritten(transaction)
    return n


def old_rollups(store: Store, before_ms: int) -> int:
    """Return how many blocks `drop_rollups` would delete."""
    return sum(
        store.database.query(
            "SELECT COUNT(*) FROM rollups WHERE step_ms = ? AND start_ms <= ?", (step_ms, before_ms - length)
        )[0][0]
        for step_ms, length in BLOCKS.items()
    )


def _shapes_of(store: Store, only: Collection[str]) -> list[int]:
    numbers = [row[0] for row in store.database.query("SELECT id FROM shapes")]
    of: ShapeOf = store.shape_of
    return [n for n in numbers if all(form.quantity in only for form in of(n).forms)] if only else []


def _hot(store: Store, before_ms: int, shapes: Sequence[int]) -> tuple[str, list[Any]]:
    where, keys = "observed_at_ms < ? AND id < ?", [before_ms, position(store.database, ROLLED)]
    if shapes:
        where, keys = f"{where} AND shape IN ({marks(len(shapes))})", [*keys, *shapes]
    return where, keys


def _drop_hot(store: Store, before_ms: int, shapes: Sequence[int]) -> int:
    where, keys = _hot(store, before_ms, shapes)
    with store.database.write() as transaction:
        n = transaction.execute(
            f"DELETE FROM records WHERE id IN (SELECT id FROM records WHERE {where} LIMIT {STEP_RECORDS})",  # noqa: S608
            keys,
        )
        if n:
            mark_rewritten(transaction)
    return n


def _drop_chunks(store: Store, before_ms: int) -> int:
    """Delete chunks of which all is old."""
    with store.database.write() as transaction:
        rows = transaction.query(
            "SELECT id, n FROM chunks WHERE end_ms <= ? ORDER BY end_ms LIMIT ?", (before_ms, STEP_CHUNKS)
        )
        if rows:
            _delete_chunks(transaction, [row[0] for row in rows])
            mark_rewritten(transaction)
    return sum(row[1] for row in rows)


def _thin_out(store: Store, before_ms: int, shapes: Sequence[int], at: int) -> tuple[int, int | None]:
    """Take old records out of the next chunks; return how many, and where to go on."""
    n = 0
    with store.database.write() as transaction:
        rows = transaction.query(
            "SELECT id, revision, kind, site, start_ms, end_ms, body FROM chunks WHERE start_ms < ? "
            "AND id > ? ORDER BY id LIMIT ?",
            (before_ms, at, STEP_CHUNKS),
        )
        for number, revision, kind, site, start_ms, end_ms, body in rows:
            chunk = opened(number, body)
            old = _old(chunk.fields, before_ms, shapes)
            if not old.any():
                continue
            n += int(np.count_nonzero(old))
            _delete_chunks(transaction, [number])
            if not old.all():
                kept = part_of(chunk, ~old)
                put_chunks(
                    transaction,
                    [(number, revision + 1, kind, site, start_ms, end_ms, kept, pack(kept))],
                )
        if n:
            mark_rewritten(transaction)
    return n, rows[-1][0] if rows else None


def _old(fields: Any, before_ms: int, shapes: Sequence[int]) -> Any:
    old = fields[OBSERVED] < before_ms
    return old & np.isin(fields[SHAPE], shapes) if shapes else old


def _delete_chunks(transaction: Transaction, numbers: Sequence[int]) -> None:
    for at in range(0, len(numbers), 500):
        part = numbers[at : at + 500]
        for table, column in (("chunks", "id"), ("chunk_devices", "chunk")):
            transaction.execute(f"DELETE FROM {table} WHERE {column} IN ({marks(len(part))})", part)  # noqa: S608

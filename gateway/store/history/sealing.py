"""Days gone by become chunks: a site and a few days at a time, each step one transaction.

A step moves records out of the table and into chunks, or does nothing: wherever the process is killed, every
record is in exactly one of them. What arrives late for a day that is sealed stays beside its chunk until the
next pass, which opens the chunk and puts it in. Columns are made before the transaction begins: writers wait
for the moving only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.store.database import Transaction, marks
from gateway.store.history.chunk import (
    DEVICE,
    ID,
    OBSERVED,
    SEQ,
    Chunk,
    Stored,
    of_rows,
    pack,
    part_of,
)
from gateway.store.history.rolling import (
    ROLLED,
    add,
    block_of,
    placed,
    read_blocks,
    values_of_chunk,
    write_blocks,
)
from gateway.store.history.rollups import MINUTE_MS
from gateway.store.history.sealed import BLOCK, CURRENT, SEALED, opened, order_of
from gateway.store.store import Store

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
STEP_RECORDS = 5000  # about what one transaction moves
_FEW, _MOST = 256, 4096  # records: a chunk of fewer takes in the next day, one of more is cut by hours
_LONGEST_MS = 31 * DAY_MS
_DENSE = 120  # records an hour above which minutes are kept, too
_NEXT_CHUNK = "chunks"
_AT_ONCE = 500


@dataclass(slots=True)
class Plan:
    """A chunk to be written: number (0: a new one), site, span, and the records it takes in."""

    number: int
    site: int
    start_ms: int
    end_ms: int
    rows: list[Stored] = field(default_factory=list[Stored])  # the first n_new come from the table
    revision: int = 0
    n_new: int = 0


def seal(store: Store, before_ms: int, most_steps: int = 1) -> Iterator[int]:
    """Yield after each step how many records it moved, until all observed before a time are in chunks.

    before_ms: cut down to whole days (UTC). Only records that are rolled up are moved. Raise StoreError.
    """
    before_ms -= before_ms % DAY_MS
    steps = 0
    while steps < most_steps:
        moved = _step(store, before_ms)
        if not moved:
            store.database.tidy(store.position(ROLLED))
            return
        steps += 1
        yield moved


def waiting(store: Store, before_ms: int) -> int:
    """Return how many records `seal` would move."""
    return store.database.query(
        "SELECT COUNT(*) FROM records WHERE observed_at_ms < ? AND id < ?",
        (before_ms - before_ms % DAY_MS, store.position(ROLLED)),
    )[0][0]


def _step(store: Store, before_ms: int) -> int:
    with store.database.snapshot() as db:
        rolled = db.query("SELECT position FROM positions WHERE name = ?", (ROLLED,))
        if not rolled:
            return 0
        oldest = db.query(
            "SELECT MIN(observed_at_ms) FROM records WHERE observed_at_ms < ? AND id < ?",
            (before_ms, rolled[0][0]),
        )[0][0]
        if oldest is None:
            return 0
        day_ms = oldest - oldest % DAY_MS
        sites = db.query(
            "SELECT site, COUNT(*), MIN(observed_at_ms) FROM records "
            "WHERE observed_at_ms >= ? AND observed_at_ms < ? AND id < ? GROUP BY site ORDER BY site",
            (day_ms, day_ms + DAY_MS, rolled[0][0]),
        )
        plans: list[Plan] = []
        count = 0
        for site, n, first_ms in sites:
            if plans and count + n > STEP_RECORDS:
                break
            count += n
            start_ms, end_ms = _span(day_ms, first_ms, n)
            rows = db.query(
                "SELECT id, device, seq, observed_at_ms, received_at_ms, log_sequence, shape, body "
                "FROM records WHERE site = ? AND observed_at_ms >= ? AND observed_at_ms < ? AND id < ?",
                (site, start_ms, end_ms, rolled[0][0]),
            )
            stored = [(*row[:7], bytes(row[7])) for row in rows]
            plans += _plans(db.query, site, start_ms, end_ms, stored)
    made = [(plan, of_rows(plan.rows, store.shape_of)) for plan in plans]
    packed = [(plan, chunk, pack(chunk)) for plan, chunk in made]
    with store.database.write() as transaction:
        return _move(transaction, store, packed)


Query = Callable[[str, Sequence[Any]], list[Any]]


def _span(day_ms: int, first_ms: int, n: int) -> tuple[int, int]:
    """Return what to take of a day: all of it, or some hours where it has very many records."""
    hours = next((h for h in (24, 12, 6, 3, 2) if n * h <= 24 * _MOST), 1)
    start_ms = first_ms - (first_ms - day_ms) % (hours * HOUR_MS)
    return start_ms, start_ms + hours * HOUR_MS


def _plans(query: Query, site: int, start_ms: int, end_ms: int, rows: Sequence[Stored]) -> list[Plan]:
    """Sort records of a span within one day into the chunks they belong to; spans never overlap."""
    known = query(
        "SELECT id, start_ms, end_ms, n, revision FROM chunks WHERE site = ? AND kind = ? AND start_ms < ? "
        "ORDER BY start_ms DESC LIMIT 30",
        (site, CURRENT, end_ms),
    )
    taken = [one for one in known if one[2] > start_ms]
    found: dict[int, Plan] = {}
    new: list[Stored] = []
    for row in rows:
        for number, low, high, _, revision in taken:
            if low <= row[3] < high:
                plan = found.setdefault(number, Plan(number, site, low, high, revision=revision))
                plan.rows.append(row)
                break
        else:
            new.append(row)
    plans = list(found.values())
    last = known[0] if known and not taken else None
    if new and last is not None and last[3] + len(new) <= _FEW and end_ms - last[1] <= _LONGEST_MS:
        plans.append(Plan(last[0], site, last[1], end_ms, new, last[4]))
    elif new and not taken:
        plans.append(Plan(0, site, start_ms, end_ms, new))
    else:  # between the chunks that are there: an hour is in one of them, or free
        hours: dict[int, Plan] = {}
        for row in new:
            low = row[3] - row[3] % HOUR_MS
            hours.setdefault(low, Plan(0, site, low, low + HOUR_MS)).rows.append(row)
        plans += hours.values()
    for plan in plans:
        plan.n_new = len(plan.rows)
        if plan.number:
            body = query("SELECT body FROM chunks WHERE id = ?", (plan.number,))[0][0]
            plan.rows += opened(plan.number, body).rows()
    return plans


def _move(transaction: Transaction, store: Store, packed: Sequence[tuple[Plan, Chunk, bytes]]) -> int:
    """Write the chunks and take their records out of the table, all or nothing."""
    chosen = [item for item in packed if _is_as_planned(transaction, item[0])]
    moved = 0
    for plan, chunk, _ in chosen:
        _put_minutes(transaction, store, plan, chunk)
        ids = [row[0] for row in plan.rows[: plan.n_new]]
        for at in range(0, len(ids), _AT_ONCE):
            part = ids[at : at + _AT_ONCE]
            moved += transaction.execute(f"DELETE FROM records WHERE id IN ({marks(len(part))})", part)  # noqa: S608
        if not plan.number:
            plan.number = next_chunk(transaction)
        else:
            transaction.execute("DELETE FROM chunks WHERE id = ?", (plan.number,))
            transaction.execute("DELETE FROM chunk_devices WHERE chunk = ?", (plan.number,))
    put_chunks(
        transaction,
        [(plan.number, plan.revision + 1, CURRENT, plan.site, plan.start_ms, plan.end_ms, chunk, body)
         for plan, chunk, body in chosen],
    )  # fmt: skip
    return moved


def _is_as_planned(transaction: Transaction, plan: Plan) -> bool:
    """Tell whether nobody deleted the records or changed the chunk since the plan was made."""
    if plan.number:
        known = transaction.query("SELECT revision FROM chunks WHERE id = ?", (plan.number,))
        if not known or known[0][0] != plan.revision:
            return False
    ids = [row[0] for row in plan.rows[: plan.n_new]]
    there = 0
    for at in range(0, len(ids), _AT_ONCE):
        part = ids[at : at + _AT_ONCE]
        rows = transaction.query(f"SELECT COUNT(*) FROM records WHERE id IN ({marks(len(part))})", part)  # noqa: S608
        there += rows[0][0]
    return there == len(ids)


def _put_minutes(transaction: Transaction, store: Store, plan: Plan, chunk: Chunk) -> None:
    """Keep what minutes amount to, where there are more than two records a minute.

    It stays when the seconds go. What is there already has all that was sealed before: new records are added.
    """
    hours = np.unique(chunk.fields[OBSERVED] // HOUR_MS)
    is_dense = len(chunk) > _DENSE * len(hours)
    if not is_dense and not transaction.query(
        "SELECT 1 FROM rollups WHERE site = ? AND step_ms = ? LIMIT 1", (plan.site, MINUTE_MS)
    ):
        return
    levels = store.quantities.levels_in(transaction)
    values = values_of_chunk(store, store.quantities.of, plan.site, chunk)
    blocks = block_of(plan.site, hours * HOUR_MS, MINUTE_MS).tolist()
    known = set(read_blocks(transaction, MINUTE_MS, blocks).block.tolist())
    if known:
        fresh = np.isin(chunk.fields[ID], [row[0] for row in plan.rows[: plan.n_new]])
        new = values_of_chunk(store, store.quantities.of, plan.site, part_of(chunk, fresh))
        more = placed(new, MINUTE_MS, levels)
        add(transaction, MINUTE_MS, more.chosen(np.isin(more.block, list(known))), levels)
    if is_dense:
        whole = placed(values, MINUTE_MS, levels)
        write_blocks(transaction, MINUTE_MS, whole.chosen(~np.isin(whole.block, list(known))))


Put = tuple[
    int, int, int, int, int, int, Chunk, bytes
]  # number, revision, kind, site, start, end, chunk, body


def put_chunks(transaction: Transaction, found: Sequence[Put]) -> None:
    """Write chunks that are not there, with what finds them by device and by id."""
    transaction.insert(
        "chunks",
        "id, revision, kind, site, start_ms, end_ms, n, body",
        [(*item[:6], len(item[6]), item[7]) for item in found],
    )
    devices: list[Sequence[Any]] = []
    for item in found:
        fields = item[6].fields
        for device in np.unique(fields[DEVICE]).tolist():
            seqs = fields[SEQ][fields[DEVICE] == device]
            devices.append((item[0], device, int(seqs.min()), int(seqs.max())))
    transaction.insert("chunk_devices", "chunk, device, first_seq, last_seq", devices)
    if found:
        ids = np.concatenate([item[6].fields[ID] for item in found])
        numbers = np.repeat([item[0] for item in found], [len(item[6]) for item in found])
        put_order(transaction, ids, numbers)


def put_order(transaction: Transaction, ids: Any, numbers: Any) -> None:
    """Note in which chunk each of some ids is."""
    order = np.argsort(ids)
    ids, numbers = ids[order], numbers[order]
    blocks, starts = np.unique(ids // BLOCK, return_index=True)
    rows: list[Sequence[Any]] = []
    for block, low, high in zip(blocks.tolist(), starts, [*starts[1:], len(ids)], strict=True):
        known = transaction.query("SELECT body FROM chunk_order WHERE block = ?", (block,))
        entries = order_of(bytes(known[0][0])).copy() if known else np.zeros(BLOCK, "<u4")
        entries[ids[low:high] % BLOCK] = numbers[low:high]
        rows.append((block, zlib.compress(entries.tobytes(), 1)))
    transaction.insert("chunk_order", "block, body", rows, "(block) DO UPDATE SET body = excluded.body")
    top = int(ids[-1]) + 1
    transaction.execute(
        "INSERT INTO positions(name, position) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET position = "
        "CASE WHEN excluded.position > positions.position THEN excluded.position ELSE positions.position END",
        (SEALED, top),
    )


def next_chunk(transaction: Transaction) -> int:
    """Give out the number of a chunk; none comes twice, as `chunk_order` may speak of one that is gone."""
    rows = transaction.query("SELECT position FROM positions WHERE name = ?", (_NEXT_CHUNK,))
    number: int = rows[0][0] if rows else 1
    transaction.execute(
        "INSERT INTO positions(name, position) VALUES (?, ?) "
        "ON CONFLICT(name) DO UPDATE SET position = excluded.position",
        (_NEXT_CHUNK, number + 1),
    )
    return number


__all__ = ("DAY_MS", "next_chunk", "put_chunks", "put_order", "seal", "waiting")

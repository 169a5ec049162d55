"""Rollups follow the store from a durable position, in the order of ids: each record is added once.

What arrives late, whatever its observed time, has a new id and is added to its hour like any other. Readers
put the few records that are not rolled up yet on top, so what they show is always of all records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import StoreError
from gateway.shapes import Shape
from gateway.statements import pieces
from gateway.store.database import Reading, Transaction, marks
from gateway.store.history.chunk import OBSERVED, SHAPE, Chunk
from gateway.store.history.rollups import (
    BLOCKS,
    DAY_MS,
    HOUR_MS,
    Entries,
    combined,
    joined,
    pack_blocks,
    unpack_blocks,
)
from gateway.store.positions import position, put_position

if TYPE_CHECKING:
    from gateway.store.store import Store

ROLLED = "rolled"  # the id of the first record that is not rolled up
REWRITTEN = "rewritten"  # rises when records were deleted or replaced: plans made before are void
STEP_RECORDS = 5000  # 35,000 values: more at a time take as long each, and memory
_BLOCK_BITS = 24  # of the number of a block's start; the site stands above
_LAST_MS = HOUR_MS << _BLOCK_BITS  # values from after the year 3800, and from before 1970, are left out


def block_of(site: Any, start_ms: Any, step_ms: int) -> Any:
    """Return a site and the start of a block as one number; works on arrays, too."""
    return (site << _BLOCK_BITS) | (start_ms // BLOCKS[step_ms])


def site_and_start(block: int, step_ms: int) -> tuple[int, int]:
    """Return what `block_of` put together."""
    return block >> _BLOCK_BITS, (block & ((1 << _BLOCK_BITS) - 1)) * BLOCKS[step_ms]


def sites_and_starts(blocks: NDArray[np.int64], step_ms: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what `block_of` put together of many."""
    return blocks >> _BLOCK_BITS, (blocks & ((1 << _BLOCK_BITS) - 1)) * BLOCKS[step_ms]


Numbers = Callable[[Shape], Sequence[int]]  # of each observation; below 0: it is left out


def values_of_rows(store: Store, numbers: Numbers, rows: Sequence[Sequence[Any]]) -> Entries:
    """Return every number in rows (site, observed_at_ms, shape, body) as an entry of its own.

    block is the site and slot the observed time: `placed` sorts them into blocks.
    """
    parts: list[Entries] = []
    rows = sorted(rows, key=lambda row: row[2])
    for number, members in groupby(rows, key=lambda row: row[2]):
        shape = store.shape_of(number)
        group = list(members)
        k = len(shape)
        values = np.empty((len(group), k))
        for at, row in enumerate(group):
            values[at] = np.frombuffer(row[3], "<f8", k, 8 * k if len(row[3]) > 8 * k else 0)
        sites = np.array([row[0] for row in group], np.int64)
        times = np.array([row[1] for row in group], np.int64)
        parts.append(_entries(numbers(shape), shape, sites, times, values))
    return joined(parts)


def values_of_chunk(store: Store, numbers: Numbers, site: int, chunk: Chunk) -> Entries:
    """Return every number of a chunk as an entry of its own."""
    parts: list[Entries] = []
    for group in chunk.groups:
        shapes = chunk.fields[SHAPE][group.places]
        for number in np.unique(shapes).tolist():
            shape = store.shape_of(number)
            mine = shapes == number
            times = chunk.fields[OBSERVED][group.places[mine]]
            sites = np.full(len(times), site, np.int64)
            parts.append(_entries(numbers(shape), shape, sites, times, group.values[mine]))
    return joined(parts)


def _entries(
    numbers: Sequence[int], shape: Shape, sites: NDArray[np.int64], times: NDArray[np.int64], values: Any
) -> Entries:
    keys = np.array(
        [2 * number + bool(form.flags) for number, form in zip(numbers, shape.forms, strict=True)], np.int64
    )
    wanted = keys >= 0
    keys, values = keys[wanted], values[:, wanted]
    n, k = len(sites), len(keys)
    flat: NDArray[np.float64] = np.ascontiguousarray(values, np.float64).ravel()
    found = Entries(
        np.repeat(sites, k),
        np.tile(keys, n),
        np.repeat(times, k),
        np.ones(n * k, np.int64),
        flat,
        flat,
        flat,
    )
    return found.chosen(np.isfinite(flat) & (found.slot >= 0) & (found.slot < _LAST_MS))


def placed(values: Entries, step_ms: int, levels: NDArray[np.bool_]) -> Entries:
    """Return single values as entries of blocks with slots of a step, added up."""
    length = BLOCKS[step_ms]
    return combined(
        Entries(
            block_of(values.block, values.slot, step_ms), values.key, values.slot % length // step_ms,
            values.n, values.mean, values.low, values.high,
        ),
        levels,
    )  # fmt: skip


def read_blocks(
    db: Reading | Transaction, step_ms: int, blocks: Iterable[int], keys: frozenset[int] | None = None
) -> Entries:
    """Return what is kept of some blocks."""
    wanted = sorted(blocks, key=lambda block: (block & ((1 << _BLOCK_BITS) - 1), block))
    found: list[tuple[int, bytes]] = []
    for start, members in groupby(wanted, key=lambda block: site_and_start(block, step_ms)[1]):
        sites = [site_and_start(block, step_ms)[0] for block in members]
        for part in pieces(sites):
            rows = db.query(
                "SELECT site, body FROM rollups WHERE step_ms = ? AND start_ms = ? "  # noqa: S608
                f"AND site IN ({marks(len(part))})",
                (step_ms, start, *part),
            )
            found += [(block_of(site, start, step_ms), bytes(body)) for site, body in rows]
    return unpack_blocks(found, keys)


def write_blocks(transaction: Transaction, step_ms: int, entries: Entries) -> None:
    """Put entries, which must be all of their blocks, in the place of what is kept."""
    rows = [
        (step_ms, start_ms, site, body)
        for block, body in pack_blocks(entries)
        for site, start_ms in [site_and_start(block, step_ms)]
    ]
    transaction.insert(
        "rollups",
        "step_ms, start_ms, site, body",
        rows,
        "(step_ms, start_ms, site) DO UPDATE SET body = excluded.body",
    )


def add(transaction: Transaction, step_ms: int, new: Entries, levels: NDArray[np.bool_]) -> None:
    """Add entries to what is kept of their blocks."""
    if len(new):
        known = read_blocks(transaction, step_ms, np.unique(new.block).tolist())
        write_blocks(transaction, step_ms, combined(joined([known, new]), levels))


def roll(store: Store, until: int | None = None, most: int = STEP_RECORDS) -> int:
    """Add the next records (with an id below `until`) to the hours and days; return how many ids were passed.

    One step, one transaction: killed anywhere, it is done or not. Raise StoreError.
    """
    with store.database.snapshot() as db:
        first = position(db, ROLLED) or 1
        following = position(db, "records") or 1
        end = min(first + most, following if until is None else min(until, following))
        rewritten = position(db, REWRITTEN)
        if end <= first:
            return 0
        rows = db.query(
            "SELECT site, observed_at_ms, shape, body FROM records WHERE id >= ? AND id < ?", (first, end)
        )
    values = values_of_rows(store, store.quantities.of, rows)
    levels = store.quantities.levels
    found = {step_ms: placed(values, step_ms, levels) for step_ms in (HOUR_MS, DAY_MS)}
    with store.database.write() as transaction:
        if (position(transaction, ROLLED) or 1) != first or position(transaction, REWRITTEN) != rewritten:
            return 0  # another did it, or records went: look again
        levels = store.quantities.levels_in(transaction)
        for step_ms, entries in found.items():
            add(transaction, step_ms, entries, levels)
        put_position(transaction, ROLLED, end)
    return end - first


def roll_all(store: Store, until: int | None = None) -> int:
    """Roll up all there is; return how many ids were passed."""
    done = 0
    while n := roll(store, until):
        done += n
    return done


def rebuild(store: Store, site_id: str) -> int:
    """Make the rollups of a site again from its records, as far back as those reach; return how many records.

    Days of which no record is left keep what they have. Raise StoreError.
    """
    with store.database.snapshot() as db:
        found = db.query("SELECT id FROM sites WHERE site_id = ?", (site_id,))
        if not found:
            raise StoreError(f"{site_id} has no observations")
        site: int = found[0][0]
        end, rewritten = position(db, ROLLED), position(db, REWRITTEN)
        rows = db.query(
            "SELECT site, observed_at_ms, shape, body FROM records WHERE site = ? AND id < ?", (site, end)
        )
        n = len(rows)
        parts = [values_of_rows(store, store.quantities.of, rows)]
        from gateway.store.history.sealed import CURRENT, opened  # here: sealed reads for the store

        for number, body in db.stream(
            "SELECT id, body FROM chunks WHERE site = ? AND kind = ? ORDER BY start_ms", (site, CURRENT)
        ):
            chunk = opened(number, body)
            n += len(chunk)
            parts.append(values_of_chunk(store, store.quantities.of, site, chunk))
    values = joined(parts)
    with store.database.write() as transaction:
        if position(transaction, ROLLED) != end or position(transaction, REWRITTEN) != rewritten:
            raise StoreError("records were rolled up or deleted meanwhile: try again")
        levels = store.quantities.levels_in(transaction)
        hours = placed(values, HOUR_MS, levels)
        write_blocks(transaction, HOUR_MS, hours)
        # Days are added up of all their hours, those that were kept without records, too.
        touched = {
            block_of(site, site_and_start(b, HOUR_MS)[1], DAY_MS) for b in np.unique(hours.block).tolist()
        }
        starts = [
            start + day * DAY_MS
            for start in (site_and_start(block, DAY_MS)[1] for block in touched)
            for day in range(BLOCKS[DAY_MS] // DAY_MS)
        ]
        kept = read_blocks(transaction, HOUR_MS, [block_of(site, start, HOUR_MS) for start in starts])
        write_blocks(transaction, DAY_MS, _days_of(kept, levels))
    return n


def _days_of(hours: Entries, levels: NDArray[np.bool_]) -> Entries:
    site, start_ms = sites_and_starts(hours.block, HOUR_MS)
    moved = Entries(site, hours.key, start_ms, hours.n, hours.mean, hours.low, hours.high)
    return placed(moved, DAY_MS, levels)


def mark_rewritten(transaction: Transaction) -> None:
    """Void the plans of all that read before: records were deleted or replaced."""
    put_position(transaction, REWRITTEN, position(transaction, REWRITTEN) + 1)

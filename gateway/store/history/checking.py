"""Are chunks and rollups whole, and do they hold what the rest of the store says they hold?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gateway.errors import StoreError
from gateway.shapes import Shape
from gateway.store.database import Reading
from gateway.store.history.chunk import DEVICE, ID, OBSERVED, SEQ, Chunk
from gateway.store.history.rolling import ROLLED, position, values_of_chunk, values_of_rows
from gateway.store.history.rollups import DAY_MS, HOUR_MS, unpack_blocks
from gateway.store.history.sealed import BLOCK, CURRENT, opened, order_of

if TYPE_CHECKING:
    from gateway.store.store import Store


def history_faults(store: Store) -> Iterator[str]:
    """Yield what is wrong, in words."""
    with store.database.snapshot() as db:
        yield from _chunk_faults(store, db)
        yield from _rollup_faults(store, db)


def _chunk_faults(store: Store, db: Reading) -> Iterator[str]:
    spans: dict[int, tuple[int, int]] = {}
    shapes = {row[0] for row in db.query("SELECT id FROM shapes")}
    for number, kind, site, start_ms, end_ms, n, body in db.stream(
        "SELECT id, kind, site, start_ms, end_ms, n, body FROM chunks ORDER BY site, kind, start_ms"
    ):
        try:
            chunk = opened(number, body)
        except StoreError as error:
            yield str(error)
            continue
        if len(chunk) != n:
            yield f"chunk {number}: {len(chunk)} records, {n} are said to be in it"
        observed = chunk.fields[OBSERVED]
        if len(chunk) and not start_ms <= observed.min() <= observed.max() < end_ms:
            yield f"chunk {number}: records from outside its time"
        if not set(np.unique(chunk.fields[6]).tolist()) <= shapes:
            yield f"chunk {number}: a shape is not there"
        if kind == CURRENT:
            if site in spans and start_ms < spans[site][1]:
                yield f"chunk {number}: its time is that of chunk {spans[site][0]}, too"
            spans[site] = number, end_ms
        yield from _place_faults(db, number, chunk)


def _place_faults(db: Reading, number: int, chunk: Chunk) -> Iterator[str]:
    ids = chunk.fields[ID]
    for block in np.unique(ids // BLOCK).tolist():
        rows = db.query("SELECT body FROM chunk_order WHERE block = ?", (block,))
        mine = ids[ids // BLOCK == block] % BLOCK
        if not rows or not (order_of(bytes(rows[0][0]))[mine] == number).all():
            yield f"chunk {number}: not all of its records can be found by their position"
    known = {
        row[0]: row[1:]
        for row in db.query(
            "SELECT device, first_seq, last_seq FROM chunk_devices WHERE chunk = ?", (number,)
        )
    }
    for device in np.unique(chunk.fields[DEVICE]).tolist():
        seqs = chunk.fields[SEQ][chunk.fields[DEVICE] == device]
        if known.get(device) != (int(seqs.min()), int(seqs.max())):
            yield f"chunk {number}: what device {device} sent cannot all be found by its number"
    low, high = int(ids.min()), int(ids.max())
    twice = db.query("SELECT id FROM records WHERE id >= ? AND id <= ?", (low, high))
    if set(ids.tolist()) & {row[0] for row in twice}:
        yield f"chunk {number}: a record is in it and among the newest, too"


def _rollup_faults(store: Store, db: Reading) -> Iterator[str]:
    """Compare how many values each day has; where some were deleted by age, rollups may know of more."""
    rolled = position(db, ROLLED)
    for site, name in db.query("SELECT id, site_id FROM sites ORDER BY id"):
        counted: dict[int, int] = {}
        parts = [
            values_of_rows(
                store,
                _every,
                db.query(
                    "SELECT site, observed_at_ms, shape, body FROM records WHERE site = ? AND id < ?",
                    (site, rolled),
                ),
            )
        ]
        for number, body in db.query(
            "SELECT id, body FROM chunks WHERE site = ? AND kind = ?", (site, CURRENT)
        ):
            try:
                parts.append(values_of_chunk(store, _every, site, opened(number, body)))
            except StoreError:
                continue  # told already
        for part in parts:
            days, n = np.unique(part.slot // DAY_MS, return_counts=True)
            for day, count in zip(days.tolist(), n.tolist(), strict=True):
                counted[day] = counted.get(day, 0) + count
        for step_ms in (HOUR_MS, DAY_MS):
            try:
                rows = db.query(
                    "SELECT start_ms, body FROM rollups INDEXED BY rollups_by_site "
                    "WHERE site = ? AND step_ms = ?",
                    (site, step_ms),
                )
                found = unpack_blocks([(start, bytes(body)) for start, body in rows])
            except StoreError as error:
                yield f"site {name}: {error}"
                continue
            days, starts = np.unique((found.block + found.slot * step_ms) // DAY_MS, return_inverse=True)
            sums = dict(zip(days.tolist(), np.bincount(starts, found.n).astype(int).tolist(), strict=True))
            short = [day for day, count in counted.items() if sums.get(day, 0) < count]
            if short:
                yield (
                    f"site {name}: {'hours' if step_ms == HOUR_MS else 'days'} of {len(short)} days know of "
                    f"fewer values than there are: meetnet store rollup {name}"
                )


def _every(shape: Shape) -> list[int]:
    return [0] * len(shape)

"""Newer results in the place of older ones: both are kept, the newer one speaks.

The newer result is a record of its own with a new id, so whoever follows the store hears of it like of
anything new. The older one goes into a chunk of kind SUPERSEDED: it is still found by its position, and in
no series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.errors import StoreError
from gateway.shapes import Judged
from gateway.store.database import Reading, Transaction, marks
from gateway.store.history import sealed
from gateway.store.history.chunk import ID, Stored, of_rows, pack, part_of
from gateway.store.history.rolling import (
    REWRITTEN,
    ROLLED,
    block_of,
    mark_rewritten,
    placed,
    position,
    put_position,
    read_blocks,
    site_and_start,
    sites_and_starts,
    values_of_rows,
    write_blocks,
)
from gateway.store.history.rollups import BLOCKS, DAY_MS, HOUR_MS, MINUTE_MS, Entries, combined, joined
from gateway.store.history.sealed import CURRENT, SUPERSEDED
from gateway.store.history.sealing import next_chunk, put_chunks
from gateway.store.kept import Kept
from gateway.store.rows import Part, body_of, decode_parts, encode_parts
from gateway.store.writing import Batch

if TYPE_CHECKING:
    from gateway.store.store import Store

_FIELDS = "id, device, seq, observed_at_ms, received_at_ms, log_sequence, shape, body"


@dataclass(frozen=True, slots=True)
class Span:
    """The records of a site in some days, by id, as they were at one moment. rewritten: what voids them."""

    site: int
    start_ms: int
    end_ms: int
    rows: tuple[Stored, ...]
    rewritten: int


def read_span(store: Store, site_id: str, start_ms: int, end_ms: int) -> Span | None:
    """Return the records of a site in [start_ms, end_ms); None: it has none."""
    with store.database.snapshot() as db:
        known = db.query("SELECT id FROM sites WHERE site_id = ?", (site_id,))
        if not known:
            return None
        site: int = known[0][0]
        hot, old = _rows(db, site, start_ms, end_ms)
        return Span(site, start_ms, end_ms, tuple(sorted(hot + old)), position(db, REWRITTEN))


def _rows(
    db: Reading | Transaction, site: int, start_ms: int, end_ms: int
) -> tuple[list[Stored], list[Stored]]:
    """Return (records in the table, records in chunks)."""
    hot = db.query(
        f"SELECT {_FIELDS} FROM records WHERE site = ? AND observed_at_ms >= ? AND observed_at_ms < ?",  # noqa: S608
        (site, start_ms, end_ms),
    )
    rows: list[Stored] = []
    for number, body in db.query(
        "SELECT id, body FROM chunks WHERE site = ? AND kind = ? AND start_ms < ? AND end_ms > ?",
        (site, CURRENT, end_ms, start_ms),
    ):
        rows += [row for row in sealed.opened(number, body).rows() if start_ms <= row[3] < end_ms]
    return [(*row[:7], bytes(row[7])) for row in hot], rows


def replace(store: Store, span: Span, results: Mapping[int, Judged]) -> int:
    """Put new results in the place of records of a span, by id; return how many. One transaction.

    Raise StoreError: then nothing changed (also when records were deleted since the span was read).
    """
    if not results:
        return 0
    old = [row for row in span.rows if row[0] in results]
    with store.database.write() as transaction:
        if position(transaction, REWRITTEN) != span.rewritten:
            raise StoreError("records were deleted or replaced meanwhile: try again")
        _take_out(transaction, span.site, [row[0] for row in old])
        chunk = of_rows(old, store.shape_of)
        put_chunks(
            transaction,
            [
                (
                    next_chunk(transaction),
                    1,
                    SUPERSEDED,
                    span.site,
                    span.start_ms,
                    span.end_ms,
                    chunk,
                    pack(chunk),
                )
            ],
        )
        _sum_up_again(store, transaction, span, old)
        _put(transaction, span.site, [(row, results[row[0]]) for row in old])
        mark_rewritten(transaction)
    store.forget()
    return len(old)


def _take_out(transaction: Transaction, site: int, ids: Sequence[int]) -> None:
    for at in range(0, len(ids), 500):
        part = ids[at : at + 500]
        transaction.execute(f"DELETE FROM records WHERE id IN ({marks(len(part))})", part)  # noqa: S608
    gone = np.array(ids)
    for number, revision, kind, start_ms, end_ms, body in transaction.query(
        "SELECT id, revision, kind, start_ms, end_ms, body FROM chunks WHERE site = ? AND kind = ?",
        (site, CURRENT),
    ):
        chunk = sealed.opened(number, body)
        mine = np.isin(chunk.fields[ID], gone)
        if not mine.any():
            continue
        for table, column in (("chunks", "id"), ("chunk_devices", "chunk")):
            transaction.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608
        if not mine.all():
            rest = part_of(chunk, ~mine)
            put_chunks(transaction, [(number, revision + 1, kind, site, start_ms, end_ms, rest, pack(rest))])


def _sum_up_again(store: Store, transaction: Transaction, span: Span, old: Sequence[Stored]) -> None:
    """Make the sums of the quantities of replaced records again, from what is left of those days.

    New results are added when they are rolled up. Sums of other quantities stay: their records may be gone.
    """
    low, high = span.start_ms - span.start_ms % DAY_MS, -(-span.end_ms // DAY_MS) * DAY_MS
    rolled = position(transaction, ROLLED)
    hot, packed = _rows(transaction, span.site, low, high)
    left = _values(store, span.site, [*(row for row in hot if row[0] < rolled), *packed])
    touched = np.unique(_values(store, span.site, [row for row in old if row[0] < rolled]).key >> 1)
    left = left.chosen(np.isin(left.key >> 1, touched))
    in_chunks = _values(store, span.site, packed)
    levels = store.quantities.levels_in(transaction)
    in_chunks = in_chunks.chosen(np.isin(in_chunks.key >> 1, touched))
    for step_ms, values in ((HOUR_MS, left), (DAY_MS, left), (MINUTE_MS, in_chunks)):
        length = BLOCKS[step_ms]
        blocks = [block_of(span.site, start, step_ms) for start in range(low - low % length, high, length)]
        known = read_blocks(transaction, step_ms, blocks)
        at_ms = sites_and_starts(known.block, step_ms)[1] + known.slot * step_ms
        others = known.chosen((at_ms < low) | (at_ms >= high) | ~np.isin(known.key >> 1, touched))
        mine = placed(values, step_ms, levels)
        if step_ms == MINUTE_MS:  # only where minutes are kept
            mine = mine.chosen(np.isin(mine.block, known.block))
        for block in np.unique(known.block).tolist():
            transaction.execute(
                "DELETE FROM rollups WHERE step_ms = ? AND start_ms = ? AND site = ?",
                (step_ms, site_and_start(block, step_ms)[1], span.site),
            )
        write_blocks(transaction, step_ms, combined(joined([others, mine]), levels))


def _values(store: Store, site: int, rows: Sequence[Stored]) -> Entries:
    return values_of_rows(store, store.quantities.of, [(site, row[3], row[6], row[7]) for row in rows])


def _put(transaction: Transaction, site: int, new: Sequence[tuple[Stored, Judged]]) -> None:
    batch = Batch(transaction, Kept())
    following = position(transaction, "records") or 1
    rows: list[Sequence[Any]] = []
    parts: dict[int, tuple[int, int, bytes]] = {}
    for number, (old, judged) in enumerate(new, following):
        body, shape = body_of(judged), batch.number_of(judged.shape)
        rows.append((number, old[1], old[2], site, old[3], old[4], old[5], shape, body))
        parts[old[0]] = number, shape, body
    transaction.insert(
        "records", "id, device, seq, site, observed_at_ms, received_at_ms, log_sequence, shape, body", rows
    )
    put_position(transaction, "records", following + len(rows))
    last = transaction.query("SELECT last FROM sites WHERE id = ?", (site,))[0][0]
    newest = [
        Part(
            parts[part.id][0],
            part.observed_at_ms,
            part.received_at_ms,
            parts[part.id][1],
            part.mask,
            parts[part.id][2],
        )
        if part.id in parts
        else part
        for part in decode_parts(last)
    ]
    transaction.execute("UPDATE sites SET last = ? WHERE id = ?", (encode_parts(newest), site))

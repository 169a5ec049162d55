"""Reading chunks: by site and time, by time, by id, and by device and sequence number.

Every function takes the reads of one moment (a snapshot or a transaction), in which records are either in the
table `records` or in a chunk, never in both.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.errors import StoreError
from gateway.store.database import Reading, marks
from gateway.store.history.chunk import DEVICE, ID, OBSERVED, RECEIVED, SEQ, SHAPE, Chunk, unpack
from gateway.store.history.columns import counting

CURRENT, SUPERSEDED = 0, 1
BLOCK = 4096  # ids in one row of chunk_order
SEALED = "sealed"  # the position below which all ids are that are in any chunk
_CACHED_CELLS = 2_000_000  # 16 MB of numbers
_DAY_MS = 86_400_000
_AT_ONCE = 500
# (id, observed_at_ms, received_at_ms, shape, chunk, place): a record in a chunk
Found = tuple[int, int, int, int, Chunk, int]


class _Queries(Protocol):
    def query(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]: ...


class Chunks:
    """Chunks that were read lately, as columns. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, int], Chunk] = OrderedDict()
        self._cells = 0

    def of(self, db: _Queries, wanted: Collection[int], kinds: Collection[int]) -> dict[int, Chunk]:
        """Return those of some chunks that are there and of some kinds."""
        found: dict[int, Chunk] = {}
        ids = list(wanted)
        for at in range(0, len(ids), _AT_ONCE):
            part = ids[at : at + _AT_ONCE]
            rows = db.query(
                f"SELECT id, revision, kind FROM chunks WHERE id IN ({marks(len(part))})",  # noqa: S608
                part,
            )
            missing: list[int] = []
            for number, revision, kind in rows:
                if kind in kinds:
                    known = self._get((number, revision))
                    if known is None:
                        missing.append(number)
                    else:
                        found[number] = known
            if missing:
                rows = db.query(
                    f"SELECT id, revision, body, site FROM chunks WHERE id IN ({marks(len(missing))})",  # noqa: S608
                    missing,
                )
                for number, revision, body, site in rows:
                    found[number] = opened(number, body)
                    found[number].site = site
                    self._put((number, revision), found[number])
        return found

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._known.clear()
            self._cells = 0

    def _get(self, key: tuple[int, int]) -> Chunk | None:
        with self._lock:
            chunk = self._known.get(key)
            if chunk is not None:
                self._known.move_to_end(key)
            return chunk

    def _put(self, key: tuple[int, int], chunk: Chunk) -> None:
        with self._lock:
            self._known[key] = chunk
            self._cells += chunk.cells
            while self._cells > _CACHED_CELLS and self._known:
                _, old = self._known.popitem(last=False)
                self._cells -= old.cells


def opened(number: int, body: bytes) -> Chunk:
    """Return the chunk of a body; raise StoreError, which names it."""
    try:
        return unpack(bytes(body))
    except StoreError as error:
        raise StoreError(f"chunk {number}: {error}") from error


def of_site(
    db: Reading, site: int, start_ms: int, end_ms: int, *, descending: bool = False
) -> Iterator[Found]:
    """Yield the records of a site in [start_ms, end_ms), by (observed time, id)."""
    spans = db.query(
        "SELECT id FROM chunks WHERE site = ? AND kind = ? AND start_ms < ? AND end_ms > ? ORDER BY start_ms",
        (site, CURRENT, end_ms, start_ms),
    )
    for (number,) in reversed(spans) if descending else spans:
        rows = db.query("SELECT body FROM chunks WHERE id = ?", (number,))
        chunk = opened(number, rows[0][0])
        places = between(chunk, start_ms, end_ms)
        yield from _found(chunk, places[::-1] if descending else places)


def of_time(
    db: Reading, start_ms: int, end_ms: int, sites: Collection[int] | None, *, descending: bool = False
) -> Iterator[tuple[int, Found]]:
    """Yield (site, record) of [start_ms, end_ms), by (observed time, id). sites: None takes all.

    The chunks of one day at a time are open at once.
    """
    rows = db.query(
        "SELECT id, site, start_ms, end_ms FROM chunks WHERE start_ms < ? AND end_ms > ? AND kind = ?",
        (end_ms, start_ms, CURRENT),
    )
    spans = [row for row in rows if sites is None or row[1] in sites]
    if not spans:
        return
    first = max(start_ms, min(row[2] for row in spans)) // _DAY_MS
    last = (min(end_ms, max(row[3] for row in spans)) - 1) // _DAY_MS
    by_day: dict[int, list[Any]] = {}
    for row in spans:
        for day in range(max(first, row[2] // _DAY_MS), min(last, (row[3] - 1) // _DAY_MS) + 1):
            by_day.setdefault(day, []).append(row)
    live: dict[int, Chunk] = {}
    for day in sorted(by_day, reverse=descending):
        members = by_day[day]
        wanted = [row[0] for row in members]
        live = {number: live[number] for number in wanted if number in live}
        missing = [number for number in wanted if number not in live]
        for at in range(0, len(missing), _AT_ONCE):
            part = missing[at : at + _AT_ONCE]
            found = db.query(f"SELECT id, body FROM chunks WHERE id IN ({marks(len(part))})", part)  # noqa: S608
            live.update((number, opened(number, body)) for number, body in found)
        low, high = max(start_ms, day * _DAY_MS), min(end_ms, (day + 1) * _DAY_MS)
        yield from _sorted_of([(row[1], live[row[0]]) for row in members], low, high, descending=descending)


def _sorted_of(
    chunks: Sequence[tuple[int, Chunk]], low: int, high: int, *, descending: bool
) -> Iterator[tuple[int, Found]]:
    places = [between(chunk, low, high) for _, chunk in chunks]
    owner = np.repeat(counting(len(chunks)), [len(part) for part in places])
    if not len(owner):
        return
    place = np.concatenate(places)
    observed = np.concatenate([c.fields[OBSERVED][p] for (_, c), p in zip(chunks, places, strict=True)])
    ids = np.concatenate([c.fields[ID][p] for (_, c), p in zip(chunks, places, strict=True)])
    order = np.lexsort((ids, observed))
    if descending:
        order = order[::-1]
    numbers: list[int] = owner[order].tolist()
    for at, number in zip(place[order].tolist(), numbers, strict=True):
        site, chunk = chunks[number]
        yield site, _one(chunk, at)


def by_id(
    db: Reading, chunks: Chunks, first: int, end: int, kinds: Collection[int] = (CURRENT,)
) -> Iterator[Found]:
    """Yield the records with first <= id < end, by id."""
    rows = db.stream(
        "SELECT block, body FROM chunk_order WHERE block >= ? AND block <= ? ORDER BY block",
        (first // BLOCK, (end - 1) // BLOCK),
    )
    for block, body in rows:
        numbers = order_of(bytes(body))
        low = max(first - block * BLOCK, 0)
        high = min(end - block * BLOCK, BLOCK)
        for at in range(low, high, 1024):  # few chunks are open at once
            part = numbers[at : min(at + 1024, high)]
            for offset, chunk in _members(db, chunks, part, kinds):
                place = np.flatnonzero(chunk.fields[ID] == block * BLOCK + at + offset)
                if len(place):  # else it was deleted by age
                    yield _one(chunk, int(place[0]))


def _members(
    db: Reading, chunks: Chunks, part: NDArray[np.uint32], kinds: Collection[int]
) -> Iterator[tuple[int, Chunk]]:
    wanted = np.unique(part)
    found = chunks.of(db, [number for number in wanted.tolist() if number], kinds)
    for offset, number in enumerate(part.tolist()):
        chunk = found.get(number)
        if chunk is not None:
            yield offset, chunk


def order_of(body: bytes) -> NDArray[np.uint32]:
    """Return the numbers of the chunks of a block of ids; 0 = in none."""
    return np.frombuffer(zlib.decompress(body), "<u4")


def by_keys(db: _Queries, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, Chunk, int]]:
    """Return of those (device, seq) that are in a chunk: (shape, chunk, place)."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for at in range(0, len(keys), _AT_ONCE):
        part = keys[at : at + _AT_ONCE]
        rows = db.query(
            "SELECT w.column1, w.column2, d.chunk "  # noqa: S608
            f"FROM (VALUES {','.join(['(?,?)'] * len(part))}) w JOIN chunk_devices d "
            "ON d.device = w.column1 AND d.last_seq >= w.column2 AND d.first_seq <= w.column2",
            [value for key in part for value in key],
        )
        for device, seq, number in rows:
            wanted.setdefault(number, []).append((device, seq))
    found: dict[tuple[int, int], tuple[int, Chunk, int]] = {}
    for number, members in wanted.items():
        rows = db.query("SELECT body FROM chunks WHERE id = ? AND kind = ?", (number, CURRENT))
        if not rows:
            continue
        chunk = opened(number, rows[0][0])
        for device, seq in members:
            places = np.flatnonzero((chunk.fields[DEVICE] == device) & (chunk.fields[SEQ] == seq))
            if len(places):
                place = int(places[0])
                found[device, seq] = int(chunk.fields[SHAPE][place]), chunk, place
    return found


def seqs_of(db: _Queries, device: int, first: int, end: int) -> set[int]:
    """Return the sequence numbers in [first, end) of a device that are in chunks."""
    rows: Iterable[Any] = db.query(
        "SELECT c.id, c.body FROM chunk_devices d JOIN chunks c ON c.id = d.chunk "
        "WHERE d.device = ? AND d.last_seq >= ? AND d.first_seq < ? AND c.kind = ?",
        (device, first, end, CURRENT),
    )
    found: set[int] = set()
    for number, body in rows:
        fields = opened(number, body).fields
        mine = fields[SEQ][fields[DEVICE] == device]
        found.update(mine[(mine >= first) & (mine < end)].tolist())
    return found


def between(chunk: Chunk, start_ms: int, end_ms: int) -> NDArray[np.int64]:
    """Return the places of the records observed in [start_ms, end_ms)."""
    low, high = np.searchsorted(chunk.fields[OBSERVED], (start_ms, end_ms)).tolist()
    return np.arange(low, high, dtype=np.int64)


def _found(chunk: Chunk, places: NDArray[np.int64]) -> Iterator[Found]:
    rows = chunk.fields[:, places].T.tolist()
    for row, place in zip(rows, places.tolist(), strict=True):
        yield row[ID], row[OBSERVED], row[RECEIVED], row[SHAPE], chunk, place


def _one(chunk: Chunk, place: int) -> Found:
    row: list[int] = chunk.fields[:, place].tolist()
    return row[ID], row[OBSERVED], row[RECEIVED], row[SHAPE], chunk, place


__all__: Final = (
    "BLOCK", "CURRENT", "SEALED", "SUPERSEDED", "Chunks", "Found", "between", "by_id", "by_keys", "of_site",
    "of_time", "opened", "order_of", "seqs_of",
)  # fmt: skip

"""Series and hourly means out of rollups, with the newest records and the second look put on top.

What a second look flagged is known at the time of reading only, and may change: whole hours that it speaks of
are moved to the flagged side here, so that no rollup need be made again for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gateway.buckets import Buckets
from gateway.shapes import Shape
from gateway.statements import pieces
from gateway.store.database import Reading, marks
from gateway.store.history import sealed
from gateway.store.history.chunk import Chunk, part_of
from gateway.store.history.rolling import (
    ROLLED,
    block_of,
    placed,
    position,
    read_blocks,
    sites_and_starts,
    values_of_chunk,
    values_of_rows,
)
from gateway.store.history.rollups import (
    BLOCKS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Entries,
    combined,
    joined,
    unpack_blocks,
)

if TYPE_CHECKING:
    from gateway.store.store import Store

Stretch = tuple[int, int]  # [from, to) in ms that a second look flagged
_MANY_SITES = 5000  # more are looked up in a list of all
_ROWS = "SELECT site, observed_at_ms, shape, body FROM records WHERE "


def buckets(
    store: Store,
    site_id: str,
    quantity: str,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    since_ms: int = 0,
    later: Sequence[Stretch] = (),
) -> Buckets:
    """Return a series from since_ms on in [start_ms, end_ms) as buckets counted from start_ms."""
    low = max(start_ms, since_ms)
    if low >= end_ms or step_ms <= 0:
        return Buckets.of([])
    wanted = _Wanted(store, quantity)
    with store.database.snapshot() as db:
        known = db.query("SELECT id FROM sites WHERE site_id = ?", (site_id,))
        if not known:
            return Buckets.of([])
        found = joined(
            _Series(store, db, known[0][0], wanted, later).read(low, end_ms, _level(start_ms, step_ms))
        )
    moved = Entries(
        np.zeros(len(found), np.int64), found.key, (found.slot - start_ms) // step_ms,
        found.n, found.mean, found.low, found.high,
    )  # fmt: skip
    return _buckets(combined(moved, wanted.levels), start_ms, step_ms)


class _Wanted:
    """One quantity, whatever its unit: the only one that is read. Keys are then 0 (good) and 1 (flagged)."""

    def __init__(self, store: Store, quantity: str) -> None:
        self._quantity = quantity
        known = store.quantities.named(quantity)
        self.keys = frozenset(2 * number + side for number in known for side in (0, 1))
        self._is_level = any(unit.startswith("dB") for unit in known.values())

    def numbers(self, shape: Shape) -> list[int]:
        """Return 0 for observations of the quantity, -1 for others."""
        for form in shape.forms:
            if form.quantity == self._quantity and form.unit.startswith("dB"):
                self._is_level = True
        return [0 if form.quantity == self._quantity else -1 for form in shape.forms]

    def mine(self, found: Entries) -> Entries:
        """Return entries of rollups with the keys of this reading."""
        found.key &= 1
        return found

    @property
    def levels(self) -> NDArray[np.bool_]:
        """Whether the quantity is a level, as `combined` wants it."""
        return np.array([self._is_level])


def _level(start_ms: int, step_ms: int) -> int:
    """Return the longest step of rollups of which buckets can be made; 0 for none."""
    return next(
        (step for step in sorted(BLOCKS, reverse=True) if step_ms % step == 0 and start_ms % step == 0), 0
    )


def _buckets(found: Entries, start_ms: int, step_ms: int) -> Buckets:
    """Return each slot that has values, of the good ones where there are any."""
    slots, at = np.unique(found.slot, return_inverse=True)
    counts: NDArray[np.int64] = np.zeros((2, len(slots)), np.int64)
    best: NDArray[np.int64] = np.zeros(len(slots), np.int64)
    for side in (1, 0):
        mine = np.flatnonzero(found.key == side)
        counts[side][at[mine]] = found.n[mine]
        best[at[mine]] = mine
    return Buckets(
        start_ms + slots * step_ms, found.low[best], found.mean[best], found.high[best],
        counts.sum(axis=0), counts[1],
    )  # fmt: skip


class _Series:
    """Reads one site. Entries that it gives have the observed time, or the start of their slot, as slot."""

    def __init__(
        self, store: Store, db: Reading, site: int, wanted: _Wanted, later: Sequence[Stretch]
    ) -> None:
        self._store, self._db, self._site, self._wanted = store, db, site, wanted
        self._later = sorted(later)

    def read(self, low: int, high: int, level: int) -> list[Entries]:
        """Return what [low, high) holds, from rollups of a step where there are any."""
        later = [(a, b) for a, b in self._later if a < high and b > low]
        if later and level > HOUR_MS:
            level = HOUR_MS  # a day may be flagged in part
        if later and level == HOUR_MS and any(a % HOUR_MS or b % HOUR_MS for a, b in later):
            level = 0
        first, last = (-(-low // level) * level, high // level * level) if level else (0, 0)
        if level < HOUR_MS or first >= last:
            parts = self._fine(low, high, level == MINUTE_MS and not later)
        else:
            parts = [self._rolled(first, last, level), self._new(first, last)]
            if low < first:
                parts += self._fine(low, first, False)
            if last < high:
                parts += self._fine(last, high, False)
        return [flagged_later(part, later) for part in parts] if later else parts

    def _rolled(self, low: int, high: int, level: int) -> Entries:
        length = BLOCKS[level]
        rows = self._db.query(
            # Left to itself SQLite goes through all sites of that time: a whole city for one chart.
            "SELECT start_ms, body FROM rollups INDEXED BY rollups_by_site WHERE step_ms = ? AND site = ? "
            "AND start_ms >= ? AND start_ms < ?",
            (level, self._site, low - low % length, high),
        )
        found = self._wanted.mine(
            unpack_blocks([(start_ms, bytes(body)) for start_ms, body in rows], self._wanted.keys)
        )
        found.slot = found.block + found.slot * level
        return found.chosen((found.slot >= low) & (found.slot < high))

    def _new(self, low: int, high: int) -> Entries:
        rows = self._db.query(
            _ROWS + "site = ? AND observed_at_ms >= ? AND observed_at_ms < ? AND id >= ?",
            (self._site, low, high, position(self._db, ROLLED)),
        )
        return values_of_rows(self._store, self._wanted.numbers, rows)

    def _fine(self, low: int, high: int, by_minute: bool) -> list[Entries]:
        """Return single values; of hours whose minutes are kept, those instead of what is sealed."""
        store, numbers = self._store, self._wanted.numbers
        rows = self._db.query(
            _ROWS + "site = ? AND observed_at_ms >= ? AND observed_at_ms < ?", (self._site, low, high)
        )
        parts = [values_of_rows(store, numbers, rows)]
        hours: NDArray[np.int64] = np.zeros(0, np.int64)
        if by_minute:
            first, last = -(-low // MINUTE_MS) * MINUTE_MS, high // MINUTE_MS * MINUTE_MS
            found = self._rolled(first, last, MINUTE_MS)
            hours = np.unique(found.block) // HOUR_MS
            parts.append(found)
        for chunk in self._chunks(low, high):
            values = values_of_chunk(store, numbers, self._site, chunk)
            inside = (values.slot >= low) & (values.slot < high) & ~np.isin(values.slot // HOUR_MS, hours)
            parts.append(values.chosen(inside))
        return parts

    def _chunks(self, low: int, high: int) -> Iterable[Chunk]:
        rows = self._db.query(
            "SELECT id, body FROM chunks WHERE site = ? AND kind = ? AND start_ms < ? AND end_ms > ?",
            (self._site, sealed.CURRENT, high, low),
        )
        for number, body in rows:
            chunk = sealed.opened(number, body)
            places = sealed.between(chunk, low, high)
            mask = np.zeros(len(chunk), bool)
            mask[places] = True
            yield part_of(chunk, mask)


def flagged_later(found: Entries, later: Sequence[Stretch]) -> Entries:
    """Put entries of times that a second look flagged on the flagged side."""
    mask = np.zeros(len(found), bool)
    for from_ms, to_ms in later:
        mask |= (found.slot >= from_ms) & (found.slot < to_ms)
    found.key = np.where(mask, found.key | 1, found.key)
    return found


class Hourly:
    """Hourly means of one quantity over many sites: hours x sites; NaN where there is no good value."""

    def __init__(
        self, start_ms: int, sites: list[str], means: NDArray[np.float64], n: NDArray[np.int64]
    ) -> None:
        self.start_ms, self.sites, self.means, self.n = start_ms, sites, means, n

    def hide_before(self, since: Mapping[str, int]) -> None:
        """Take away the hours of each site that began before a time."""
        for column, site_id in enumerate(self.sites):
            hours = -(-(since.get(site_id, 0) - self.start_ms) // HOUR_MS)
            if hours > 0:
                self.means[:hours, column] = np.nan
                self.n[:hours, column] = 0

    def of_all(self, is_level: bool) -> list[float | None]:
        """Return the mean of the sites of each hour, each site counting the same; levels by energy."""
        answer: list[float | None] = []
        for row in self.means:
            good = row[np.isfinite(row)]
            if not len(good):
                answer.append(None)
            elif is_level:
                answer.append(10 * math.log10(sum(10 ** (level / 10) for level in good.tolist()) / len(good)))
            else:
                answer.append(float(good.mean()))
        return answer


def hourly(
    store: Store,
    quantity: str,
    start_ms: int,
    end_ms: int,
    sites: Iterable[str],
    later: Mapping[str, Sequence[Stretch]] | None = None,
) -> Hourly:
    """Return the means of the good values of whole hours in [start_ms, end_ms), which are whole hours."""
    members = sorted(set(sites))
    column = {site_id: at for at, site_id in enumerate(members)}
    shape = ((end_ms - start_ms) // HOUR_MS, len(members))
    means, n = np.full(shape, np.nan), np.zeros(shape, np.int64)
    wanted = _Wanted(store, quantity)
    with store.database.snapshot() as db:
        numbers, columns = _places(db, column)
        is_most = 2 * len(numbers) > db.query("SELECT COUNT(*) FROM sites")[0][0]
        # A day at a time: a month of 5,000 sites at once would be half a gigabyte on the way.
        for day_ms in range(start_ms - start_ms % DAY_MS, end_ms, DAY_MS):
            low, high = max(day_ms, start_ms), min(day_ms + DAY_MS, end_ms)
            found = _hours_of_day(store, db, wanted, low, high, numbers, is_most=is_most)
            site = sites_and_starts(found.block, HOUR_MS)[0]
            hour = (day_ms - start_ms) // HOUR_MS + found.slot
            at = np.searchsorted(numbers, site)
            inside = (hour >= 0) & (hour < shape[0])
            means[hour[inside], columns[at[inside]]] = found.mean[inside]
            n[hour[inside], columns[at[inside]]] = found.n[inside]
    for site_id, stretches in (later or {}).items():
        if site_id in column:
            for from_ms, to_ms in stretches:
                first, last = (from_ms - start_ms) // HOUR_MS, -(-(to_ms - start_ms) // HOUR_MS)
                hours = slice(max(first, 0), max(last, 0))
                means[hours, column[site_id]] = np.nan
                n[hours, column[site_id]] = 0
    return Hourly(start_ms, members, means, n)


def _places(db: Reading, column: Mapping[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of sites that the store has, ascending, and the column of each."""
    if len(column) > _MANY_SITES:
        rows = [row for row in db.query("SELECT id, site_id FROM sites ORDER BY id") if row[1] in column]
    else:
        rows = [
            row
            for part in pieces(list(column))
            for row in db.query(f"SELECT id, site_id FROM sites WHERE site_id IN ({marks(len(part))})", part)  # noqa: S608
        ]
    found = sorted((number, column[site_id]) for number, site_id in rows)
    return np.array([row[0] for row in found], np.int64), np.array([row[1] for row in found], np.int64)


def _hours_of_day(
    store: Store,
    db: Reading,
    wanted: _Wanted,
    low: int,
    high: int,
    numbers: NDArray[np.int64],
    *,
    is_most: bool,
) -> Entries:
    """Return the hours in [low, high), which is within a day, of the sites of some numbers: the good ones.

    is_most: they are most of the store's, so that it is quicker to read the hours of all.
    """
    day_ms = low - low % DAY_MS
    mine = set(numbers.tolist())
    if is_most:
        rows = db.query(
            "SELECT site, body FROM rollups WHERE step_ms = ? AND start_ms = ?", (HOUR_MS, day_ms)
        )
        blocks = [(block_of(site, day_ms, HOUR_MS), bytes(body)) for site, body in rows if site in mine]
        found = unpack_blocks(blocks, wanted.keys)
    else:
        found = read_blocks(db, HOUR_MS, [block_of(site, day_ms, HOUR_MS) for site in mine], wanted.keys)
    new = db.query(
        _ROWS + "observed_at_ms >= ? AND observed_at_ms < ? AND id >= ?", (low, high, position(db, ROLLED))
    )
    fresh = values_of_rows(store, wanted.numbers, [row for row in new if row[0] in mine])
    found = joined([wanted.mine(found), placed(fresh, HOUR_MS, wanted.levels)])
    return combined(found.chosen(found.key == 0), wanted.levels)


__all__ = ("Hourly", "Stretch", "buckets", "flagged_later", "hourly", "read_blocks")

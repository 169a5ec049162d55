"""Records out of both places where they are, the table and the chunks, merged, by id or by time.

What is not packed yet and what is are read at one moment each time; nobody who asks need know which is which.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from gateway.shapes import Shape
from gateway.store.database import Database, Reading
from gateway.store.history import sealed
from gateway.store.rows import Record, Row, values_of
from gateway.store.rows import shape_of as read_shape

SELECT = (
    "SELECT r.id, s.site_id, r.observed_at_ms, r.received_at_ms, r.shape, r.body "
    "FROM records r JOIN sites s ON s.id = r.site "
)


class Records:
    """The records of one database."""

    def __init__(self, database: Database) -> None:
        """database: opened."""
        self._db = database
        self._shapes: dict[int, Shape] = {}
        self._chunks = sealed.Chunks()

    def forget(self) -> None:
        """Drop what is remembered: the database that is read next may number in another way."""
        self._chunks.clear()
        self._shapes = {}

    def of_site(
        self, site_id: str, start_ms: int, end_ms: int, *, descending: bool = False
    ) -> Generator[Record]:
        """Yield the records of a site in [start_ms, end_ms), by (observed time, id), either way."""
        way = "DESC" if descending else "ASC"
        with self._db.snapshot() as db:
            known = db.query("SELECT id FROM sites WHERE site_id = ?", (site_id,))
            if not known:
                return
            hot = db.stream(
                f"{SELECT}WHERE r.site = ? AND r.observed_at_ms >= ? AND r.observed_at_ms < ? "
                f"ORDER BY r.observed_at_ms {way}, r.id {way}",
                (known[0][0], start_ms, end_ms),
            )
            old = sealed.of_site(db, known[0][0], start_ms, end_ms, descending=descending)
            yield from heapq.merge(
                self.of_rows(hot),
                (self._sealed(site_id, found) for found in old),
                key=_moment,
                reverse=descending,
            )

    def scan(
        self, start_ms: int, end_ms: int, sites: Iterable[str] | None, *, descending: bool = False
    ) -> Generator[Record]:
        """Yield the records of some sites (None: of all) in [start_ms, end_ms), by (observed time, id)."""
        wanted = None if sites is None else set(sites)
        if wanted is not None and len(wanted) == 1:
            yield from self.of_site(next(iter(wanted)), start_ms, end_ms, descending=descending)
            return
        way = "DESC" if descending else "ASC"
        with self._db.snapshot() as db:
            hot = db.stream(
                f"{SELECT}WHERE r.observed_at_ms >= ? AND r.observed_at_ms < ? "
                f"ORDER BY r.observed_at_ms {way}, r.id {way}",
                (start_ms, end_ms),
            )
            names = _names(db, wanted)
            old = sealed.of_time(
                db, start_ms, end_ms, None if wanted is None else names.keys(), descending=descending
            )
            yield from heapq.merge(
                (record for record in self.of_rows(hot) if wanted is None or record.site_id in wanted),
                (self._sealed(names[site], found) for site, found in old),
                key=_moment,
                reverse=descending,
            )

    def by_id(
        self, first: int, end: int = 2**62, kinds: Sequence[int] = (sealed.CURRENT,)
    ) -> Generator[Record]:
        """Yield records with first <= id < end; of kind SUPERSEDED, too, where asked for."""
        with self._db.snapshot() as db:
            hot = self.of_rows(db.stream(f"{SELECT}WHERE r.id >= ? AND r.id < ? ORDER BY r.id", (first, end)))
            top = self.sealed_below(db)
            if first >= top:
                yield from hot
                return
            names = _names(db, None)
            old = sealed.by_id(db, self._chunks, first, min(end, top), kinds)
            yield from heapq.merge(
                hot, (self._sealed(names[one[4].site], one) for one in old), key=lambda record: record.id
            )

    def packed(self, db: Reading, first: int, end: int, kinds: Sequence[int]) -> Iterator[sealed.Found]:
        """Yield what chunks hold of the ids in [first, end)."""
        return sealed.by_id(db, self._chunks, first, end, kinds)

    def sealed_below(self, db: Reading) -> int:
        """Return the id below which records may be in chunks."""
        rows = db.query("SELECT position FROM positions WHERE name = ?", (sealed.SEALED,))
        return rows[0][0] if rows else 0

    def _sealed(self, site_id: str, found: sealed.Found) -> Record:
        number, observed, received, shape_id, chunk, place = found
        return Record(number, site_id, observed, received, self.shape_of(shape_id), *chunk.numbers(place))

    def of_rows(self, rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
        """Yield records of rows that `SELECT` gave."""
        for number, site_id, observed, received, shape_id, body in rows:
            form = self.shape_of(shape_id)
            yield Record(number, site_id, observed, received, form, *values_of(len(form), body))

    def observations(self, records: Iterable[Record]) -> Iterator[Row]:
        """Yield the observations of records."""
        for record in records:
            yield from record.rows()

    def shape_of(self, number: int) -> Shape:
        """Return the shape of a number."""
        found = self._shapes.get(number)
        if found is None:
            text = self._db.query("SELECT shape FROM shapes WHERE id = ?", (number,))[0][0]
            found = self._shapes[number] = read_shape(text)
        return found


def _moment(record: Record) -> tuple[int, int]:
    return record.observed_at_ms, record.id


def _names(db: Reading, wanted: set[str] | None) -> dict[int, str]:
    rows = db.query("SELECT id, site_id FROM sites")
    return {number: site_id for number, site_id in rows if wanted is None or site_id in wanted}

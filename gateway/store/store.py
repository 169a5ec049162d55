"""The store: what the pipeline writes and everybody reads, on any engine.

Writing belongs to one thread at a time; reading may be done from any thread.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gateway.buckets import Buckets
from gateway.model import Decoded
from gateway.shapes import Judged, Shape, fingerprint
from gateway.statements import pieces
from gateway.store.database import Database, marks
from gateway.store.history import reading, sealed
from gateway.store.history.quantities import Quantities
from gateway.store.kept import Kept
from gateway.store.positions import Positions
from gateway.store.recent import RecentRecords
from gateway.store.records import SELECT, Records
from gateway.store.rows import (
    POSITIONS_PER_RECORD,
    Record,
    Row,
    decode_parts,
    values_of,
)
from gateway.store.writing import Batch, Outcome

_ALL = (sealed.CURRENT, sealed.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """When and how a device was last heard. missed: gaps in the frame counter so far."""

    dev_eui: str
    source: str
    uplinks: int
    received_at_ms: int
    f_cnt: int | None
    missed: int
    rssi_dbm: float | None
    snr_db: float | None
    status: dict[str, int | str] | None


class Store(Positions):
    """The observations of one network. It is the PositionStore of the publishers."""

    def __init__(self, database: Database) -> None:
        """database: opened, with the tables as they are now."""
        super().__init__(database)
        self.database = database
        self._kept = Kept()
        self._recent = RecentRecords()
        self._records = Records(database)
        self.quantities = Quantities(database)
        database.on_break = self._after_a_break

    # -- writing

    @property
    def kept(self) -> Kept:
        """Return what the writer remembers between batches: for reading."""
        return self._kept

    @contextlib.contextmanager
    def batch(self) -> Generator[tuple[Batch, bool]]:
        """Yield a batch, and whether another process has written meanwhile; raise StoreError.

        It is committed at the end of the block, or nothing of it is kept.
        """
        try:
            with self._db.write() as transaction:
                is_stale = self._db.changed_elsewhere(transaction)
                if is_stale:
                    self._kept.forget()
                    self._recent.clear()
                batch = Batch(transaction, self._kept)
                yield batch, is_stale
        except BaseException:
            self._kept.forget()
            self._recent.clear()
            raise
        self._recent.add(batch.new)

    def commit(self, outcomes: Sequence[Outcome]) -> int:
        """Store outcomes and the position of the last; return the newest position of the store.

        Raise StoreError: then nothing of it is stored. Records that are already there are left alone.
        """
        with self.batch() as (batch, _):
            keys = [(r.dev_eui, r.seq) for outcome in outcomes for r, _, _ in outcome.records]
            known = batch.known(keys)
            for outcome in outcomes:
                outcome.records = [
                    record for record in outcome.records if (record[0].dev_eui, record[0].seq) not in known
                ]
            batch.put(outcomes, {})
        return self.newest_position()

    def put_imported(self, records: Sequence[tuple[Decoded, str, Judged]]) -> int:
        """Store records that no uplink brought, in one transaction; return how many were new.

        The position in the segment log stays. Raise StoreError: then nothing of it is stored.
        """
        with self.batch() as (batch, _):
            known = batch.known([(decoded.dev_eui, decoded.seq) for decoded, _, _ in records])
            new: dict[tuple[str, int], tuple[int, Decoded, str, Judged]] = {}
            for record in records:
                key = record[0].dev_eui, record[0].seq
                if key not in known and record[2].raws:
                    new.setdefault(key, (0, *record))
            batch.put_records(list(new.values()), {})
            batch.put_tops({dev_eui for dev_eui, _ in new})
        return len(new)

    # -- reading

    def known(self, dev_eui: str, seq: int) -> int | None:
        """Return the fingerprint of a stored record, or None."""
        with self._db.snapshot() as db:
            rows = db.query(
                "SELECT r.shape, r.body FROM records r JOIN devices d ON d.id = r.device "
                "WHERE d.dev_eui = ? AND r.seq = ?",
                (dev_eui, seq),
            )
            if rows:
                form = self.shape_of(rows[0][0])
                raws, _ = values_of(len(form), rows[0][1])
                return fingerprint(form.mark, raws[: form.n_readings])
            device = db.query("SELECT id FROM devices WHERE dev_eui = ?", (dev_eui,))
            for shape_id, chunk, place in sealed.by_keys(
                db, [(device[0][0], seq)] if device else []
            ).values():
                form = self.shape_of(shape_id)
                return fingerprint(form.mark, chunk.numbers(place)[0][: form.n_readings])
        return None

    def seqs(self, dev_eui: str, first: int, end: int) -> list[int]:
        """Return the sequence numbers in [first, end) of the stored records of a device, sorted."""
        with self._db.snapshot() as db:
            device = db.query("SELECT id FROM devices WHERE dev_eui = ?", (dev_eui,))
            if not device:
                return []
            rows = db.query(
                "SELECT seq FROM records WHERE device = ? AND seq >= ? AND seq < ?",
                (device[0][0], first, end),
            )
            return sorted({row[0] for row in rows} | sealed.seqs_of(db, device[0][0], first, end))

    def history(self, site_id: str, since_ms: int) -> list[Row]:
        """Return a site's observations from a time on, by observed time: what quality checks start from."""
        return list(self._records.observations(self._records.of_site(site_id, since_ms, 2**62)))

    def newest_observed(self, site_id: str) -> int | None:
        """Return the newest observed time of a site, or None."""
        rows = self._db.query("SELECT observed_at_ms FROM sites WHERE site_id = ?", (site_id,))
        return rows[0][0] if rows else None

    def newest_of(self, site_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return of each of some sites the newest observed time, and the lowest position of its latest."""
        found: dict[str, tuple[int, int]] = {}
        for part in pieces(site_ids):
            rows = self._db.query(
                f"SELECT site_id, observed_at_ms, last FROM sites WHERE site_id IN ({marks(len(part))})",  # noqa: S608
                part,
            )
            for site_id, observed_at_ms, last in rows:
                first = min([part.id for part in decode_parts(last)], default=0)
                found[site_id] = observed_at_ms, first * POSITIONS_PER_RECORD
        return found

    def quantities_of(self, since_ms: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
        """Return the quantities of which each of some sites has a newest value from a time on, sorted."""
        found: dict[str, tuple[str, ...]] = {}
        for part in pieces(list(since_ms)):
            rows = self._db.query(
                f"SELECT site_id, last FROM sites WHERE site_id IN ({marks(len(part))})",  # noqa: S608
                part,
            )
            for site_id, last in rows:
                names: list[str] = []
                for one in decode_parts(last):
                    if one.observed_at_ms >= since_ms[site_id]:
                        forms = self.shape_of(one.shape).forms
                        names += [form.quantity for at, form in enumerate(forms) if one.mask >> at & 1]
                found[site_id] = tuple(sorted(names))
        return found

    def latest(self, site_ids: Sequence[str] | None = None) -> list[Row]:
        """Return the newest observation of each site (of some) and quantity, by site and quantity."""
        sql = "SELECT site_id, last FROM sites "
        if site_ids is None:
            found = self._db.query(sql + "ORDER BY site_id")
        else:
            found: list[Any] = []
            for part in pieces(site_ids):
                found += self._db.query(f"{sql} WHERE site_id IN ({marks(len(part))})", part)
            found.sort()
        return [row for site_id, last in found for row in self._newest(site_id, last)]

    def _newest(self, site_id: str, last: bytes) -> list[Row]:
        rows: list[Row] = []
        parts = decode_parts(last)
        for part in parts:
            form = self.shape_of(part.shape)
            record = Record(
                part.id, site_id, part.observed_at_ms, part.received_at_ms, form,
                *values_of(len(form), part.body),
            )  # fmt: skip
            rows += [row for at, row in enumerate(record.rows()) if part.mask >> at & 1]
        rows.sort(key=lambda row: row.form.quantity)
        return rows

    def series(self, site_id: str, quantity: str, start_ms: int, end_ms: int, limit: int) -> list[Row]:
        """Return one series in [start_ms, end_ms), by observed time; the newest `limit` if there are more."""
        found: list[Row] = []
        places: dict[int, list[int]] = {}  # where the quantity stands, by the identity of the shape
        with contextlib.closing(self._records.of_site(site_id, start_ms, end_ms, descending=True)) as records:
            for record in records:
                shape = record.shape
                at = places.get(id(shape))
                if at is None:
                    at = [n for n, form in enumerate(shape.forms) if form.quantity == quantity]
                    places[id(shape)] = at
                if at:
                    found += record.rows_at(at)
                    if len(found) >= limit:
                        break
        return found[:limit][::-1]

    def buckets(
        self,
        site_id: str,
        quantity: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        since_ms: int,
        later: Sequence[reading.Stretch] = (),
    ) -> Buckets:
        """Return one series from since_ms on in [start_ms, end_ms) as buckets counted from start_ms.

        later: the stretches [from, to) that second looks flagged.
        """
        return reading.buckets(self, site_id, quantity, start_ms, end_ms, step_ms, since_ms, later)

    def hourly(
        self,
        quantity: str,
        start_ms: int,
        end_ms: int,
        sites: Iterable[str],
        later: Mapping[str, Sequence[reading.Stretch]] | None = None,
    ) -> reading.Hourly:
        """Return the means of the good values of whole hours of some sites."""
        return reading.hourly(self, quantity, start_ms, end_ms, sites, later)

    def has_any(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether anything was observed in [start_ms, end_ms), packed or not."""
        with self._db.snapshot() as db:
            return bool(
                db.query(
                    "SELECT 1 FROM records WHERE observed_at_ms >= ? AND observed_at_ms < ? LIMIT 1",
                    (start_ms, end_ms),
                )
                or db.query(
                    "SELECT 1 FROM chunks WHERE start_ms < ? AND end_ms > ? LIMIT 1", (end_ms, start_ms)
                )
            )

    def records_after(self, position: int, limit: int) -> list[Record]:
        """Return records in store order whose observations are after a position, in part or all."""
        first = max(1, (position + 1) // POSITIONS_PER_RECORD)  # there is no record 0
        found = self._recent.since(first, limit) or []
        if found and _ends_by(found[0], position):
            del found[0]
        if found:
            return found
        # What is committed may not be in memory yet: that nothing follows, only the database knows.
        if first >= self.position(sealed.SEALED):
            rows = self._db.query(f"{SELECT}WHERE r.id >= ? ORDER BY r.id LIMIT ?", (first, limit))
            found = list(self._records.of_rows(rows))
        else:
            with contextlib.closing(self._records.by_id(first)) as records:
                found = list(islice(records, limit))
        n = len(found)
        if found and _ends_by(found[0], position):
            del found[0]
            if not found and n == limit:
                return self.records_after(first * POSITIONS_PER_RECORD + POSITIONS_PER_RECORD - 1, limit)
        return found

    def after(self, position: int, limit: int, sites: Iterable[str] | None = None) -> list[Row]:
        """Return observations (of some sites) in store order after a position."""
        wanted = None if sites is None else set(sites)
        found: list[Row] = []
        first = position // POSITIONS_PER_RECORD
        with contextlib.closing(self._records.by_id(first)) as records:
            for record in records:
                if wanted is None or record.site_id in wanted:
                    found.extend(row for row in record.rows() if row.position > position)
                if len(found) >= limit:
                    break
        return found[:limit]

    def between(
        self, start_ms: int, end_ms: int, limit: int, sites: Iterable[str] | None = None
    ) -> list[Row]:
        """Return observations (of some sites) in [start_ms, end_ms), by observed time then position."""
        found: list[Row] = []
        with contextlib.closing(self._records.scan(start_ms, end_ms, sites)) as records:
            for record in records:
                found.extend(record.rows())
                if len(found) >= limit:
                    break
        return found[:limit]

    def scan(
        self, start_ms: int, end_ms: int, sites: Iterable[str], *, descending: bool = False
    ) -> Iterator[Row]:
        """Yield observations of sites in [start_ms, end_ms), by (observed time, position), either way."""
        with contextlib.closing(
            self._records.scan(start_ms, end_ms, sites, descending=descending)
        ) as records:
            for record in records:
                rows = record.rows()
                yield from reversed(rows) if descending else rows

    def stretch(self, first: int, end: int, sites: Iterable[str]) -> list[Row]:
        """Return observations of sites with first <= position < end, in store order."""
        wanted = set(sites)
        low, high = first // POSITIONS_PER_RECORD, -(-end // POSITIONS_PER_RECORD)
        with contextlib.closing(self._records.by_id(low, high, _ALL)) as found:
            rows = self._records.observations(record for record in found if record.site_id in wanted)
            return [row for row in rows if first <= row.position < end]

    def arrivals(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return (lowest position, time of reception) of the records in [first, end), in store order."""
        low, high = -(-first // POSITIONS_PER_RECORD), -(-end // POSITIONS_PER_RECORD)
        with self._db.snapshot() as db:
            found: list[tuple[int, int]] = db.query(
                "SELECT id, received_at_ms FROM records WHERE id >= ? AND id < ? ORDER BY id", (low, high)
            )
            if low < self._records.sealed_below(db):
                old = [(one[0], one[2]) for one in self._records.packed(db, low, high, _ALL)]
                found = sorted([(number, received) for number, received in found] + old)
        return [(number * POSITIONS_PER_RECORD, received) for number, received in found]

    def at(self, position: int) -> Row | None:
        """Return the observation at a position, or None."""
        number = position // POSITIONS_PER_RECORD
        with contextlib.closing(self._records.by_id(number, number + 1, _ALL)) as found:
            return next((row for row in self._records.observations(found) if row.position == position), None)

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest dead letters as they are in the table, payload in hex."""
        names = ("received_at_ms", "source", "dev_eui", "f_port", "cause", "detail", "payload")
        rows = self._db.query(
            f"SELECT {', '.join(names)} FROM dead_letters "  # noqa: S608
            "ORDER BY log_sequence DESC, item LIMIT ?",
            (limit,),
        )
        return [dict(zip(names, (*row[:-1], bytes(row[-1]).hex()), strict=True)) for row in rows]

    def devices_seen(self, dev_eui: str | None = None) -> list[DeviceSeen]:
        """Return when and how each device (or one) was last heard, by DevEUI."""
        rows = self._db.query(
            "SELECT dev_eui, source, uplinks, received_at_ms, f_cnt, missed, rssi_dbm, snr_db, status "
            "FROM devices WHERE uplinks > 0" + (" AND dev_eui = ?" if dev_eui else "") + " ORDER BY dev_eui",
            (dev_eui,) if dev_eui else (),
        )
        return [DeviceSeen(*row[:8], status=json.loads(row[8]) if row[8] else None) for row in rows]

    def count(self) -> int:
        """Return the number of records."""
        with self._db.snapshot() as db:
            hot: int = db.query("SELECT COUNT(*) FROM records")[0][0]
            old = db.query("SELECT COALESCE(SUM(n), 0) FROM chunks WHERE kind = ?", (sealed.CURRENT,))
            return hot + int(old[0][0])

    def forget(self) -> None:
        """Drop what is remembered of records: some were deleted or replaced."""
        self._kept.forget()
        self._recent.clear()

    def close(self) -> None:
        """Close all connections."""
        self._db.close()

    def shape_of(self, number: int) -> Shape:
        """Return the shape of a number."""
        return self._records.shape_of(number)

    # -- within

    def _after_a_break(self) -> None:
        """Forget what the database that we reach next may number in another way."""
        self._recent.clear()
        self._records.forget()
        self.quantities.forget()


def _ends_by(record: Record, position: int) -> bool:
    """Tell whether the last observation of a record is at or before a position."""
    return record.id * POSITIONS_PER_RECORD + len(record.raws) - 1 <= position

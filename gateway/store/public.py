"""The one door through which data leave the house.

Consent is asked and the position is snapped here, before any publisher or page sees a site: no DevEUI
and no exact position (unless the host chose precision 0) is in anything that this reader returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from gateway.model import Bucket, PublicObservation, PublicRecord, PublicSite
from gateway.shapes import Form, Shape
from gateway.store.agreements import Agreements
from gateway.store.history.reading import Hourly
from gateway.store.rows import POSITIONS_PER_RECORD, Record, Row
from gateway.store.store import Store

_METRES_PER_DEGREE = 111_320.0  # of latitude, and of longitude at the equator


class SiteRecord(Protocol):
    """What is read of a registered site (gateway.registry.Site has it)."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def longitude(self) -> float: ...  # noqa: D102
    @property
    def latitude(self) -> float: ...  # noqa: D102
    @property
    def precision_m(self) -> int: ...  # noqa: D102
    @property
    def licence(self) -> str: ...  # noqa: D102


def snapped(longitude: float, latitude: float, precision_m: int) -> tuple[float, float]:
    """Return the middle of the grid cell of about precision_m in which a point lies; 0 = the point.

    Deterministic: every read gives the same point, so reading often averages nothing out. All points
    of one cell give the same point, so the true one is anywhere within precision_m * 0.71 of it.
    """
    if precision_m <= 0:
        return round(longitude, 6), round(latitude, 6)
    step = precision_m / _METRES_PER_DEGREE
    row = (math.floor(latitude / step) + 0.5) * step
    row = max(-90 + step / 2, min(90 - step / 2, row))
    width = step / max(math.cos(math.radians(row)), 1e-3)
    column = (math.floor(longitude / width) + 0.5) * width
    return round(max(-180.0, min(180.0, column)), 6), round(row, 6)


Agreed = Callable[[Sequence[str]], Mapping[str, tuple[SiteRecord, int]]]


class SqlitePublicReader:
    """PublicReader over the store for one recipient; `consenting` returns the sites that agreed.

    since: from which observed time on the recipient may have a site's data: what was measured before a
    host agreed, or between a withdrawal and a new consent, is in no answer. assessed: the flags that second
    looks gave a value of a site and quantity at an observed time; they stand behind those of the record.
    agreed: consent of some sites only, so that a network of many is not read whole for a few records.
    assessed_sites: those of which `assessed` knows anything. version: what differs after a change of the
    register; with it agreements are kept for a moment. flagged: the stretches of a site and quantity
    within a time that second looks flagged: what sums and means leave out. lasts_s: see Agreements.
    """

    def __init__(
        self,
        store: Store,
        consenting: Callable[[], Sequence[SiteRecord]],
        since: Callable[[], Mapping[str, int]] | None = None,
        assessed: Callable[[str, str, int], tuple[str, ...]] | None = None,
        agreed: Agreed | None = None,
        assessed_sites: Callable[[], Collection[str]] | None = None,
        version: Callable[[], object] | None = None,
        flagged: Callable[[str, str, int, int], Sequence[tuple[int, int]]] | None = None,
        lasts_s: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._consenting = consenting
        self._since = since
        self._assessed = assessed
        self._find_agreed = agreed or self._agreed_of_all
        self._agreements = Agreements(self._look_up, version, lasts_s)
        self._assessed_sites = assessed_sites
        self._stretches = flagged
        self._flagged: dict[tuple[Shape, tuple[tuple[str, ...], ...]], tuple[Form, ...]] = {}

    def sites(self) -> Sequence[PublicSite]:
        """Return the sites that are public, by id."""
        quantities: dict[str, list[str]] = {}
        newest: dict[str, int] = {}
        for row in self._store.latest():
            quantities.setdefault(row.site_id, []).append(row.form.quantity)
            newest[row.site_id] = max(newest.get(row.site_id, row.observed_at_ms), row.observed_at_ms)
        return [
            _public_site(site, quantities.get(site.id, []), newest.get(site.id))
            for site in self._consenting()
        ]

    def latest(self) -> Sequence[PublicObservation]:
        """Return the newest observation (by observed time) of each site and quantity."""
        allowed = self._allowed()
        return self._publics(row for row in self._store.latest() if _may(row, allowed))

    def series(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> Sequence[PublicObservation]:
        """Return one series in [start_ms, end_ms), by observed time; the newest `limit` if there are more."""
        found = self._agreed([site_id]).get(site_id)
        if found is None:
            return []
        start_ms = max(start_ms, found[1])
        return self._publics(self._store.series(site_id, quantity, start_ms, end_ms, limit))

    def buckets(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        """Return a series in [start_ms, end_ms) as buckets that begin at start_ms + k * step_ms, by time.

        Where the host agreed later than start_ms, nothing from before is in any bucket.
        """
        found = self._agreed([site_id]).get(site_id)
        if found is None or step_ms <= 0:
            return []
        later = self._stretches(site_id, quantity, start_ms, end_ms) if self._stretches else ()
        return self._store.buckets(site_id, quantity, start_ms, end_ms, step_ms, found[1], later)

    def hourly(self, quantity: str, start_ms: int, end_ms: int) -> Hourly:
        """Return the means of whole hours in [start_ms, end_ms) of every public site: hours x sites.

        start_ms and end_ms are whole hours. Nothing from before a host agreed is in it, nor what checks or
        second looks flagged. `of_all` gives the mean of the network.
        """
        allowed = self._allowed()
        later: dict[str, Sequence[tuple[int, int]]] = {}
        assessed = self._assessed_sites() if self._assessed_sites else allowed
        for site_id in allowed:
            if self._stretches is not None and site_id in assessed:
                later[site_id] = self._stretches(site_id, quantity, start_ms, end_ms)
        found = self._store.hourly(quantity, start_ms, end_ms, allowed, later)
        found.hide_before(allowed)
        return found

    def after(self, position: int, limit: int) -> Sequence[PublicObservation]:
        """Return observations in store order after a position: how publishers follow."""
        records = -(-limit // 8)
        while found := self._store.records_after(position, records):
            public = self._public_records(found)
            rows = [row for record in public for row in record.rows() if row.position > position]
            if rows:
                return rows[:limit]
            position = (found[-1].id + 1) * POSITIONS_PER_RECORD - 1
        return []

    def records_after(self, position: int, limit: int) -> Sequence[PublicRecord]:
        """Return whole records in store order, the first of which may begin at or before a position."""
        while found := self._store.records_after(position, limit):
            public = self._public_records(found)
            if public:
                return public
            position = (found[-1].id + 1) * POSITIONS_PER_RECORD - 1
        return []

    def shown(self, records: Sequence[Record]) -> Sequence[PublicRecord]:
        """Return records, stored or not yet, as the recipient may see them."""
        return self._public_records(records)

    def places_of(self, site_ids: Sequence[str]) -> Mapping[str, PublicSite]:
        """Return those of some sites that are public, without what was measured there."""
        return {site_id: site for site_id, (site, _) in self._agreed(site_ids).items()}

    def latest_of(self, site_ids: Sequence[str]) -> Sequence[PublicObservation]:
        """Return the newest observation of each quantity of some sites."""
        agreed = self._agreed(site_ids)
        rows = self._store.latest(list(agreed))
        return [self._public(row) for row in rows if row.observed_at_ms >= agreed[row.site_id][1]]

    def quantities_of(self, site_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return what is measured at each of some sites, sorted, as far as it is public."""
        return self._store.quantities_of({name: since for name, (_, since) in self._agreed(site_ids).items()})

    def newest_of(self, site_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Return of each of some sites the newest observed time, and the lowest position of its latest."""
        return self._store.newest_of(site_ids)

    def newest_position(self) -> int:
        """Return the highest position that any observation has by now, public or not."""
        return self._store.newest_position()

    def places(self) -> Sequence[PublicSite]:
        """Return the public sites by id, without what was measured there: quick, however many series."""
        return [_public_site(site, [], None) for site in self._consenting()]

    def stretch(self, first: int, end: int) -> Sequence[PublicObservation]:
        """Return the public observations with first <= position < end, in store order."""
        since: Mapping[str, int] = self._since() if self._since else {}
        return [
            _public(row)
            for row in self._store.stretch(first, end, self._allowed())
            if row.observed_at_ms >= since.get(row.site_id, 0)
        ]

    def arrivals(self, first: int, end: int) -> Sequence[tuple[int, int]]:
        """Return (lowest position, time of reception) of all records in [first, end), in store order."""
        return self._store.arrivals(first, end)

    def at(self, position: int) -> PublicObservation | None:
        """Return the observation at a position, None where there is none that is public."""
        row = self._store.at(position)
        return self._public(row) if row is not None and _may(row, self._allowed()) else None

    def scan(
        self, start_ms: int, end_ms: int, site_id: str | None = None, *, descending: bool = False
    ) -> Iterator[PublicObservation]:
        """Yield observations of [start_ms, end_ms) by (observed time, position), from an index, one by one.

        Whoever stops early pays for what was read only: latency does not grow with history.
        """
        allowed = self._allowed()
        if site_id is not None:
            allowed = {site: since for site, since in allowed.items() if site == site_id}
        if allowed:
            rows = self._store.scan(start_ms, end_ms, allowed, descending=descending)
            yield from (self._public(row) for row in rows if _may(row, allowed))

    def observations(
        self, start_ms: int, end_ms: int, site_id: str | None = None, limit: int = 100_000
    ) -> Sequence[PublicObservation]:
        """Return observations in [start_ms, end_ms), by observed time then position."""
        allowed = self._allowed()
        if site_id is not None:
            allowed = {site: since for site, since in allowed.items() if site == site_id}
        if not allowed:
            return []
        # Rows from before a consent are passed over; a page of them alone may not look like the end.
        while rows := self._store.between(start_ms, end_ms, limit, allowed):
            found = self._publics(row for row in rows if _may(row, allowed))
            if found or len(rows) < limit:
                return found
            start_ms = max(rows[-1].observed_at_ms, start_ms + 1)
        return []

    def _publics(self, rows: Iterable[Row]) -> list[PublicObservation]:
        """Return rows as others may see them; what second looks said is asked of their sites only."""
        if self._assessed is None:
            return [_public(row) for row in rows]
        if self._assessed_sites is None:
            return [self._public(row) for row in rows]
        sites = self._assessed_sites()
        return [self._public(row) if row.site_id in sites else _public(row) for row in rows]

    def _public(self, row: Row) -> PublicObservation:
        found = _public(row)
        if self._assessed is None:
            return found
        later = self._assessed(found.site_id, found.quantity, found.observed_at_ms)
        return replace(found, flags=found.flags + later) if later else found

    def _public_records(self, records: Sequence[Record]) -> list[PublicRecord]:
        agreed = self._agreed(list({record.site_id for record in records}))
        assessed = self._assessed_sites() if self._assessed_sites is not None else agreed
        found: list[PublicRecord] = []
        for record in records:
            site = agreed.get(record.site_id)
            if site is not None and record.observed_at_ms >= site[1]:
                forms = record.shape.forms
                if self._assessed is not None and record.site_id in assessed:
                    forms = self._with_later_flags(record)
                found.append(
                    PublicRecord(
                        record.id * POSITIONS_PER_RECORD, record.site_id, record.observed_at_ms,
                        record.received_at_ms, forms, record.raws, record.values, record.is_late,
                    )
                )  # fmt: skip
        return found

    def _with_later_flags(self, record: Record) -> tuple[Form, ...]:
        assert self._assessed is not None
        site_id, at_ms, forms = record.site_id, record.observed_at_ms, record.shape.forms
        later = [self._assessed(site_id, form.quantity, at_ms) for form in forms]
        if not any(later):
            return forms
        key = record.shape, tuple(later)
        found = self._flagged.get(key)
        if found is None:
            if len(self._flagged) > 1000:
                self._flagged.clear()
            found = self._flagged[key] = tuple(
                replace(form, flags=form.flags + more) if more else form
                for form, more in zip(forms, later, strict=True)
            )
        return found

    def _agreed(self, site_ids: Sequence[str]) -> Mapping[str, tuple[PublicSite, int]]:
        return self._agreements.of(site_ids)

    def _look_up(self, site_ids: Sequence[str]) -> Mapping[str, tuple[PublicSite, int]]:
        return {
            site_id: (_public_site(site, [], None), since_ms)
            for site_id, (site, since_ms) in self._find_agreed(site_ids).items()
        }

    def _agreed_of_all(self, site_ids: Sequence[str]) -> Mapping[str, tuple[SiteRecord, int]]:
        since: Mapping[str, int] = self._since() if self._since else {}
        wanted = set(site_ids)
        return {site.id: (site, since.get(site.id, 0)) for site in self._consenting() if site.id in wanted}

    def _allowed(self) -> dict[str, int]:
        """Return the consenting sites with the observed time from which on they agreed."""
        since: Mapping[str, int] = self._since() if self._since else {}
        return {site.id: since.get(site.id, 0) for site in self._consenting()}


def _may(row: Row, allowed: Mapping[str, int]) -> bool:
    return row.site_id in allowed and row.observed_at_ms >= allowed[row.site_id]


def _public_site(site: SiteRecord, quantities: list[str], last_observed_at_ms: int | None) -> PublicSite:
    longitude, latitude = snapped(site.longitude, site.latitude, site.precision_m)
    return PublicSite(
        site_id=site.id,
        name=site.name,
        kind=site.kind,
        longitude=longitude,
        latitude=latitude,
        precision_m=site.precision_m,
        licence=site.licence,
        quantities=tuple(quantities),
        last_observed_at_ms=last_observed_at_ms,
    )


def _public(row: Row) -> PublicObservation:
    return PublicObservation(
        position=row.position,
        site_id=row.site_id,
        quantity=row.form.quantity,
        unit=row.form.unit,
        raw_value=row.raw,
        value=row.value,
        state=row.form.state,
        flags=row.form.flags,
        method=row.form.method,
        method_version=row.form.method_version,
        observed_at_ms=row.observed_at_ms,
        received_at_ms=row.received_at_ms,
    )

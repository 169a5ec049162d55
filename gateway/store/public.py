"""The one door through which data leave the house.

Consent is asked and the position is snapped here, before any publisher or page sees a site: no DevEUI
and no exact position (unless the host chose precision 0) is in anything that this reader returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.model import Bucket, PublicObservation, PublicSite
from gateway.store.sqlite import Row, SqliteStore

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


class SqlitePublicReader:
    """PublicReader over the store for one recipient; `consenting` returns the sites that agreed.

    since: from which observed time on the recipient may have a site's data: what was measured before a
    host agreed, or between a withdrawal and a new consent, is in no answer. assessed: the flags that second
    looks gave a value of a site and quantity at an observed time; they stand behind those of the record.
    """

    def __init__(
        self,
        store: SqliteStore,
        consenting: Callable[[], Sequence[SiteRecord]],
        since: Callable[[], Mapping[str, int]] | None = None,
        assessed: Callable[[str, str, int], tuple[str, ...]] | None = None,
    ) -> None:
        self._store = store
        self._consenting = consenting
        self._since = since
        self._assessed = assessed

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
        return [self._public(row) for row in self._store.latest() if _may(row, allowed)]

    def series(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> Sequence[PublicObservation]:
        """Return one series in [start_ms, end_ms), by observed time; the newest `limit` if there are more."""
        allowed = self._allowed()
        if site_id not in allowed:
            return []
        start_ms = max(start_ms, allowed[site_id])
        return [self._public(row) for row in self._store.series(site_id, quantity, start_ms, end_ms, limit)]

    def buckets(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        """Return a series in [start_ms, end_ms) as buckets that begin at start_ms + k * step_ms, by time.

        Where the host agreed later than start_ms, nothing from before is in any bucket.
        """
        since = self._allowed().get(site_id)
        if since is None or step_ms <= 0:
            return []
        return self._store.buckets(site_id, quantity, start_ms, end_ms, step_ms, since)

    def after(self, position: int, limit: int) -> Sequence[PublicObservation]:
        """Return observations in store order after a position: how publishers follow."""
        allowed = self._allowed()
        while allowed and (rows := self._store.after(position, limit, allowed)):
            found = [self._public(row) for row in rows if _may(row, allowed)]
            if found:
                return found
            position = rows[-1].position
        return []

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
            found = [self._public(row) for row in rows if _may(row, allowed)]
            if found or len(rows) < limit:
                return found
            start_ms = max(rows[-1].observed_at_ms, start_ms + 1)
        return []

    def _public(self, row: Row) -> PublicObservation:
        found = _public(row)
        if self._assessed is None:
            return found
        later = self._assessed(found.site_id, found.quantity, found.observed_at_ms)
        return replace(found, flags=found.flags + later) if later else found

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

"""Packing: batches of upserts in time order, history that comes late, and the devices behind them.

A batch names an entity at most once: two moments of one site go out one after the other, because brokers
keep only the last of a batch. What each answer means: sending.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import httpx
from msgspec.structs import replace

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader, PublicRecord, PublicSite, RecordReader
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.ngsi_ld.batches import Batch, Item, batches_of, is_late, once_each
from gateway.publish.ngsi_ld.devices import DEVICE, DEVICE_MODEL, device_model
from gateway.publish.ngsi_ld.entities import EntityWriter, dumps, entity_id, refusal
from gateway.publish.ngsi_ld.hashes import Hashes
from gateway.publish.ngsi_ld.models import MODELS
from gateway.publish.ngsi_ld.plans import Plan, Planner
from gateway.publish.ngsi_ld.sending import ALONE_FROM, Sender, parcel_of
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.publish.ngsi_ld.sounddays import day_texts
from gateway.publish.sitebook import News


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Observations as entities: current ones, and late ones. sendable: all of them as they were."""

    current: list[Item]
    late: list[Item]
    sendable: list[PublicObservation]
    rejections: list[Rejection]


@dataclass(slots=True)
class _Drawn:
    """Records as entities. others: those out of the ordinary. devices: not looked at yet, by their looks."""

    found: list[tuple[int, str, Item]] = field(default_factory=list[tuple[int, str, Item]])
    others: list[PublicRecord] = field(default_factory=list[PublicRecord])
    devices: dict[int, PublicSite] = field(default_factory=dict[int, PublicSite])
    unmapped: int = 0


class NgsiLdPublisher:
    """Publisher for one broker. transport: for tests, as httpx takes it."""

    def __init__(
        self,
        settings: NgsiLdSettings,
        counters: Counters,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._sender = Sender(settings, counters, transport)
        self._writer = EntityWriter(settings)
        self._planner = Planner(settings, self._writer)
        self._devices_sent = Hashes()  # of the text by that of the entity's id
        self._devices_seen: set[int] = set()  # (site as it is, forms): its device was looked at

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    @property
    def chunk_rows(self) -> int:
        """Return how many rows the follower should hand over at once: enough to fill several requests."""
        return max(500, self._settings.max_entities * 20)

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make batches of a chunk in time order."""
        sites = {site.site_id: site for site in reader.sites()}
        found = self._sort_rows(rows, sites, reader.latest(), reader)
        batches = [Batch(tuple(items)) for items in self._device_items(found.sendable, sites)]
        batches += batches_of(found.current, self._settings.max_entities)
        batches += [Batch((item,), is_late=True) for item in found.late]
        return Packed([parcel_of(batch) for batch in batches], found.rejections)

    def _sort_rows(
        self,
        rows: Sequence[PublicObservation],
        sites: dict[str, PublicSite],
        latest: Sequence[PublicObservation],
        reader: PublicReader,
    ) -> _Sorted:
        """Make entities of observations, a site and moment each, by time."""
        sendable, rejections = self._sort_out(rows, sites)
        newest = {(row.site_id, row.quantity): row for row in latest}
        late = [row for row in sendable if is_late(row, newest.get((row.site_id, row.quantity)))]
        late_positions = {row.position for row in late}
        current = [row for row in sendable if row.position not in late_positions]
        noise = frozenset(site.site_id for site in sites.values() if site.kind == "noise")
        days = day_texts(current, noise, reader, ZoneInfo(self._settings.time_zone)) if noise else {}
        return _Sorted(self._items(current, sites, days), self._items(late, sites), sendable, rejections)

    @property
    def chunk_records(self) -> int:
        """Return how many records the follower should hand over at once."""
        return max(100, self._settings.max_entities * 10)

    def pack_records(self, records: Sequence[PublicRecord], reader: RecordReader) -> Packed:
        """Make batches of records in store order; those out of the ordinary as `pack` does it."""
        sites = reader.places_of(list({record.site_id for record in records}))
        strangers = list({record.site_id for record in records if record.is_late is None})
        drawn = self._draw(records, sites, reader.newest_of(strangers) if strangers else {})
        self._count_unmapped(drawn.unmapped)
        self._devices_seen.update(drawn.devices)
        new = {site.site_id: site for site in drawn.devices.values()}
        batches = [Batch(tuple(items)) for items in self._new_devices(new, reader)]
        found = drawn.found
        rejections: list[Rejection] = []
        late: list[Item] = []
        if drawn.others:
            others = [row for record in drawn.others for row in record.rows()]
            whole, latest = self._whole({row.site_id: sites[row.site_id] for row in others}, reader)
            sorted_out = self._sort_rows(others, whole, latest, reader)
            found += [
                (item.rows[0].observed_at_ms, item.rows[0].site_id, item) for item in sorted_out.current
            ]
            late, rejections = sorted_out.late, sorted_out.rejections
            batches += [Batch(tuple(items)) for items in self._device_items(sorted_out.sendable, whole)]
        found.sort(key=_by_time)
        batches += batches_of([item for _, _, item in found], self._settings.max_entities)
        batches += [Batch((item,), is_late=True) for item in late]
        return Packed([parcel_of(batch) for batch in batches], rejections)

    def pack_early(self, records: Sequence[PublicRecord], reader: RecordReader) -> Packed | None:
        """Make batches of records that are not stored yet; None when one is out of the ordinary. Quick."""
        drawn = self._draw(records, reader.places_of(list({record.site_id for record in records})))
        if drawn.others or drawn.devices:
            return None
        self._count_unmapped(drawn.unmapped)
        drawn.found.sort(key=_by_time)
        batches = batches_of([item for _, _, item in drawn.found], self._settings.max_entities)
        return Packed([parcel_of(batch) for batch in batches])

    def _draw(
        self,
        records: Sequence[PublicRecord],
        sites: Mapping[str, PublicSite],
        newest: Mapping[str, tuple[int, int]] | None = None,
    ) -> _Drawn:
        """Make entities of records by their plans.

        newest: of sites whose records do not say themselves whether they are late; None: then they may be.
        """
        drawn = _Drawn()
        for record in records:
            site_id = record.site_id
            site = sites.get(site_id)
            if site is None:
                continue
            plan = self._planner.plan(site.kind, record.forms)
            if plan.model is None or not plan.indexes:
                drawn.unmapped += len(record.forms)
                continue
            may_be_late = record.is_late
            if may_be_late is None:
                newest_ms, first_position = (2**62, 0) if newest is None else newest.get(site_id, (0, 0))
                may_be_late = newest_ms > record.observed_at_ms and first_position <= record.position
            entity = None if may_be_late else self._planner.entity(site, record, plan)
            if entity is None:
                drawn.others.append(record)
                continue
            drawn.unmapped += plan.unmapped
            item = Item(entity[0], entity[1], plan.model, (), (record, plan), plan.own)
            drawn.found.append((record.observed_at_ms, site_id, item))
            if self._settings.devices:
                looks = _looks(site, plan)
                if looks not in self._devices_seen:
                    drawn.devices[looks] = site
        return drawn

    def _count_unmapped(self, n: int) -> None:
        if n:
            self._counters.count(f"publish.{self.name}.unmapped", n=n)

    def _whole(
        self, sites: Mapping[str, PublicSite], reader: RecordReader
    ) -> tuple[dict[str, PublicSite], Sequence[PublicObservation]]:
        """Return sites with what is measured there, and their newest values."""
        latest = reader.latest_of(list(sites))
        quantities: dict[str, list[str]] = {}
        for row in latest:
            quantities.setdefault(row.site_id, []).append(row.quantity)
        return {
            site_id: replace(site, quantities=tuple(quantities.get(site_id, ())))
            for site_id, site in sites.items()
        }, latest

    def _new_devices(self, sites: Mapping[str, PublicSite], reader: RecordReader) -> list[list[Item]]:
        """Return the devices at sites that were not looked at yet, where the broker has them otherwise."""
        if not sites:
            return []
        quantities = reader.quantities_of(list(sites))
        whole = [
            replace(site, quantities=quantities.get(site_id, ())) for site_id, site in sorted(sites.items())
        ]
        return self._device_batches(whole)

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Update what entities say of changed sites; delete those of sites that are gone, where asked to."""
        sites = {site.site_id: site for site in reader.sites()}
        changed = [sites[site.site_id] for site in news.changed if site.site_id in sites]
        found: list[Batch] = []
        for model in {MODELS[site.kind].type: MODELS[site.kind] for site in changed}.values():
            items = [
                Item(*self._writer.about(site, model), model)
                for site in changed
                if MODELS[site.kind] is model
            ]
            found += batches_of(items, self._settings.max_entities)
        if self._settings.devices:
            items = [Item(*self._planner.device(site), DEVICE) for site in changed]
            found += batches_of(items, self._settings.max_entities)
        parcels = [Parcel((), Batch(batch.items, is_news=True)) for batch in found]
        gone = [
            entity_id(name, site_id, self._settings)
            for site_id, told in news.gone.items()
            for name in (MODELS[told.kind].type, *(("Device",) if self._settings.devices else ()))
        ]
        if gone and self._settings.withdrawn == "delete":
            parcels.append(Parcel((), Batch((), is_news=True, gone=tuple(gone))))
        return parcels

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one batch."""
        batch: Batch = parcel.content
        if batch.gone:
            for name in batch.gone:  # a host who agrees again gets the device sent again
                self._devices_sent.put(hash(name), 0)
            self._devices_seen.clear()
            return await self._sender.delete(parcel, batch.gone)
        if batch.is_news:
            return await self._sender.upsert(batch.items, attempt)
        if batch.is_late:
            return await self._sender.late(batch, attempt)
        if not parcel.rows:
            return await self._send_devices(batch)
        if attempt >= ALONE_FROM and len(batch.items) > 1:
            return await self._sender.alone(batch.items, attempt)
        return await self._sender.upsert(batch.items, attempt)

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    def _sort_out(
        self, rows: Sequence[PublicObservation], sites: dict[str, PublicSite]
    ) -> tuple[list[PublicObservation], list[Rejection]]:
        sendable: list[PublicObservation] = []
        rejections: list[Rejection] = []
        for row in rows:
            site = sites.get(row.site_id)
            model = MODELS.get(site.kind) if site else None
            attribute = model.attributes.get(row.quantity) if model else None
            if attribute is None or row.value is None:
                what = "without_value" if row.value is None else "unmapped"
                self._counters.count(f"publish.{self.name}.{what}")
                continue
            why = refusal(row, attribute)
            if why:
                rejections.append(Rejection(row, why))
            else:
                sendable.append(row)
        return sendable, rejections

    def _items(
        self,
        rows: Sequence[PublicObservation],
        sites: dict[str, PublicSite],
        days: Mapping[int, str] | None = None,
    ) -> list[Item]:
        """Return an entity a site and moment, by time. days: what to add, by position of a row."""
        moments: dict[tuple[int, str], list[PublicObservation]] = {}
        for row in rows:
            moments.setdefault((row.observed_at_ms, row.site_id), []).append(row)
        items: list[Item] = []
        for key in sorted(moments):
            site = sites[key[1]]
            model = MODELS[site.kind]
            for together in once_each(moments[key]):
                added = "".join(days.get(row.position, "") for row in together) if days else ""
                written = self._writer.write(site, model, together, added)
                items.append(Item(*written, model, tuple(together)))
        return items

    def _device_items(
        self, rows: Sequence[PublicObservation], sites: dict[str, PublicSite]
    ) -> list[list[Item]]:
        """Return the models and devices behind these rows that the broker has not got yet as they are now."""
        if not self._settings.devices:
            return []
        return self._device_batches([sites[site_id] for site_id in sorted({row.site_id for row in rows})])

    def _device_batches(self, sites: Sequence[PublicSite]) -> list[list[Item]]:
        models = [device_model(kind, self._settings) for kind in sorted({site.kind for site in sites})]
        items = [Item(model["id"], dumps(model), DEVICE_MODEL) for model in models]
        items += [Item(*self._planner.device(site), DEVICE) for site in sites]
        items = [item for item in items if self._devices_sent.get(hash(item.id)) != (hash(item.text) or 1)]
        most = self._settings.max_entities
        found: list[list[Item]] = []
        for model in (DEVICE_MODEL, DEVICE):
            mine = [item for item in items if item.model is model]
            found += [mine[at : at + most] for at in range(0, len(mine), most)]
        return found

    async def _send_devices(self, batch: Batch) -> Outcome:
        """Send devices once; what fails comes again with the next chunk, and never holds up a value.

        They carry no row, so nobody would notice a withdrawn consent while they wait: they do not wait.
        """
        outcome = await self._sender.upsert(batch.items, 0)
        waiting = {item.id for item in outcome.remaining.content.items} if outcome.remaining else set[str]()
        for item in batch.items:
            if item.id not in waiting:
                self._devices_sent.put(hash(item.id), hash(item.text) or 1)
        if waiting:
            self._devices_seen.clear()
        if waiting:
            self._counters.count(f"publish.{self.name}.devices_later", outcome.reason[:200], n=len(waiting))
        return Outcome()


def _looks(site: PublicSite, plan: Plan) -> int:
    """Return a number for how a device looks at a broker."""
    return hash((site.site_id, site.name, site.longitude, site.latitude, site.licence, plan.quantities))


def _by_time(found: tuple[int, str, Item]) -> tuple[int, str]:
    return found[0], found[1]

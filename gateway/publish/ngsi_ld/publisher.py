"""Sending: batches of upserts in time order, history that comes late, and what to do with each answer.

A batch names an entity at most once: two moments of one site go out one after the other, because brokers
keep only the last of a batch. An observation that is older than what was already sent would put the
broker's clock back: it goes to the temporal interface, as history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
from msgspec.structs import replace

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader, PublicRecord, PublicSite, RecordReader
from gateway.publish.base import Outcome, Packed, Parcel, RecordRows, Rejection
from gateway.publish.ngsi_ld.answers import Verdict, batch_result, judge, reason, retry_after_s
from gateway.publish.ngsi_ld.batches import Batch, Item, batches_of, is_late, once_each
from gateway.publish.ngsi_ld.contexts import body_context, context_address
from gateway.publish.ngsi_ld.devices import DEVICE, DEVICE_MODEL, device_model
from gateway.publish.ngsi_ld.entities import EntityWriter, dumps, entity_id, refusal, temporal
from gateway.publish.ngsi_ld.models import MODELS
from gateway.publish.ngsi_ld.plans import Planner
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.publish.ngsi_ld.sounddays import day_texts
from gateway.publish.posting import HttpClient
from gateway.publish.sitebook import News

UPSERT = "/ngsi-ld/v1/entityOperations/upsert?options=update"
DELETE = "/ngsi-ld/v1/entityOperations/delete"
TEMPORAL = "/ngsi-ld/v1/temporal/entities"
ENTITIES = "/ngsi-ld/v1/entities"
NO_BATCH = frozenset({404, 405, 501})  # what a broker without a batch interface answers to it

# A broker that answers 500 to a batch may choke on one entity: from then on they go alone, and one that
# fails alone for this often is put aside.
ALONE_FROM, PATIENCE = 3, 8


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Observations as entities: current ones, and late ones. sendable: all of them as they were."""

    current: list[Item]
    late: list[Item]
    sendable: list[PublicObservation]
    rejections: list[Rejection]


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
        headers = {"accept": "application/json"}
        if settings.tenant:
            headers["ngsild-tenant"] = settings.tenant
        if settings.token:
            headers["authorization"] = f"Bearer {settings.token}"
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)
        self._has_taken = False
        self._has_batch = settings.batch != "never"
        self._writer = EntityWriter(settings)
        self._planner = Planner(settings, self._writer)
        self._devices_sent: dict[int, int] = {}  # entity id -> text, their hashes
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
        return Packed([_parcel(batch) for batch in batches], found.rejections)

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
        site_ids = list({record.site_id for record in records})
        sites = reader.places_of(site_ids)
        strangers = list({record.site_id for record in records if record.is_late is None})
        newest: Mapping[str, tuple[int, int]] = reader.newest_of(strangers) if strangers else {}
        found: list[tuple[int, str, Item]] = []
        others: list[PublicObservation] = []
        strange: dict[str, PublicSite] = {}
        unmapped = 0
        for record in records:
            site_id = record.site_id
            site = sites.get(site_id)
            if site is None:
                continue
            plan = self._planner.plan(site.kind, record.forms)
            if plan.model is None or not plan.indexes:
                unmapped += len(record.forms)
                continue
            may_be_late = record.is_late
            if may_be_late is None:
                newest_ms, first_position = newest.get(site_id, (0, 0))
                may_be_late = newest_ms > record.observed_at_ms and first_position <= record.position
            entity = None if may_be_late else self._planner.entity(site, record, plan)
            if entity is None:
                others += record.rows()
                continue
            unmapped += plan.unmapped
            item = Item(entity[0], entity[1], plan.model, (), (record, plan))
            found.append((record.observed_at_ms, site_id, item))
            if self._settings.devices:
                seen = hash(
                    (site_id, site.name, site.longitude, site.latitude, site.licence, plan.quantities)
                )
                if seen not in self._devices_seen:
                    self._devices_seen.add(seen)
                    strange[site_id] = site
        if unmapped:
            self._counters.count(f"publish.{self.name}.unmapped", n=unmapped)
        batches = [Batch(tuple(items)) for items in self._new_devices(strange, reader)]
        rejections: list[Rejection] = []
        late: list[Item] = []
        if others:
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
        return Packed([_parcel(batch) for batch in batches], rejections)

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
            return await self._delete(parcel, batch.gone)
        if batch.is_news:
            return await self._send_upsert(batch.items, attempt)
        if batch.is_late:
            return await self._send_late(batch, attempt)
        if not parcel.rows:
            return await self._send_devices(batch)
        if attempt >= ALONE_FROM and len(batch.items) > 1:
            return await self._send_alone(batch.items, attempt)
        return await self._send_upsert(batch.items, attempt)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

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
        items = [item for item in items if self._devices_sent.get(hash(item.id)) != hash(item.text)]
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
        outcome = await self._send_upsert(batch.items, 0)
        waiting = {item.id for item in outcome.remaining.content.items} if outcome.remaining else set[str]()
        self._devices_sent |= {
            hash(item.id): hash(item.text) for item in batch.items if item.id not in waiting
        }
        if waiting:
            self._devices_seen.clear()
        if waiting:
            self._counters.count(f"publish.{self.name}.devices_later", outcome.reason[:200], n=len(waiting))
        return Outcome()

    async def _send_upsert(self, items: Sequence[Item], attempt: int) -> Outcome:
        if not self._has_batch:
            return await self._send_singly(items, attempt)
        answer = await self._post(UPSERT, items)
        if isinstance(answer, str):
            return _again(items, answer)
        if answer.status_code in NO_BATCH and not self._has_taken:
            return await self._without_batch(items, attempt, answer)
        verdict = judge(answer)
        if verdict is Verdict.TAKEN:
            self._has_taken = True
            return Outcome()
        if verdict is Verdict.MIXED:
            return await self._settle(items, answer, attempt)
        if verdict is Verdict.RETRY:
            if answer.status_code == 500 and len(items) == 1 and attempt >= PATIENCE:
                return Outcome(_rejections(items, reason(answer)))
            return _again(items, reason(answer), retry_after_s(answer))
        if len(items) == 1:
            return Outcome(_rejections(items, reason(answer)))
        half = len(items) // 2
        return await self._send_each([items[:half], items[half:]], attempt)

    async def _without_batch(self, items: Sequence[Item], attempt: int, answer: httpx.Response) -> Outcome:
        """Try entities one by one where nothing was ever taken as a batch: some brokers only know that.

        A 404 may as well mean a wrong address or tenant: only an entity that is taken proves the case.
        """
        outcome = await self._send_singly(items[:1], attempt)
        if outcome.remaining is not None or outcome.rejections:
            return _again(items, f"{reason(answer)}; nor one by one: {outcome.reason}", retry_after_s(answer))
        self._has_batch = False
        self._counters.count(f"publish.{self.name}.no_batch", "the broker has no batch interface")
        return await self._send_singly(items[1:], attempt)

    async def _send_singly(self, items: Sequence[Item], attempt: int) -> Outcome:
        """Send entities one after another: the attributes of a known one, or the whole of a new one."""
        outcome = Outcome()
        for at, item in enumerate(items):
            answer = await self._put_one(item)
            if isinstance(answer, str):  # no connection: the others need not try
                return _merged(outcome, _again(items[at:], answer))
            verdict = judge(answer)
            if verdict in (Verdict.TAKEN, Verdict.MIXED) and answer.status_code != 207:
                continue
            passing = verdict is Verdict.RETRY and not (answer.status_code == 500 and attempt >= PATIENCE)
            if passing:
                outcome = _merged(outcome, _again([item], reason(answer), retry_after_s(answer)))
            else:
                outcome = _merged(outcome, Outcome(_rejections([item], reason(answer)), None, reason(answer)))
        return outcome

    async def _put_one(self, item: Item) -> httpx.Response | str:
        entity = item.entity
        attributes = {name: value for name, value in entity.items() if name not in ("id", "type")}
        part = Item(item.id, dumps(attributes), item.model)
        path = f"{ENTITIES}/{quote(item.id, safe=':')}/attrs"
        answer = await self._post(path, [part], is_list=False)
        if isinstance(answer, str) or answer.status_code not in NO_BATCH:
            return answer
        if answer.status_code != 404:  # attributes cannot be appended, perhaps updated
            changed = await self._post(path, [part], is_list=False, method="PATCH")
            if isinstance(changed, str) or changed.status_code not in NO_BATCH:
                return changed
        return await self._post(ENTITIES, [item], is_list=False)

    async def _settle(self, items: Sequence[Item], answer: httpx.Response, attempt: int) -> Outcome:
        """Read a 207 entity by entity; about those that it does not name, ask again one by one."""
        result = batch_result(answer)
        rejections: list[Rejection] = []
        again: list[Item] = []
        unnamed: list[Item] = []
        for item in items:
            name = item.id
            if name in result.refused:
                rejections += _rejections([item], result.refused[name])
            elif name in result.retry:
                again.append(item)
            elif name not in result.taken:
                unnamed.append(item)
        if unnamed and len(items) == 1:
            # It says that something went wrong, not what: the same as a fault of the broker.
            if attempt >= PATIENCE:
                return Outcome(_rejections(items, "HTTP 207 that does not name the entity"))
            return _again(items, "HTTP 207 that does not name the entity")
        outcome = Outcome(rejections)
        if again:
            why = result.retry[again[0].id]
            outcome = Outcome(rejections, _parcel(Batch(tuple(again))), why)
        if unnamed:
            outcome = _merged(outcome, await self._send_alone(unnamed, attempt))
        return outcome

    async def _send_alone(self, items: Sequence[Item], attempt: int) -> Outcome:
        return await self._send_each([[item] for item in items], attempt)

    async def _send_each(self, parts: Sequence[Sequence[Item]], attempt: int) -> Outcome:
        """Send parts one after another (a batch names an entity once, so none overtakes itself)."""
        outcome = Outcome()
        for part in parts:
            outcome = _merged(outcome, await self._send_upsert(part, attempt))
        return outcome

    async def _delete(self, parcel: Parcel, names: Sequence[str]) -> Outcome:
        """Delete entities; one that is not there is as good as deleted."""
        for name in names:  # a host who agrees again gets the device sent again
            self._devices_sent.pop(hash(name), None)
        self._devices_seen.clear()
        if self._has_batch:
            answer = await self._request("POST", DELETE, dumps(list(names)))
            if isinstance(answer, str):
                return Outcome((), parcel, answer)
            if answer.status_code not in NO_BATCH:
                passes = judge(answer) is Verdict.RETRY
                return Outcome((), parcel if passes else None, reason(answer), retry_after_s(answer))
        for name in names:
            answer = await self._request("DELETE", f"{ENTITIES}/{quote(name, safe=':')}", "")
            if isinstance(answer, str):
                return Outcome((), parcel, answer)
            if judge(answer) is Verdict.RETRY and answer.status_code != 404:
                return Outcome((), parcel, reason(answer), retry_after_s(answer))
        return Outcome()

    async def _send_late(self, batch: Batch, attempt: int) -> Outcome:
        item = batch.items[0]
        history = Item(item.id, dumps(temporal(item.entity, item.model)), item.model, item.rows)
        answer = await self._post(TEMPORAL, [history], is_list=False)
        if isinstance(answer, str):
            return _again(batch.items, answer, is_late=True)
        verdict = judge(answer)
        if verdict is Verdict.TAKEN:
            return Outcome()
        # 404 may also mean a wrong address or tenant: believed of a broker that took something before.
        absent = {405, 501} | ({404} if self._has_taken else set[int]())
        is_worn_out = answer.status_code in (404, 500) and attempt >= PATIENCE
        if verdict is Verdict.RETRY and answer.status_code not in absent and not is_worn_out:
            return _again(batch.items, reason(answer), retry_after_s(answer), is_late=True)
        # Most often: no temporal interface. What came late stays on the side list and in the open files.
        return Outcome(_rejections(batch.items, f"came late, as history: {reason(answer)}"))

    async def _post(
        self, path: str, items: Sequence[Item], *, is_list: bool = True, method: str = "POST"
    ) -> httpx.Response | str:
        """Return the answer, or in one line why there is none."""
        settings = self._settings
        model = items[0].model
        headers: dict[str, str] = {}
        texts = [item.text for item in items]
        if settings.encoding == "json":
            headers["content-type"] = "application/json"
            headers["link"] = (
                f'<{context_address(model, settings)}>; rel="http://www.w3.org/ns/json-ld#context"; '
                'type="application/ld+json"'
            )
        else:
            headers["content-type"] = "application/ld+json"
            context = f',"@context":{dumps(body_context(model, settings))}}}'
            content = (context + ",").join([text[:-1] for text in texts]) + context
            return await self._request(method, path, f"[{content}]" if is_list else content, headers)
        content = f"[{','.join(texts)}]" if is_list else texts[0]
        return await self._request(method, path, content, headers)

    async def _request(
        self, method: str, path: str, content: str, headers: dict[str, str] | None = None
    ) -> httpx.Response | str:
        headers = headers or {"content-type": "application/json"}
        return await self._client.request(method, path, content.encode(), headers)


def _by_time(found: tuple[int, str, Item]) -> tuple[int, str]:
    return found[0], found[1]


def _parcel(batch: Batch) -> Parcel:
    whole = [item.part for item in batch.items if item.part is not None]
    if whole and len(whole) == len(batch.items):
        return Parcel(RecordRows(whole), batch)
    return Parcel(tuple(row for item in batch.items for row in item.rows), batch)


def _again(items: Sequence[Item], why: str, after_s: float | None = None, is_late: bool = False) -> Outcome:
    return Outcome((), _parcel(Batch(tuple(items), is_late)), why, after_s)


def _rejections(items: Sequence[Item], why: str) -> list[Rejection]:
    return [Rejection(row, why) for item in items for row in item.rows]


def _merged(first: Outcome, second: Outcome) -> Outcome:
    """Join two outcomes of parts of one parcel."""
    items = [
        item
        for outcome in (first, second)
        if outcome.remaining is not None
        for item in outcome.remaining.content.items
    ]
    waits = [wait for wait in (first.after_s, second.after_s) if wait is not None]
    return Outcome(
        [*first.rejections, *second.rejections],
        _parcel(Batch(tuple(items))) if items else None,
        first.reason or second.reason,
        max(waits) if waits else None,
    )

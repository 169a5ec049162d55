"""Sending: `POST /v2/op/update` with actionType append, an entity once a request, in time order.

append creates what is new and replaces only the attributes that it names. Orion answers 204, or one error for
the whole request although what stood before the culprit is done: appending again changes nothing, so the
request is halved until the culprit stands alone. Every moment of an entity goes in a request of its own, so
that subscriptions (which is how NGSI-v2 keeps history) see each one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.ngsi_ld.answers import Verdict, judge, reason
from gateway.publish.ngsi_ld.batches import is_late, once_each
from gateway.publish.ngsi_ld.entities import dumps, refusal
from gateway.publish.ngsi_ld.models import MODELS
from gateway.publish.ngsi_v2.entities import about, entity
from gateway.publish.ngsi_v2.settings import NgsiV2Settings
from gateway.publish.posting import HttpClient, retry_after_s
from gateway.publish.sitebook import News

UPDATE = "/v2/op/update"
PATIENCE = 8  # tries of one entity that the broker answers with 500


@dataclass(frozen=True, slots=True)
class Item:
    """One entity as JSON text, and the rows that it carries."""

    id: str
    text: str
    rows: tuple[PublicObservation, ...]


class NgsiV2Publisher:
    """Publisher for one broker. transport: for tests, as httpx takes it."""

    def __init__(
        self,
        settings: NgsiV2Settings,
        counters: Counters,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        headers = {"accept": "application/json", "content-type": "application/json"}
        if settings.service:
            headers["fiware-service"] = settings.service
        if settings.service_path:
            headers["fiware-servicepath"] = settings.service_path
        if settings.token:
            headers["x-auth-token"] = settings.token
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make requests of a chunk in time order."""
        sites = {site.site_id: site for site in reader.sites()}
        newest = {(row.site_id, row.quantity): row for row in reader.latest()}
        moments: dict[tuple[int, str], list[PublicObservation]] = {}
        rejections: list[Rejection] = []
        for row in rows:
            why = self._why_not(row, sites)
            if why is None:
                self._counters.count(f"publish.{self.name}.unmapped")
            elif (
                not why
                and self._settings.late == "aside"
                and is_late(row, newest.get((row.site_id, row.quantity)))
            ):
                rejections.append(Rejection(row, "came late, and NGSI-v2 keeps no history: see `late`"))
            elif why:
                rejections.append(Rejection(row, why))
            else:
                moments.setdefault((row.observed_at_ms, row.site_id), []).append(row)
        items = [
            self._item(sites[site_id], together)
            for (_, site_id), found in sorted(moments.items())
            for together in once_each(found)
        ]
        return Packed([_parcel(part) for part in self._requests(items)], rejections)

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Append what changed sites are now. Entities of sites that are gone stay as they are."""
        found = [about(site, MODELS[site.kind], self._settings) for site in news.changed]
        items = [Item(one["id"], dumps(one), ()) for one in found]
        return [_parcel(part) for part in self._requests(items)]

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one request."""
        return await self._send(parcel.content, attempt)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _why_not(self, row: PublicObservation, sites: dict[str, PublicSite]) -> str | None:
        """Return None for a row that has no place in the models, else why it is refused ("" is not)."""
        site = sites.get(row.site_id)
        model = MODELS.get(site.kind) if site else None
        attribute = model.attributes.get(row.quantity) if model else None
        return None if attribute is None or row.value is None else refusal(row, attribute)

    def _item(self, site: PublicSite, rows: Sequence[PublicObservation]) -> Item:
        found = entity(site, MODELS[site.kind], rows, self._settings)
        return Item(found["id"], dumps(found), tuple(rows))

    def _requests(self, items: Sequence[Item]) -> list[list[Item]]:
        """Cut items, in time order, so that no request names an entity twice and none overtakes itself."""
        found: list[list[Item]] = []
        last: dict[str, int] = {}
        for item in items:
            number = max(last.get(item.id, -1) + 1, 0)
            while number < len(found) and len(found[number]) >= self._settings.max_entities:
                number += 1
            if number >= len(found):
                number = len(found)
                found.append([])
            found[number].append(item)
            last[item.id] = number
        return found

    async def _send(self, items: Sequence[Item], attempt: int) -> Outcome:
        answer = await self._post(items)
        if isinstance(answer, str):
            return Outcome((), _parcel(items), answer)
        verdict = judge(answer)
        if verdict in (Verdict.TAKEN, Verdict.MIXED):
            return Outcome()
        is_worn_out = answer.status_code == 500 and attempt >= PATIENCE
        if verdict is Verdict.RETRY and not is_worn_out:
            return Outcome((), _parcel(items), reason(answer), retry_after_s(answer))
        if len(items) == 1:
            return Outcome([Rejection(row, reason(answer)) for row in items[0].rows])
        half = len(items) // 2
        first, second = await self._send(items[:half], attempt), await self._send(items[half:], attempt)
        left = [item for part in (first, second) if part.remaining for item in part.remaining.content]
        return Outcome(
            [*first.rejections, *second.rejections],
            _parcel(left) if left else None,
            first.reason or second.reason,
            max((wait for wait in (first.after_s, second.after_s) if wait is not None), default=None),
        )

    async def _post(self, items: Sequence[Item]) -> httpx.Response | str:
        """Return the answer, or in one line why there is none."""
        entities = ",".join(item.text for item in items)
        content = f'{{"actionType":"append","entities":[{entities}]}}'.encode()
        return await self._client.request("POST", UPDATE, content)


def _parcel(items: Sequence[Item]) -> Parcel:
    return Parcel(tuple(row for item in items for row in item.rows), list(items))

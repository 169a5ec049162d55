"""What goes over the wire to a broker, and what to do with each answer.

An observation that is older than what was already sent would put the broker's clock back: it goes to the
temporal interface, as history.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import httpx

from gateway.counters import Counters
from gateway.publish.base import Outcome, Parcel, RecordRows, Rejection
from gateway.publish.ngsi_ld.answers import Verdict, batch_result, judge, reason
from gateway.publish.ngsi_ld.batches import Batch, Item
from gateway.publish.ngsi_ld.contexts import body_context, context_address
from gateway.publish.ngsi_ld.entities import dumps, temporal
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.publish.posting import HttpClient, retry_after_s

UPSERT = "/ngsi-ld/v1/entityOperations/upsert?options=update"
DELETE = "/ngsi-ld/v1/entityOperations/delete"
TEMPORAL = "/ngsi-ld/v1/temporal/entities"
ENTITIES = "/ngsi-ld/v1/entities"
NO_BATCH = frozenset({404, 405, 501})  # what a broker without a batch interface answers to it

# A broker that answers 500 to a batch may choke on one entity: from then on they go alone, and one that
# fails alone for this often is put aside.
ALONE_FROM, PATIENCE = 3, 8
_MOST_CONTEXTS = 100


class Sender:
    """The requests of one publisher. transport: for tests, as httpx takes it."""

    def __init__(
        self, settings: NgsiLdSettings, counters: Counters, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._settings = settings
        self._counters = counters
        headers = {"accept": "application/json"}
        if settings.tenant:
            headers["ngsild-tenant"] = settings.tenant
        if settings.token:
            headers["authorization"] = f"Bearer {settings.token}"
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)
        # (model, our own terms) -> the @context with which an entity ends
        self._ends: dict[tuple[str, frozenset[str] | None], bytes] = {}
        self._has_taken = False
        self._has_batch = settings.batch != "never"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def upsert(self, items: Sequence[Item], attempt: int) -> Outcome:
        """Send a batch; where it is refused, its halves, down to the entity that is at fault."""
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
        self._counters.count(f"publish.{self._settings.name}.no_batch", "the broker has no batch interface")
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
            outcome = Outcome(rejections, parcel_of(Batch(tuple(again))), why)
        if unnamed:
            outcome = _merged(outcome, await self.alone(unnamed, attempt))
        return outcome

    async def alone(self, items: Sequence[Item], attempt: int) -> Outcome:
        """Send each entity as a batch of its own."""
        return await self._send_each([[item] for item in items], attempt)

    async def _send_each(self, parts: Sequence[Sequence[Item]], attempt: int) -> Outcome:
        """Send parts one after another (a batch names an entity once, so none overtakes itself)."""
        outcome = Outcome()
        for part in parts:
            outcome = _merged(outcome, await self.upsert(part, attempt))
        return outcome

    async def delete(self, parcel: Parcel, names: Sequence[str]) -> Outcome:
        """Delete entities; one that is not there is as good as deleted."""
        if self._has_batch:
            answer = await self._request("POST", DELETE, dumps(list(names)).encode())
            if isinstance(answer, str):
                return Outcome((), parcel, answer)
            if answer.status_code not in NO_BATCH:
                passes = judge(answer) is Verdict.RETRY
                return Outcome((), parcel if passes else None, reason(answer), retry_after_s(answer))
        for name in names:
            answer = await self._request("DELETE", f"{ENTITIES}/{quote(name, safe=':')}", b"")
            if isinstance(answer, str):
                return Outcome((), parcel, answer)
            if judge(answer) is Verdict.RETRY and answer.status_code != 404:
                return Outcome((), parcel, reason(answer), retry_after_s(answer))
        return Outcome()

    async def late(self, batch: Batch, attempt: int) -> Outcome:
        """Send an entity as history to the temporal interface."""
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
        # Thousands of entities: each is copied once on its way.
        if settings.encoding == "json":
            headers["content-type"] = "application/json"
            headers["link"] = (
                f'<{context_address(model, settings)}>; rel="http://www.w3.org/ns/json-ld#context"; '
                'type="application/ld+json"'
            )
            pieces = [piece for item in items for piece in (b",", item.text.encode())]
        else:
            headers["content-type"] = "application/ld+json"
            end = self._end_of(items)
            pieces = [piece for item in items for piece in (b",", item.text[:-1].encode(), end)]
        pieces[0] = b"[" if is_list else b""
        pieces.append(b"]" if is_list else b"")
        return await self._request(method, path, b"".join(pieces), headers)

    def _end_of(self, items: Sequence[Item]) -> bytes:
        """Return the end of an entity: @context with our own terms as far as these entities use them.

        All of them are three kilobytes, as much as an entity, and every entity of a batch has its own.
        """
        used = {item.own for item in items}
        names = None if None in used else frozenset[str]().union(*[own for own in used if own])
        key = items[0].model.type, names
        found = self._ends.get(key)
        if found is None:
            if len(self._ends) >= _MOST_CONTEXTS:
                self._ends.clear()
            context = body_context(items[0].model, self._settings, names)
            found = self._ends[key] = f',"@context":{dumps(context)}}}'.encode()
        return found

    async def _request(
        self, method: str, path: str, content: bytes, headers: dict[str, str] | None = None
    ) -> httpx.Response | str:
        headers = headers or {"content-type": "application/json"}
        return await self._client.request(method, path, content, headers)


def parcel_of(batch: Batch) -> Parcel:
    """Return what the follower keeps of a batch: its rows, or records where all are whole."""
    whole = [item.part for item in batch.items if item.part is not None]
    if whole and len(whole) == len(batch.items):
        return Parcel(RecordRows(whole), batch)
    return Parcel(tuple(row for item in batch.items for row in item.rows), batch)


def _again(items: Sequence[Item], why: str, after_s: float | None = None, is_late: bool = False) -> Outcome:
    return Outcome((), parcel_of(Batch(tuple(items), is_late)), why, after_s)


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
        parcel_of(Batch(tuple(items))) if items else None,
        first.reason or second.reason,
        max(waits) if waits else None,
    )

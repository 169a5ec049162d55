"""SensorThings by MQTT (OGC 18-088, clause 14): updates of what was subscribed to, and observations in.

A message stands under each address that a subscriber may have named, below `v1.1/`: the collection, the
entity, the collection of its Datastream or FeatureOfInterest. Its content is the entity as GET answers it.
Whoever may write creates an observation by publishing to `v1.1/Observations` or to
`v1.1/Datastreams(id)/Observations`; MQTT has no answer, so one that is refused is counted and told in the
status.

The messages go to a broker of the house (`mqtt_host`), or this server is the broker (`mqtt_listen`).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Packed, Parcel
from gateway.publish.mqtt_link import BrokerSettings, Message, MqttLink
from gateway.publish.sensorthings_server.catalogue import Catalogue, stable_id
from gateway.publish.sensorthings_server.core import Core
from gateway.publish.sensorthings_server.model import Entity, Refused
from gateway.publish.sensorthings_server.options import Options
from gateway.publish.sensorthings_server.reading import Writer
from gateway.publish.sensorthings_server.service import observations_of
from gateway.publish.sitebook import News

ROOT = "v1.1/"
PARCEL_ROWS = 200
CREATE = re.compile(r"(?:(?:Datastreams|FeaturesOfInterest)\(\d{1,19}\)/)?Observations")
MAX_WAITING = 10_000  # written entities whose messages wait for a broker


class Broker(Protocol):
    """Where messages go."""

    async def publish(self, messages: Sequence[Message]) -> str:
        """Return "" when they are handed over, else why not."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class SensorThingsMqtt:
    """Publisher of one server's updates: ours from the store, others' as they are written."""

    from_now = True  # who subscribes wants what comes, not the history

    def __init__(self, core: Core, counters: Counters) -> None:
        self._core = core
        self._settings = core.settings
        self._counters = counters
        self._base = self._settings.public_url.rstrip("/") + "/sta/v1.1"
        self._broker: Broker = _link(core, self.create) if self._settings.mqtt_host else _Own(core, self)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: asyncio.Queue[Entity] = asyncio.Queue(MAX_WAITING)
        self._tasks: list[asyncio.Task[None]] = []
        self.chunk_rows = PARCEL_ROWS

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    @property
    def port(self) -> int:
        """Return the port on which this server is the broker, 0 where it is not."""
        return self._broker.port if isinstance(self._broker, _Own) else 0

    async def open(self) -> None:
        """Begin to listen, for subscribers and for what is written; raise ConfigError."""
        self._loop = asyncio.get_running_loop()
        self._core.listen(self._written)
        works = [self._tell()]
        if isinstance(self._broker, _Own):
            await self._broker.open()
        elif self._settings.writable and isinstance(self._broker, MqttLink):
            works.append(self._broker.listen())
        self._tasks = [asyncio.create_task(work, name="meetnet-sensorthings-mqtt") for work in works]

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make messages in store order."""
        service = self._core.service
        catalogue = service.catalogue()
        parcels: list[Parcel] = []
        for at in range(0, len(rows), PARCEL_ROWS):
            messages: list[Message] = []
            for row in rows[at : at + PARCEL_ROWS]:
                found = observations_of(row, catalogue)
                if not found and row.value is not None:  # the first of a new series
                    service.changed()
                    catalogue = service.catalogue()
                    found = observations_of(row, catalogue)
                for one in found:
                    messages += self._messages(catalogue, one)
            parcels.append(Parcel(tuple(rows[at : at + PARCEL_ROWS]), messages))
        return Packed(parcels)

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Make messages of the entities of changed sites."""
        self._core.service.changed()
        catalogue = self._core.service.catalogue()
        entities: list[Entity] = []
        for site in news.changed:
            for kind in ("Things", "Locations", "FeaturesOfInterest"):
                found = catalogue.entities[kind].get(stable_id(kind, site.site_id))
                entities += [found] if found else []
            entities += [
                catalogue.entities["Datastreams"][number]
                for stream, number in catalogue.datastreams.items()
                if stream.site_id == site.site_id
            ]
        messages = [message for one in entities for message in self._messages(catalogue, one)]
        return [Parcel((), messages)] if messages else []

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one parcel."""
        why = await self._broker.publish(parcel.content)
        return Outcome((), parcel, why) if why else Outcome()

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._broker.close()

    async def create(self, topic: str, payload: bytes) -> None:
        """Create an observation that somebody published; what cannot be is counted."""
        path = topic.removeprefix(ROOT)
        editor = self._core.editor
        if editor is None or not topic.startswith(ROOT) or CREATE.fullmatch(path) is None:
            self._refuse(topic, "observations are created under v1.1/[Datastreams(id)/]Observations")
            return
        try:
            found: Any = json.loads(payload)
        except (ValueError, RecursionError):
            self._refuse(topic, "the message is not JSON")
            return
        if isinstance(found, dict) and "@iot.selfLink" in found:
            return  # an update that a server sent, ours or another's: nothing to create
        body = cast("Any", found)
        try:
            await asyncio.get_running_loop().run_in_executor(None, lambda: editor.post(path, body))
        except Refused as error:
            self._refuse(topic, str(error))

    # -- within

    def _refuse(self, topic: str, why: str) -> None:
        self._counters.count(f"publish.{self.name}.mqtt_refused", f"{topic[:80]!r}: {why}"[:200])

    def _messages(self, catalogue: Catalogue, entity: Entity) -> list[Message]:
        content = Writer(self._core.service, catalogue, self._base).entity(entity, Options())
        payload = _json(content)
        return [Message(topic, payload) for topic in topics(entity)]

    def _written(self, entity: Entity) -> None:
        """Take what was written, in whatever thread that was."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._queue, entity)

    def _queue(self, entity: Entity) -> None:
        if self._waiting.full():
            self._counters.count(f"publish.{self.name}.mqtt_forgotten", "the broker is away for too long")
        else:
            self._waiting.put_nowait(entity)

    async def _tell(self) -> None:
        """Tell what others wrote. It is in the database: a message that is lost is no lost observation."""
        loop = asyncio.get_running_loop()
        while True:
            entity = await self._waiting.get()
            catalogue = await loop.run_in_executor(None, self._core.service.catalogue)
            messages = self._messages(catalogue, entity)
            for wait_s in (1.0, 5.0, 30.0, 300.0):
                if not await self._broker.publish(messages):
                    break
                await asyncio.sleep(wait_s)


class _Own:
    """This server as the broker."""

    def __init__(self, core: Core, sender: SensorThingsMqtt) -> None:
        from gateway.publish.sensorthings_server.mqtt_broker import SubscriberBroker

        self._core = core
        self._broker = SubscriberBroker(core.settings, sender.create)

    @property
    def port(self) -> int:
        return self._broker.port

    async def open(self) -> None:
        await self._broker.start()

    async def publish(self, messages: Sequence[Message]) -> str:
        for message in messages:
            for topic, payload in selections(message, self._broker.filters()):
                await self._broker.tell(topic, payload)
        return ""

    async def close(self) -> None:
        await self._broker.close()


def topics(entity: Entity) -> Iterable[str]:
    """Yield the addresses below the root under which an entity is subscribed to."""
    kind = entity.type
    yield ROOT + kind.name
    yield f"{ROOT}{kind.name}({entity.id})"
    for relation in kind.relations.values():
        # Below the entities that it belongs to, by the name that it has there.
        for other in entity.links.get(relation.name, ()):
            yield f"{ROOT}{relation.type}({other})/{relation.back}"


def selections(message: Message, filters: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    """Yield a message under its topic, its single properties, and `?$select=` of it, as subscribed to."""
    yield message.topic, message.payload
    start, query = message.topic + "/", message.topic + "?"
    wanted = [one for one in filters if one.startswith((start, query))]
    if not wanted:
        return
    content: dict[str, Any] = json.loads(message.payload)
    for topic in wanted:
        if topic.startswith(query):
            option, _, names = topic[len(query) :].partition("=")
            if option in ("$select", "%24select"):
                chosen = {name.strip() for name in names.split(",")}
                yield topic, _json({name: one for name, one in content.items() if name in chosen})
        elif (name := topic[len(start) :]) in content:
            yield topic, _json({name: content[name]})


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _link(core: Core, create: Any) -> MqttLink:
    s = core.settings
    where = BrokerSettings(
        s.mqtt_host,
        s.mqtt_port,
        s.mqtt_username,
        s.mqtt_password,
        s.mqtt_tls,
        client_id=f"meetnet-{s.name}" if s.writable else "",
        subscribe=(f"{ROOT}Observations", f"{ROOT}+/Observations") if s.writable else (),
    )
    return MqttLink(where, create)

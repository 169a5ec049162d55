"""A persistent session at a broker: connect, take messages, publish, connect again, for ever.

A message that its taker cannot keep stays unacknowledged, with all behind it: the connection is dropped
and the broker sends them again. The session's name never changes, so nothing that waits there is lost.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.ingest.mqtt.connection import Connection, MqttSettings, VersionRefusedError, versions
from gateway.ingest.mqtt.packets import LONGEST, Message
from gateway.model import BatchSink, Uplink

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
PUBLISH_S = 10.0


class BrokerSession:
    """Create, `await start()`, `await close()`. `name` begins the names of its counters.

    Subclasses say what a message is: `read` returns its uplink, None for one that carries none, and raises
    IngestError for one that can never be used: it is counted under its cause and acknowledged.
    """

    def __init__(
        self, settings: MqttSettings, topics: Sequence[str], sink: BatchSink, counters: Counters, name: str
    ) -> None:
        self._settings = settings
        share = f"$share/{settings.group}/" if settings.group else ""
        self._topics = [share + topic for topic in topics]
        self._sink = sink
        self._counters = counters
        self._name = name
        self._version = versions(settings)
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._stop = asyncio.Event()
        self._subscribed = asyncio.Event()

    def read(self, topic: str, payload: bytes) -> Uplink | None:
        """Return what a message holds."""
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """Whether messages are coming in."""
        return self._subscribed.is_set()

    async def start(self) -> None:
        """Begin to connect, and go on trying for ever."""
        self._task = asyncio.create_task(self._stay_connected(), name=f"meetnet-{self._name}")

    async def subscribed(self) -> None:
        """Return when the broker has confirmed the subscriptions."""
        await self._subscribed.wait()

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Publish with QoS 1; True once the broker has acknowledged it, False when it cannot be told so."""
        if self._connection is None or not self.connected:
            return False
        try:
            async with asyncio.timeout(PUBLISH_S):
                return await self._connection.publish(topic, payload)
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Acknowledge what is durable and leave; the session stays at the broker."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def take(self, messages: Sequence[Message]) -> bool:
        """Return True when messages are durable or can never be, False when the disk refuses."""
        uplinks: list[Uplink] = []
        for message in messages:
            try:
                uplink = self._open(message)
            except IngestError as error:
                self._counters.count(error.cause, str(error))
                continue
            except (sqlite3.Error, OSError) as error:  # the register cannot be asked: nobody's fault but ours
                self._counters.count(f"{self._name}_register_failed", str(error))
                return False
            except Exception as error:  # a fault of ours with one message must not stop the others
                self._counters.count(f"{self._name}_internal_error", repr(error))
                continue
            if uplink is not None:
                uplinks.append(uplink)
        if not uplinks:
            return True
        try:
            refused = await self._sink.accept_all(uplinks)
        except StoreError:  # counted where it happened
            return False
        for error in refused:
            self._counters.count(error.cause, str(error))
        if len(uplinks) > len(refused):
            self._counters.count(f"{self._name}_uplinks", n=len(uplinks) - len(refused))
        return True

    def _open(self, message: Message) -> Uplink | None:
        try:
            topic = message.topic.decode()
        except UnicodeDecodeError:
            raise IngestError(f"{self._name}_topic", f"{message.topic[:80]!r} is no text") from None
        if message.payload is None:
            raise IngestError(
                f"{self._name}_too_long", f"{topic[:80]}: {message.size} bytes, {LONGEST} are taken"
            )
        return self.read(topic, message.payload)

    async def _stay_connected(self) -> None:
        where = f"broker {self._settings.host}:{self._settings.port}"
        failures = 0
        while not self._stop.is_set():
            was_connected = False
            try:
                was_connected = await self._connect_once(where)
            except VersionRefusedError as error:
                if len(self._version) > 1:  # the same broker again, in its own version
                    self._version = self._version[1:]
                    continue
                self._counters.count(f"{self._name}_unreachable", f"{where}: {error}")
            except (OSError, ValueError, TimeoutError) as error:
                self._counters.count(f"{self._name}_unreachable", f"{where}: {error or 'no answer'}")
            finally:
                self._connection = None
            failures = 0 if was_connected else failures + 1
            try:
                async with asyncio.timeout(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]):
                    await self._stop.wait()
            except TimeoutError:
                continue

    async def _connect_once(self, where: str) -> bool:
        """Serve one connection to its end; return whether it got as far as the subscription."""
        connection = Connection(self._settings, self._version[0], self._topics, self.take, self._subscribed)
        self._connection = connection
        await connection.open()
        why = await connection.serve(self._stop)
        if why:
            self._counters.count(f"{self._name}_disconnected", f"{where}: {why}")
        return connection.was_subscribed

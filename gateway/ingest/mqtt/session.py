"""A persistent session at a broker: connect, take messages, publish, connect again, for ever.

A message that its taker cannot keep stays unacknowledged, with all behind it: the connection is dropped
and the broker sends them again. The session's name never changes, so nothing that waits there is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.counters import Counters
from gateway.ingest.mqtt.connection import Connection, MqttSettings, Take

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
PUBLISH_S = 10.0


class BrokerSession:
    """Create, `await start()`, `await close()`. `name` begins the names of its counters."""

    def __init__(
        self, settings: MqttSettings, topics: Sequence[str], take: Take, counters: Counters, name: str
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._take = take
        self._counters = counters
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._stop = asyncio.Event()
        self._subscribed = asyncio.Event()

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
            return await asyncio.wait_for(self._connection.publish(topic, payload), PUBLISH_S)
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Acknowledge what is durable and leave; the session stays at the broker."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _stay_connected(self) -> None:
        where = f"broker {self._settings.host}:{self._settings.port}"
        failures = 0
        while not self._stop.is_set():
            was_connected = False
            try:
                self._connection = Connection(self._settings, self._topics, self._take, self._subscribed)
                await self._connection.open()
                why = await self._connection.serve(self._stop)
                was_connected = self._connection.was_subscribed
                if why:
                    self._counters.count(f"{self._name}_disconnected", f"{where}: {why}")
            except (OSError, ValueError) as error:
                self._counters.count(f"{self._name}_unreachable", f"{where}: {error}")
            finally:
                self._connection = None
            failures = 0 if was_connected else failures + 1
            try:
                await asyncio.wait_for(self._stop.wait(), BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            except TimeoutError:
                continue

"""Ingest from an MQTT broker: a persistent session whose messages are acknowledged once they are durable.

A message that cannot be used (wrong topic, foreign device) is counted and acknowledged, so that it does
not come back for ever. One that the disk refuses stays unacknowledged, with all behind it: the connection
is dropped and the broker sends them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.ingest.mqtt.connection import Connection, MqttSettings
from gateway.ingest.mqtt.topics import uplink_of
from gateway.model import UplinkSink

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)


class MqttIngest:
    """Create, `await start()`, `await close()`. `is_registered` says whether a DevEUI is known."""

    def __init__(
        self,
        sink: UplinkSink,
        is_registered: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
        settings: MqttSettings,
    ) -> None:
        self._sink = sink
        self._is_registered = is_registered
        self._clock = clock
        self._counters = counters
        self._settings = settings
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._subscribed = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether messages are coming in."""
        return self._subscribed.is_set()

    async def start(self) -> None:
        """Begin to connect, and go on trying for ever."""
        self._task = asyncio.create_task(self._stay_connected(), name="meetnet-mqtt")

    async def subscribed(self) -> None:
        """Return when the broker has confirmed the subscription."""
        await self._subscribed.wait()

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
                connection = Connection(self._settings, self._take, self._subscribed)
                await connection.open()
                why = await connection.serve(self._stop)
                was_connected = connection.was_subscribed
                if why:
                    self._counters.count("ingest.mqtt_disconnected", f"{where}: {why}")
            except (OSError, ValueError) as error:
                self._counters.count("ingest.mqtt_unreachable", f"{where}: {error}")
            failures = 0 if was_connected else failures + 1
            try:
                await asyncio.wait_for(self._stop.wait(), BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            except TimeoutError:
                continue

    async def _take(self, topic: str, payload: bytes) -> bool:
        """Return True when a message is durable or can never be, False when the disk refuses."""
        try:
            uplink = uplink_of(topic, payload, self._clock.now_ms())
            if not self._is_registered(uplink.dev_eui):
                raise IngestError("ingest.mqtt_foreign", f"{uplink.dev_eui} is not registered")
            await self._sink.accept(uplink)
        except IngestError as error:
            self._counters.count(error.cause, str(error))
            return True
        except StoreError:  # counted where it happened
            return False
        self._counters.count("ingest.mqtt_uplinks")
        return True

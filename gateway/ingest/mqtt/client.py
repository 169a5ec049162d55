"""Ingest of the nodes' own messages from an MQTT broker, acknowledged once they are durable.

A message that cannot be used (wrong topic, foreign device) is counted and acknowledged, so that it does
not come back for ever. One that the disk refuses stays unacknowledged: see session.py.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.ingest.mqtt.connection import MqttSettings
from gateway.ingest.mqtt.session import BrokerSession
from gateway.ingest.mqtt.topics import SUBSCRIPTION, uplink_of
from gateway.model import UplinkSink


class MqttIngest(BrokerSession):
    """Create, `await start()`, `await close()`. `is_registered` says whether a DevEUI is known."""

    def __init__(
        self,
        sink: UplinkSink,
        is_registered: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
        settings: MqttSettings,
    ) -> None:
        super().__init__(settings, (SUBSCRIPTION,), self._take_message, counters, "ingest.mqtt")
        self._sink = sink
        self._is_registered = is_registered
        self._clock = clock

    async def _take_message(self, topic: str, payload: bytes) -> bool:
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

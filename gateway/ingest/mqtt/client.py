"""The nodes' own messages from an MQTT broker, acknowledged once they are durable, and commands back.

A message that cannot be used (wrong topic, foreign device) is counted and acknowledged, so that it does
not come back for ever. One that the disk refuses stays unacknowledged: see session.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import DownlinkError, IngestError
from gateway.ingest.mqtt.connection import MqttSettings
from gateway.ingest.mqtt.session import BrokerSession
from gateway.ingest.mqtt.topics import SUBSCRIPTION, uplink_of
from gateway.model import BatchSink, Uplink
from wire import ports


class MqttIngest(BrokerSession):
    """Create, `await start()`, `await close()`. `is_registered` says whether a DevEUI is known."""

    def __init__(
        self,
        sink: BatchSink,
        is_registered: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
        settings: MqttSettings,
    ) -> None:
        super().__init__(settings, (SUBSCRIPTION,), sink, counters, "ingest.mqtt")
        self._is_registered = is_registered
        self._clock = clock
        self._heard_ms: dict[str, int] = {}

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard through here, None when it never was."""
        return self._heard_ms.get(dev_eui)

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Hand a command to the broker, which keeps it in the node's session while the node is away."""
        if not await self.publish(ports.mqtt_command_topic(dev_eui, f_port), payload):
            raise DownlinkError("the broker did not take the command: check that it runs")
        self._counters.count("ingest.mqtt_downlinks")
        return secrets.token_hex(4)

    def read(self, topic: str, payload: bytes) -> Uplink:
        """Return the uplink of a message; raise IngestError."""
        uplink = uplink_of(topic, payload, self._clock.now_ms())
        if not self._is_registered(uplink.dev_eui):
            raise IngestError("ingest.mqtt_foreign", f"{uplink.dev_eui} is not registered")
        self._heard_ms[uplink.dev_eui] = uplink.received_at_ms
        return uplink

"""The Things Stack v3 over its MQTT server: uplinks in, events noted, downlinks out.

Its server publishes with QoS 0 only: what is sent while the connection is down is in its Storage
Integration, not here. Everything else is as with any broker (gateway/ingest/mqtt/session.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import DownlinkError, IngestError
from gateway.ingest import lns_json
from gateway.ingest.device_events import DeviceEvents
from gateway.ingest.mqtt import BrokerSession, MqttSettings
from gateway.ingest.ttn.events import Event, decode_event, push
from gateway.ingest.ttn.uplinks import EVENTS, decode_message, parse_topic
from gateway.model import BatchSink, Uplink

_BAD = ("down/failed", "down/nack")


class TtnIngest(BrokerSession):
    """Create, `await start()`, `await close()`. It is also the way to the devices that it hears.

    settings.username is `application@tenant` (`application` alone on an installation without tenants).
    """

    name = "ttn"

    def __init__(
        self,
        sink: BatchSink,
        is_registered: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
        settings: MqttSettings,
        wants_object: Callable[[str], bool] = lambda dev_eui: False,
    ) -> None:
        """wants_object: whether what The Things Stack decoded of a device's frames goes to the log too."""
        self._root = f"v3/{settings.username}/devices"
        topics = [f"{self._root}/+/{event}" for event in sorted(EVENTS)]
        super().__init__(settings, topics, sink, counters, "ingest.ttn")
        self._is_registered = is_registered
        self._wants_object = wants_object
        self._clock = clock
        self._ids: dict[str, str] = {}  # DevEUI -> device id
        self._euis: dict[str, str] = {}
        self._heard_ms: dict[str, int] = {}
        self.events = DeviceEvents()

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard through here, None when it never was."""
        return self._heard_ms.get(dev_eui)

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Hand a downlink to The Things Stack's queue; its id comes back in the events down/*.

        A device that was not heard yet is taken to have the id that its console proposes, and that
        `meetnet device export` writes: eui-<DevEUI>.
        """
        device_id = self._ids.get(dev_eui, f"eui-{dev_eui}")
        item_id = str(uuid.uuid4())
        body = push(item_id, f_port, payload, confirmed)
        if not await self.publish(f"{self._root}/{device_id}/down/push", body):
            raise DownlinkError(
                "the broker of The Things Stack did not take the downlink: check the connection"
            )
        self._counters.count("ingest.ttn_downlinks")
        return item_id

    def status(self) -> dict[str, Any]:
        """Return whether it is connected, and the newest events of each device."""
        return {"connected": self.connected, "devices": self.events.all()}

    def read(self, topic: str, payload: bytes) -> Uplink | None:
        """Return the uplink of a message, None for an event without one; raise IngestError."""
        _, device_id, kind = parse_topic(topic)
        now_ms = self._clock.now_ms()
        if kind != "up":
            self._note(decode_event(kind, device_id, payload, now_ms))
            return None
        uplink = decode_message(topic, payload, now_ms)
        if uplink is None:
            return None
        self._check_registered(uplink.dev_eui)
        self._ids[uplink.dev_eui], self._euis[device_id] = device_id, uplink.dev_eui
        self._heard_ms[uplink.dev_eui] = max(self._heard_ms.get(uplink.dev_eui, 0), uplink.received_at_ms)
        return lns_json.with_object(uplink, payload) if self._wants_object(uplink.dev_eui) else uplink

    def _check_registered(self, dev_eui: str) -> None:
        if not self._is_registered(dev_eui):
            raise IngestError("ingest.ttn_foreign", f"{dev_eui} is not registered")

    def _note(self, event: Event) -> None:
        dev_eui = event.dev_eui or self._euis.get(event.device_id, "")
        if dev_eui:
            self._check_registered(dev_eui)
            self._ids[dev_eui], self._euis[event.device_id] = event.device_id, dev_eui
            self.events.note(dev_eui, event.kind, event.at_ms, **event.facts)
        what = event.kind.replace("down/", "downlink_").replace("/", "_")
        detail = (
            f"{event.device_id}: {event.facts.get('error', 'not acknowledged')}" if event.kind in _BAD else ""
        )
        self._counters.count(f"ingest.ttn_{what}", detail)

"""ChirpStack v4 over its MQTT integration: uplinks in, events noted, downlinks out.

A message that cannot be used is counted and acknowledged; one that the disk refuses stays unacknowledged
and comes again (gateway/ingest/mqtt/session.py).
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from typing import Any

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import DownlinkError, IngestError
from gateway.ingest import lns_json
from gateway.ingest.chirpstack.downlinks import command_json, command_protobuf, command_topic
from gateway.ingest.chirpstack.events import Event, decode_event
from gateway.ingest.chirpstack.uplinks import as_json, decode_up, is_json, parse_topic
from gateway.ingest.device_events import DeviceEvents
from gateway.ingest.mqtt import BrokerSession, MqttSettings
from gateway.model import BatchSink, Uplink


class ChirpStackIngest(BrokerSession):
    """Create, `await start()`, `await close()`. It is also the way to the devices that it hears."""

    name = "chirpstack"

    def __init__(
        self,
        sink: BatchSink,
        is_registered: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
        settings: MqttSettings,
        application_id: str = "",
        wants_object: Callable[[str], bool] = lambda dev_eui: False,
    ) -> None:
        """application_id: only this application; empty takes all that the broker lets this user read.

        wants_object: whether what ChirpStack decoded of a device's frames goes to the log with them.
        """
        topic = f"application/{application_id or '+'}/device/+/event/+"
        super().__init__(settings, (topic,), sink, counters, "ingest.chirpstack")
        self._is_registered = is_registered
        self._wants_object = wants_object
        self._clock = clock
        self._application_id = application_id
        self._usual = ""  # the application of the first device that was heard
        self._applications: dict[str, str] = {}  # of devices that are in another
        self._heard_ms: dict[str, int] = {}
        self._json = True
        self.events = DeviceEvents()

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard through here, None when it never was."""
        return self._heard_ms.get(dev_eui)

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Hand a downlink to ChirpStack's queue; its id comes back in the events ack and txack."""
        application_id = self._application_of(dev_eui)
        if not application_id:
            raise DownlinkError(
                f"{dev_eui} was not heard through ChirpStack yet: let it speak, "
                "or set chirpstack.application_id"
            )
        item_id = str(uuid.uuid4())
        command = command_json if self._json else command_protobuf
        body = command(item_id, dev_eui, f_port, payload, confirmed)
        if not await self.publish(command_topic(application_id, dev_eui), body):
            raise DownlinkError("the broker of ChirpStack did not take the downlink: check that it runs")
        self._counters.count("ingest.chirpstack_downlinks")
        return item_id

    def status(self) -> dict[str, Any]:
        """Return whether it is connected, and the newest events of each device."""
        return {"connected": self.connected, "devices": self.events.all()}

    def read(self, topic: str, payload: bytes) -> Uplink | None:
        """Return the uplink of a message, None for an event without one; raise IngestError."""
        application_id, dev_eui, kind = parse_topic(topic, self._heard_ms)
        if not self._is_registered(dev_eui):
            raise IngestError("ingest.chirpstack_foreign", f"{dev_eui} is not registered")
        self._json = is_json(payload)
        self._belongs(dev_eui, application_id, kind)
        if kind != "up":
            self._note(decode_event(kind, dev_eui, payload, self._clock.now_ms()))
            return None
        uplink = decode_up(dev_eui, payload, self._clock.now_ms())
        if uplink is not None:
            # By the time on it: a persistent session brings old messages after a restart.
            self._heard_ms[dev_eui] = max(self._heard_ms.get(dev_eui, 0), uplink.received_at_ms)
            if self._wants_object(dev_eui):
                uplink = lns_json.with_object(uplink, as_json("up", payload))
        return uplink

    def _belongs(self, dev_eui: str, application_id: str, kind: str) -> None:
        """Keep the application of a device; most that send are in one, which is kept once."""
        if not self._usual:
            self._usual = application_id
        if application_id != self._usual or (kind != "up" and dev_eui not in self._heard_ms):
            self._applications[dev_eui] = sys.intern(application_id)
        elif self._applications:
            self._applications.pop(dev_eui, None)

    def _application_of(self, dev_eui: str) -> str:
        if dev_eui in self._applications:
            return self._applications[dev_eui]
        return self._usual if dev_eui in self._heard_ms else self._application_id

    def _note(self, event: Event) -> None:
        self.events.note(event.dev_eui, event.kind, event.at_ms, **event.facts)
        detail = ""
        name = f"ingest.chirpstack_{event.kind}"
        if event.kind == "log" and event.facts["level"] in ("ERROR", "WARNING"):
            name = f"ingest.chirpstack_log_{event.facts['level'].lower()}"
            detail = f"{event.dev_eui}: {event.facts['code']}: {event.facts['description']}"
        if event.kind == "ack" and not event.facts["acknowledged"]:
            name, detail = "ingest.chirpstack_not_acknowledged", f"{event.dev_eui}: {event.facts['id']}"
        self._counters.count(name, detail)

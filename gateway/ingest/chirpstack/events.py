"""What ChirpStack says of a device beside its uplinks: join, status, ack, txack, log, location.

These events are counted and the newest of each is shown by `meetnet status`; none is a measurement. The
location that ChirpStack resolves stays in the house: a site has its position from the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import IngestError
from gateway.ingest import lns_json
from gateway.ingest.chirpstack.uplinks import as_json

_CAUSE = "ingest.chirpstack_malformed"


class _Location(msgspec.Struct, rename="camel"):
    source: str | int = "UNKNOWN"
    accuracy: float | str = 0.0


class _DeviceInfo(msgspec.Struct, rename="camel"):
    dev_eui: str = ""


class _Event(msgspec.Struct, rename="camel"):
    device_info: _DeviceInfo
    time: str | None = None
    dev_addr: str = ""
    queue_item_id: str = ""
    acknowledged: bool = False
    f_cnt_down: int = 0
    gateway_id: str = ""
    level: str | int = "INFO"
    code: str | int = "UNKNOWN"
    description: str = ""
    margin: int = 0
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: float | str = 0.0
    location: _Location | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a device. facts: what the status page shows of it."""

    kind: str
    dev_eui: str
    at_ms: int
    facts: dict[str, Any]


def decode_event(kind: str, dev_eui: str, payload: bytes, arrived_ms: int) -> Event:
    """Return an event; IngestError when it is not what it claims to be."""
    found = lns_json.decode(as_json(kind, payload), _Event, _CAUSE)
    if lns_json.eui(found.device_info.dev_eui, _CAUSE) != dev_eui:
        raise IngestError(_CAUSE, f"the topic is of {dev_eui}, the event of another device")
    return Event(kind, dev_eui, lns_json.received_ms(found.time, arrived_ms), _facts(kind, found))


def _facts(kind: str, found: _Event) -> dict[str, Any]:
    match kind:
        case "join":
            return {"dev_addr": found.dev_addr}
        case "ack":
            return {
                "id": found.queue_item_id,
                "acknowledged": found.acknowledged,
                "f_cnt_down": found.f_cnt_down,
            }
        case "txack":
            return {
                "id": found.queue_item_id,
                "f_cnt_down": found.f_cnt_down,
                "gateway_id": found.gateway_id,
            }
        case "log":
            return {"level": found.level, "code": found.code, "description": found.description[:200]}
        case "status":
            return {"margin_db": found.margin, **_battery(found)}
        case "location" if found.location:
            return {
                "source": found.location.source,
                "accuracy_m": lns_json.number(found.location.accuracy),
            }
        case _:
            return {}


def _battery(found: _Event) -> dict[str, Any]:
    if found.external_power_source:
        return {"power": "external"}
    level = None if found.battery_level_unavailable else lns_json.number(found.battery_level)
    return {"power": "battery", "battery_percent": level}

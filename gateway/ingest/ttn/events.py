"""What The Things Stack says of a device beside its uplinks: joins, the fate of downlinks, locations.

Counted, and the newest of each is shown by `meetnet status`; none is a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import IngestError
from gateway.ingest import lns_json

_CAUSE = "ingest.ttn_malformed"
_OWN = "meetnet:"


class _Ids(msgspec.Struct):
    device_id: str = ""
    dev_eui: str = ""
    dev_addr: str = ""


class _Downlink(msgspec.Struct):
    f_port: int = 0
    f_cnt: int = 0
    correlation_ids: list[str] = msgspec.field(default_factory=list[str])


class _Error(msgspec.Struct):
    name: str = ""
    message_format: str = ""


class _Failed(msgspec.Struct):
    downlink: _Downlink | None = None
    error: _Error | None = None


class _Location(msgspec.Struct):
    service: str = ""


class _Event(msgspec.Struct):
    end_device_ids: _Ids
    received_at: str | None = None
    correlation_ids: list[str] = msgspec.field(default_factory=list[str])
    downlink_queued: _Downlink | None = None
    downlink_sent: _Downlink | None = None
    downlink_ack: _Downlink | None = None
    downlink_nack: _Downlink | None = None
    downlink_failed: _Failed | None = None
    location_solved: _Location | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a device. dev_eui is empty where the message names the device by its id only."""

    kind: str
    device_id: str
    dev_eui: str
    at_ms: int
    facts: dict[str, Any]


def decode_event(kind: str, device_id: str, payload: bytes, arrived_ms: int) -> Event:
    """Return an event; IngestError when it is not what it claims to be."""
    found = lns_json.decode(payload, _Event, _CAUSE)
    ids = found.end_device_ids
    if ids.device_id != device_id:
        raise IngestError(_CAUSE, f"the topic is of {device_id}, the message of another device")
    dev_eui = lns_json.eui(ids.dev_eui, _CAUSE) if ids.dev_eui else ""
    at_ms = lns_json.received_ms(found.received_at, arrived_ms)
    return Event(kind, device_id, dev_eui, at_ms, _facts(kind, found))


def _facts(kind: str, found: _Event) -> dict[str, Any]:
    if kind == "join":
        return {"dev_addr": found.end_device_ids.dev_addr}
    if kind == "down/failed":
        failed = found.downlink_failed or _Failed()
        error = failed.error or _Error()
        return {**_id(failed.downlink, found), "error": error.name, "text": error.message_format[:200]}
    if kind.startswith("down/"):
        downlink: _Downlink | None = getattr(found, kind.replace("down/", "downlink_"), None)
        return {**_id(downlink, found), "f_cnt_down": downlink.f_cnt if downlink else 0}
    return {"source": found.location_solved.service} if found.location_solved else {}


def _id(downlink: _Downlink | None, found: _Event) -> dict[str, str]:
    """Return our own id of a downlink, if it is one of ours."""
    for name in [*(downlink.correlation_ids if downlink else ()), *found.correlation_ids]:
        if name.startswith(_OWN):
            return {"id": name.removeprefix(_OWN)}
    return {}


def push(item_id: str, f_port: int, payload: bytes, confirmed: bool) -> bytes:
    """Return the message that adds one downlink to a device's queue (`down/push`)."""
    return msgspec.json.encode(
        {
            "downlinks": [
                {
                    "f_port": f_port,
                    "frm_payload": payload,
                    "confirmed": confirmed,
                    "priority": "NORMAL",
                    "correlation_ids": [_OWN + item_id],
                }
            ]
        }
    )

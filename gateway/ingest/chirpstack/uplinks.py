"""One MQTT message of ChirpStack v4 into an Uplink (api/proto/integration/integration.proto).

JSON (`json=true` in chirpstack.toml) and protobuf are told apart by their first byte.

proto3 JSON leaves out what is 0, false or empty unless the server emits defaults: every field has one.
"""

from __future__ import annotations

import re
from collections.abc import Container

import msgspec

from gateway.errors import IngestError
from gateway.ingest import lns_json
from gateway.ingest.chirpstack import strict
from gateway.ingest.chirpstack.protobuf import to_json
from gateway.ingest.chirpstack.schema import EVENTS
from gateway.model import Reception, Uplink

_TOPIC = re.compile(r"(?:.*/)?application/([^/]+)/device/([0-9A-Fa-f]{16})/event/([a-z]+)")
_CAUSE = "ingest.chirpstack_malformed"
_WORDS = ["application", "device", "event"]
_ABSENT = msgspec.Raw()


class _DeviceInfo(msgspec.Struct, rename="camel"):
    dev_eui: str = ""


class _Lora(msgspec.Struct, rename="camel"):
    bandwidth: int = 0
    spreading_factor: int = 0


class _Modulation(msgspec.Struct, rename="camel"):
    lora: _Lora | None = None


class _TxInfo(msgspec.Struct, rename="camel"):
    frequency: int = 0
    modulation: _Modulation | None = None


class _RxInfo(msgspec.Struct, rename="camel"):
    gateway_id: str = ""
    rssi: int | float | None = None
    snr: float | str = 0.0
    gw_time: str | None = None
    ns_time: str | None = None


class _Uplink(msgspec.Struct, rename="camel"):
    device_info: _DeviceInfo
    time: str | None = None
    f_cnt: int = 0
    f_port: int = 0
    data: bytes = b""
    rx_info: list[msgspec.Raw] = msgspec.field(default_factory=list[msgspec.Raw])
    tx_info: msgspec.Raw = _ABSENT
    join_server_context: msgspec.Raw = _ABSENT


def parse_topic(topic: str, known: Container[str] = ()) -> tuple[str, str, str]:
    """Return (application id, DevEUI, event) of an integration topic, with or without a prefix.

    known: DevEUIs that need not be looked at once more.
    """
    parts = topic.split("/")
    if len(parts) == 6 and parts[3] in known and parts[5] in EVENTS and parts[::2] == _WORDS:
        return parts[1], parts[3], parts[5]
    match = _TOPIC.fullmatch(topic)
    if match is None or match[3] not in EVENTS:
        raise IngestError("ingest.chirpstack_topic", f"{topic[:100]!r} is no device event of ChirpStack v4")
    return match[1], match[2].lower(), match[3]


def is_json(payload: bytes) -> bool:
    """Tell JSON from protobuf: as a protobuf key, "{" would begin a group, which proto3 does not have."""
    return payload[:1] == b"{"


def as_json(event: str, payload: bytes, cause: str = _CAUSE) -> bytes:
    """Return an event in its JSON form, whichever it came in; IngestError under `cause`."""
    return payload if is_json(payload) else msgspec.json.encode(to_json(payload, EVENTS[event], cause))


def decode_message(topic: str, payload: bytes, arrived_ms: int) -> Uplink | None:
    """Return the application uplink in a message; None for events and frames that carry none.

    IngestError, counted by the caller under its cause, when the message is not what it claims to be.
    """
    _, dev_eui, event = parse_topic(topic)
    return decode_up(dev_eui, payload, arrived_ms) if event == "up" else None


def decode_up(dev_eui: str, payload: bytes, arrived_ms: int) -> Uplink | None:
    """Return the application uplink in the event "up" of a device; None for a frame that carries none."""
    found = strict.decode(dev_eui, payload, arrived_ms)
    if found is not None:
        return found
    up = lns_json.decode(as_json("up", payload), _Uplink, _CAUSE)
    if lns_json.eui(up.device_info.dev_eui, _CAUSE) != dev_eui:
        raise IngestError(_CAUSE, f"the topic is of {dev_eui}, the event of another device")
    if bytes(up.join_server_context) not in (b"", b"null", b"{}"):
        raise IngestError(
            "ingest.chirpstack_encrypted",
            f"{dev_eui}: ChirpStack has no AppSKey (external join server) and passes ciphertext on",
        )
    if not 0 <= up.f_cnt <= 0xFFFFFFFF or not 0 <= up.f_port <= 255:
        raise IngestError(_CAUSE, "fCnt or fPort is out of range")
    if up.f_port == 0 or not up.data:
        return None
    tx = _tx_info(up.tx_info)
    gateways, server = _times(up.rx_info)
    return Uplink(
        source="chirpstack",
        dev_eui=dev_eui,
        f_port=up.f_port,
        payload=up.data,
        received_at_ms=lns_json.best_received_ms(gateways, server, up.time, arrived_ms),
        f_cnt=up.f_cnt,
        receptions=lns_json.receptions(up.rx_info, lambda raw: _reception(raw, tx)),
    )


def decode_webhook(event: str, payload: bytes, arrived_ms: int) -> Uplink | None:
    """Return the uplink in what ChirpStack's HTTP integration posts: JSON or protobuf."""
    if event not in EVENTS:
        raise IngestError("ingest.chirpstack_topic", f"event {event[:40]!r} is none of ChirpStack v4")
    if event != "up":
        return None
    up = lns_json.decode(as_json("up", payload), _Uplink, _CAUSE)
    return decode_up(lns_json.eui(up.device_info.dev_eui, _CAUSE), payload, arrived_ms)


def _times(receptions: list[msgspec.Raw]) -> tuple[list[str | None], str | None]:
    """Return the gateways' times and the server's, which ChirpStack renamed from `time` in 4.6."""
    gateways: list[str | None] = []
    server: str | None = None
    for raw in receptions[: lns_json.MAX_RECEPTIONS]:
        try:
            rx = msgspec.json.decode(raw, type=_RxInfo)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        gateways.append(rx.gw_time)
        server = server or rx.ns_time
    return gateways, server


def _tx_info(raw: msgspec.Raw) -> _TxInfo:
    try:
        return msgspec.json.decode(raw, type=_TxInfo)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _TxInfo()


def _reception(raw: msgspec.Raw, tx: _TxInfo) -> Reception:
    rx = msgspec.json.decode(raw, type=_RxInfo)
    lora = tx.modulation.lora if tx.modulation else None
    return Reception(
        gateway_id=rx.gateway_id,
        rssi_dbm=lns_json.number(rx.rssi),
        snr_db=lns_json.number(rx.snr),
        frequency_hz=tx.frequency or None,
        data_rate=lns_json.data_rate(lora.spreading_factor, lora.bandwidth) if lora else None,
    )

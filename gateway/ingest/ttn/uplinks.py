"""One MQTT message of The Things Stack v3 into an Uplink (its data-formats page).

Empty, zero and false fields are omitted: the first uplink of a session has no f_cnt, a frame without
payload no frm_payload. The frequency is a text. rx_metadata.time is absent without GPS.
"""

from __future__ import annotations

import re

import msgspec

from gateway.errors import IngestError
from gateway.ingest import lns_json
from gateway.model import Reception, Uplink

_TOPIC = re.compile(r"v3/([a-z0-9@-]+)/devices/([a-z0-9-]+)/([a-z]+(?:/[a-z]+)?)")
EVENTS = frozenset(
    (
        "up join down/queued down/sent down/ack down/nack down/failed down/invalidated"
        " service/data location/solved"
    ).split()
)
_CAUSE = "ingest.ttn_malformed"
_ABSENT = msgspec.Raw()


class _Application(msgspec.Struct):
    application_id: str = ""


class _Ids(msgspec.Struct):
    device_id: str = ""
    application_ids: _Application = msgspec.field(default_factory=_Application)
    dev_eui: str = ""


class _Lora(msgspec.Struct):
    bandwidth: int = 0
    spreading_factor: int = 0


class _DataRate(msgspec.Struct):
    lora: _Lora | None = None


class _Settings(msgspec.Struct):
    data_rate: _DataRate | None = None
    frequency: str | int = "0"


class _GatewayIds(msgspec.Struct):
    gateway_id: str = ""
    eui: str = ""


class _RxMetadata(msgspec.Struct):
    gateway_ids: _GatewayIds
    rssi: int | float | None = None
    snr: float | str = 0.0


class _Message(msgspec.Struct):
    f_port: int = 0
    f_cnt: int = 0
    frm_payload: bytes = b""
    received_at: str | None = None
    rx_metadata: list[msgspec.Raw] = msgspec.field(default_factory=list[msgspec.Raw])
    settings: msgspec.Raw = _ABSENT
    app_s_key: msgspec.Raw = _ABSENT


class _Up(msgspec.Struct):
    end_device_ids: _Ids
    uplink_message: _Message | None = None
    received_at: str | None = None
    simulated: bool = False


def parse_topic(topic: str) -> tuple[str, str, str]:
    """Return (application@tenant, device id, event) of a topic."""
    match = _TOPIC.fullmatch(topic)
    if match is None or match[3] not in EVENTS:
        raise IngestError("ingest.ttn_topic", f"{topic[:100]!r} is no device event of The Things Stack v3")
    return match[1], match[2], match[3]


def decode_message(topic: str, payload: bytes, arrived_ms: int) -> Uplink | None:
    """Return the application uplink in a message; None for events and frames that carry none.

    IngestError, counted by the caller under its cause, when the message is not what it claims to be.
    """
    _, device_id, event = parse_topic(topic)
    if event != "up":
        return None
    up = lns_json.decode(payload, _Up, _CAUSE)
    ids, message = up.end_device_ids, up.uplink_message
    if ids.device_id != device_id:
        raise IngestError(_CAUSE, f"the topic is of {device_id}, the message of another device")
    if up.simulated:
        raise IngestError("ingest.ttn_simulated", f"{device_id}: an uplink simulated in the console")
    if message is None:
        raise IngestError(_CAUSE, f"{device_id}: uplink_message is missing")
    if bytes(message.app_s_key) not in (b"", b"null"):
        raise IngestError(
            "ingest.ttn_encrypted", f"{device_id}: payload crypto is switched off in the console"
        )
    if not 0 <= message.f_cnt <= 0xFFFFFFFF or not 0 <= message.f_port <= 255:
        raise IngestError(_CAUSE, "f_cnt or f_port is out of range")
    dev_eui = lns_json.eui(ids.dev_eui, _CAUSE)
    if message.f_port == 0 or not message.frm_payload:
        return None
    settings = _settings(message.settings)
    return Uplink(
        source="ttn",
        dev_eui=dev_eui,
        f_port=message.f_port,
        payload=message.frm_payload,
        received_at_ms=lns_json.received_ms(message.received_at or up.received_at, arrived_ms),
        f_cnt=message.f_cnt,
        receptions=lns_json.receptions(message.rx_metadata, lambda raw: _reception(raw, settings)),
    )


def decode_webhook(payload: bytes, arrived_ms: int) -> Uplink | None:
    """Return the uplink in what a webhook of The Things Stack posts, which is what its MQTT server says."""
    ids = lns_json.decode(payload, _Up, _CAUSE).end_device_ids
    topic = f"v3/{ids.application_ids.application_id or 'app'}/devices/{ids.device_id}/up"
    return decode_message(topic, payload, arrived_ms)


def _settings(raw: msgspec.Raw) -> _Settings:
    try:
        return msgspec.json.decode(raw, type=_Settings)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _Settings()


def _reception(raw: msgspec.Raw, settings: _Settings) -> Reception:
    rx = msgspec.json.decode(raw, type=_RxMetadata)
    lora = settings.data_rate.lora if settings.data_rate else None
    text = str(settings.frequency)
    return Reception(
        gateway_id=rx.gateway_ids.eui.lower() or rx.gateway_ids.gateway_id,
        rssi_dbm=lns_json.number(rx.rssi),
        snr_db=lns_json.number(rx.snr),
        frequency_hz=(int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0) or None,
        data_rate=lns_json.data_rate(lora.spreading_factor, lora.bandwidth) if lora else None,
    )

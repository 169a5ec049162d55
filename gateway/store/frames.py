"""How an uplink is laid out as bytes in the segment log. Little-endian throughout.

    body:  u8 layout (1) | u8 flags (bit 0: f_cnt present) | u8 f_port | u8 len(source)
           u64 received_at_ms | u32 f_cnt | 8 bytes dev_eui (as printed) | u16 receptions | u16 len(payload)
           source (UTF-8) | payload | receptions
    reception:  u8 len(gateway_id) | u8 len(data_rate), 255 = absent | f64 rssi_dbm | f64 snr_db
                (NaN = absent) | u32 frequency_hz, 0 = absent | gateway_id | data_rate (UTF-8)

A field that does not fit is refused when it comes in: nothing is cut off silently.
"""

from __future__ import annotations

import math
import struct

from gateway.errors import IngestError, StoreError
from gateway.model import Reception, Uplink

LAYOUT = 1
_BODY = struct.Struct("<BBBBQI8sHH")
_RECEPTION = struct.Struct("<BBddI")
_ABSENT = 255
_HAS_F_CNT = 1


def encode_uplink(uplink: Uplink) -> bytes:
    """Return the body of an uplink.

    Raise IngestError (cause "store.uplink_invalid") naming the field that does not fit.
    """
    source = _short_text("source", uplink.source, 255)
    try:
        dev_eui = bytes.fromhex(uplink.dev_eui)
    except ValueError:
        dev_eui = b""
    if len(dev_eui) != 8:
        raise _refuse("dev_eui", f"{uplink.dev_eui!r} is not 16 hex digits")
    _fits("f_port", uplink.f_port, 255)
    _fits("received_at_ms", uplink.received_at_ms, 2**63 - 1)
    _fits("f_cnt", uplink.f_cnt or 0, 2**32 - 1)
    _fits("payload length", len(uplink.payload), 65535)
    _fits("receptions", len(uplink.receptions), 65535)
    head = _BODY.pack(
        LAYOUT,
        0 if uplink.f_cnt is None else _HAS_F_CNT,
        uplink.f_port,
        len(source),
        uplink.received_at_ms,
        uplink.f_cnt or 0,
        dev_eui,
        len(uplink.receptions),
        len(uplink.payload),
    )
    return b"".join((head, source, uplink.payload, *map(_encode_reception, uplink.receptions)))


def decode_uplink(body: bytes) -> Uplink:
    """Return the uplink of a body; raise StoreError for an unknown layout or an inconsistent body."""
    try:
        layout, flags, f_port, n_source, received, f_cnt, eui, n_receptions, n_payload = _BODY.unpack_from(
            body
        )
        if layout != LAYOUT:
            raise StoreError(
                f"uplink layout {layout} is unknown: it was written by a newer Meetnet; update this one"
            )
        at = _BODY.size
        source = body[at : at + n_source].decode()
        at += n_source
        payload = body[at : at + n_payload]
        at += n_payload
        receptions: list[Reception] = []
        for _ in range(n_receptions):
            reception, at = _decode_reception(body, at)
            receptions.append(reception)
    except (struct.error, UnicodeDecodeError) as error:
        raise StoreError(f"uplink body is inconsistent: {error}") from error
    if at != len(body):
        raise StoreError(f"uplink body has {len(body)} bytes, its fields need {at}")
    return Uplink(
        source=source,
        dev_eui=eui.hex(),
        f_port=f_port,
        payload=payload,
        received_at_ms=received,
        f_cnt=f_cnt if flags & _HAS_F_CNT else None,
        receptions=tuple(receptions),
    )


def _encode_reception(reception: Reception) -> bytes:
    gateway_id = _short_text("gateway_id", reception.gateway_id, 255)
    rate = b"" if reception.data_rate is None else _short_text("data_rate", reception.data_rate, 254)
    _fits("frequency_hz", reception.frequency_hz or 0, 2**32 - 1)
    head = _RECEPTION.pack(
        len(gateway_id),
        _ABSENT if reception.data_rate is None else len(rate),
        math.nan if reception.rssi_dbm is None else reception.rssi_dbm,
        math.nan if reception.snr_db is None else reception.snr_db,
        reception.frequency_hz or 0,
    )
    return head + gateway_id + rate


def _decode_reception(body: bytes, at: int) -> tuple[Reception, int]:
    n_id, n_rate, rssi, snr, frequency = _RECEPTION.unpack_from(body, at)
    at += _RECEPTION.size
    gateway_id = body[at : at + n_id].decode()
    at += n_id
    rate = None
    if n_rate != _ABSENT:
        rate = body[at : at + n_rate].decode()
        at += n_rate
    reception = Reception(
        gateway_id=gateway_id,
        rssi_dbm=None if math.isnan(rssi) else rssi,
        snr_db=None if math.isnan(snr) else snr,
        frequency_hz=frequency or None,
        data_rate=rate,
    )
    return reception, at


def _short_text(field: str, text: str, limit: int) -> bytes:
    encoded = text.encode()
    _fits(f"{field} length", len(encoded), limit)
    return encoded


def _fits(field: str, value: int, largest: int) -> None:
    if not 0 <= value <= largest:
        raise _refuse(field, f"{value} is outside 0..{largest}")


def _refuse(field: str, text: str) -> IngestError:
    return IngestError("store.uplink_invalid", f"uplink {field}: {text}")

"""The command that queues a downlink: `application/{id}/device/{eui}/command/down`.

It goes out in the form in which the events come in, because one setting of ChirpStack decides both.
"""

from __future__ import annotations

import base64

import msgspec


def command_topic(application_id: str, dev_eui: str) -> str:
    """Return the topic; the DevEUI in the command must equal that of the topic."""
    return f"application/{application_id}/device/{dev_eui}/command/down"


def command_json(item_id: str, dev_eui: str, f_port: int, payload: bytes, confirmed: bool) -> bytes:
    """Return a DownlinkCommand as JSON."""
    return msgspec.json.encode(
        {
            "id": item_id,
            "devEui": dev_eui,
            "confirmed": confirmed,
            "fPort": f_port,
            "data": base64.b64encode(payload).decode(),
        }
    )


def command_protobuf(item_id: str, dev_eui: str, f_port: int, payload: bytes, confirmed: bool) -> bytes:
    """Return a DownlinkCommand as protobuf (integration.proto: fields 1 to 5)."""
    out = _length(1, item_id.encode()) + _length(2, dev_eui.encode())
    if confirmed:
        out += bytes((3 << 3, 1))
    out += bytes((4 << 3,)) + _varint(f_port)
    return out + _length(5, payload)


def _length(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

"""The six datagrams of Semtech UDP version 2 (Lora-net/packet_forwarder PROTOCOL.TXT 1.4).

    version (2) | token, 2 bytes | kind | [gateway EUI, 8 bytes] | [JSON]

Only what a gateway sends (PUSH_DATA, PULL_DATA, TX_ACK) carries its EUI. Nothing is authenticated.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import IngestError

VERSION = 2

PUSH_DATA = 0
PUSH_ACK = 1
PULL_DATA = 2
PULL_RESP = 3
PULL_ACK = 4
TX_ACK = 5

KIND_NAMES = ("PUSH_DATA", "PUSH_ACK", "PULL_DATA", "PULL_RESP", "PULL_ACK", "TX_ACK")
_FROM_GATEWAY = frozenset((PUSH_DATA, PULL_DATA, TX_ACK))
_WITHOUT_JSON = frozenset((PUSH_ACK, PULL_DATA, PULL_ACK))


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram. gateway_id is 16 hex digits, or "" where the kind carries none."""

    kind: int
    token: int
    gateway_id: str = ""
    json: bytes = b""


def parse_datagram(data: bytes) -> Datagram:
    """Return the parts of a datagram; IngestError names what is wrong with it."""
    if len(data) < 4:
        raise IngestError("ingest.udp_truncated", f"{len(data)} bytes, the header has 4")
    if data[0] != VERSION:
        raise IngestError("ingest.udp_version", f"protocol version {data[0]}, only 2 is spoken")
    kind = data[3]
    if kind > TX_ACK:
        raise IngestError("ingest.udp_kind", f"identifier {kind} is unknown")
    token = int.from_bytes(data[1:3], "big")
    body = 4
    gateway_id = ""
    if kind in _FROM_GATEWAY:
        body = 12
        if len(data) < body:
            raise IngestError("ingest.udp_truncated", f"{KIND_NAMES[kind]} of {len(data)} bytes, needs 12")
        gateway_id = data[4:12].hex()
    # Some forwarders pad what needs no JSON, and end JSON with a NUL: neither says anything.
    json = b"" if kind in _WITHOUT_JSON else data[body:].rstrip(b"\x00")
    return Datagram(kind, token, gateway_id, json)


def build_datagram(datagram: Datagram) -> bytes:
    """Return the bytes of a datagram."""
    head = bytes((VERSION,)) + datagram.token.to_bytes(2, "big") + bytes((datagram.kind,))
    eui = bytes.fromhex(datagram.gateway_id) if datagram.kind in _FROM_GATEWAY else b""
    return head + eui + datagram.json

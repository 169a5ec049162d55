"""Semtech packet-forwarder protocol, version 2 (Lora-net/packet_forwarder PROTOCOL.TXT): the gateway's half.

Bytes and JSON only; forwarder.py has sockets and air. It is written from the protocol text apart
from the server's half in the Meetnet gateway: the two meet on the wire.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, cast

from simulator.channel.frame import Frame

VERSION = 2
PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)

_DATR = re.compile(r"SF(7|8|9|10|11|12)BW(125|250|500)")
_CODR = {"4/5": 1, "4/6": 2, "4/7": 3, "4/8": 4}


class TxpkError(ValueError):
    """A downlink request that the gateway cannot read; the real one drops it without an answer."""


@dataclass(slots=True, frozen=True)
class Txpk:
    """A downlink request; `tmst` None means at once."""

    tmst: int | None
    tmms: bool
    freq_hz: int
    power_dbm: int
    sf: int
    bw_khz: int
    coding_rate: int
    inverted: bool
    crc: bool
    preamble: int
    payload: bytes


def header(kind: int, token: int, eui: bytes = b"") -> bytes:
    """Return the start of a datagram; token is 16 bits, eui the gateway's 8 bytes or nothing."""
    return bytes([VERSION]) + token.to_bytes(2, "big") + bytes([kind]) + eui


def rxpk(frame: Frame, tmst: int, rssi_dbm: float, snr_db: float, channel: int) -> dict[str, Any]:
    """Return the JSON object of an uplink, with the keys of packet forwarder 2.1.0 without GPS."""
    return {
        "jver": 1,
        "tmst": tmst,
        "chan": channel,
        "rfch": 0,
        "freq": round(frame.freq_hz / 1e6, 6),
        "mid": 0,
        "stat": (-1 if frame.damaged else 1) if frame.crc else 0,
        "modu": "LORA",
        "datr": f"SF{frame.sf}BW{frame.bw_khz}",
        "codr": f"4/{4 + frame.coding_rate}",
        "rssis": round(rssi_dbm),
        "lsnr": round(snr_db, 1),
        "foff": 0,
        "rssi": round(rssi_dbm),
        "size": len(frame.payload),
        "data": base64.b64encode(frame.payload).decode(),
    }


def dumps(value: dict[str, Any]) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def read_txpk(body: bytes) -> Txpk:
    """Read the JSON of a PULL_RESP; TxpkError names what is wrong."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TxpkError("no JSON") from error
    txpk = cast("dict[str, object]", document).get("txpk") if isinstance(document, dict) else None
    if not isinstance(txpk, dict):
        raise TxpkError("no txpk")
    fields = cast("dict[str, object]", txpk)
    if fields.get("modu") != "LORA":
        raise TxpkError("modu: only LORA is simulated")
    datr = _DATR.fullmatch(str(fields.get("datr")))
    if datr is None:
        raise TxpkError("datr")
    if str(fields.get("codr")) not in _CODR:
        raise TxpkError("codr")
    tmst = None if fields.get("imme") is True else fields.get("tmst")
    tmms = tmst is None and "tmms" in fields and fields.get("imme") is not True
    if tmst is not None and not _is_int(tmst, 0, 0xFFFFFFFF):
        raise TxpkError("tmst")
    if tmst is None and not tmms and fields.get("imme") is not True:
        raise TxpkError("imme, tmst or tmms is needed")
    return Txpk(
        tmst=cast("int | None", tmst),
        tmms=tmms,
        freq_hz=round(_number(fields, "freq") * 1e6),
        power_dbm=round(_number(fields, "powe", 14)),
        sf=int(datr[1]),
        bw_khz=int(datr[2]),
        coding_rate=_CODR[str(fields["codr"])],
        inverted=fields.get("ipol") is True,
        crc=fields.get("ncrc") is not True,
        preamble=max(round(_number(fields, "prea", 8)), 6),
        payload=_payload(fields.get("data")),
    )


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(fields: dict[str, object], name: str, default: float | None = None) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        raise TxpkError(name)
    return float(value)


def _payload(data: object) -> bytes:
    if not isinstance(data, str):
        raise TxpkError("data")
    try:
        payload = base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise TxpkError("data") from error
    if not 1 <= len(payload) <= 255:
        raise TxpkError("data")
    return payload

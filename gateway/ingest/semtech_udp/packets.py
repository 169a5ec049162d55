"""The JSON inside the datagrams: rxpk and stat from a gateway, txpk to it, txpk_ack back.

Gateways differ: base64 comes padded or not, in either alphabet; fields are missing or extra; one bad
rxpk must not take its neighbours with it. Checked against PROTOCOL.TXT 1.4 and packet forwarder 2.1.0.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from gateway.errors import IngestError
from gateway.model import LoraDownlink, LoraFrame

CRC_OK = 1
CRC_BAD = -1
CRC_NONE = 0

_DATR = re.compile(r"SF(7|8|9|10|11|12|5|6)BW(125|250|500)")
_MAX_RXPK = 256  # a PUSH_DATA is one datagram; a real one holds at most eight
_STAT_FIELDS = ("time", "lati", "long", "alti", "rxnb", "rxok", "rxfw", "ackr", "dwnb", "txnb", "temp")
_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Push:
    """What a PUSH_DATA holds: raw rxpk objects, to be parsed one by one, and the gateway's statistics."""

    rxpk: tuple[object, ...]
    stat: Json | None


def _object(json: bytes, what: str) -> Json:
    try:
        value = _decoder.decode(json)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise IngestError("ingest.udp_json", f"{what}: {error}") from None
    if not isinstance(value, dict):
        raise IngestError("ingest.udp_json", f"{what}: not a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


def parse_push(json: bytes) -> Push:
    """Return the contents of a PUSH_DATA."""
    body = _object(json, "PUSH_DATA")
    rxpk = body.get("rxpk", [])
    stat = body.get("stat")
    if not isinstance(rxpk, list):
        raise IngestError("ingest.udp_json", "rxpk: not an array")
    if stat is not None and not isinstance(stat, dict):
        raise IngestError("ingest.udp_json", "stat: not an object")
    if len(rxpk) > _MAX_RXPK:  # pyright: ignore[reportUnknownArgumentType]
        raise IngestError("ingest.udp_json", f"rxpk: more than {_MAX_RXPK} packets in one datagram")
    return Push(tuple(rxpk), stat)  # pyright: ignore[reportUnknownArgumentType]


def parse_stat(stat: Json) -> dict[str, float | str]:
    """Return the fields of a stat object that we know and that hold what they should."""
    known: dict[str, float | str] = {}
    for name in _STAT_FIELDS:
        value = stat.get(name)
        if name == "time":
            if isinstance(value, str):
                known[name] = value[:40]
            continue
        number = _number(value)
        if number is not None:
            known[name] = number
    return known


def _number(value: object) -> float | None:
    """Return a JSON number as a float; None for anything else, and for what no float holds."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64 in either alphabet, padded or not; IngestError for anything else."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise IngestError("ingest.udp_rxpk", "rxpk.data: not base64") from None


def _signal(packet: Json) -> tuple[float | None, float | None]:
    """Return (RSSI, SNR), from the best antenna where a forwarder lists several in rsig."""
    rssi, snr = _number(packet.get("rssi")), _number(packet.get("lsnr"))
    for antenna in _objects(packet.get("rsig")):
        antenna_snr = _number(antenna.get("lsnr"))
        if antenna_snr is not None and (snr is None or antenna_snr > snr):
            rssi, snr = _number(antenna.get("rssic")), antenna_snr
    return rssi, snr


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        for item in value[:16]:  # pyright: ignore[reportUnknownVariableType]
            if isinstance(item, dict):
                yield item


def parse_rxpk(packet: object, gateway_id: str, received_at_ms: int) -> LoraFrame:
    """Return the frame of one rxpk; IngestError says why there is none.

    A frame whose CRC is bad (`stat` -1) or absent (0; LoRaWAN uplinks always carry one, what comes
    without is somebody's downlink) is refused, under a counter of its own.
    """
    if not isinstance(packet, dict):
        raise IngestError("ingest.udp_rxpk", "rxpk: not an object")
    fields = cast(Json, packet)
    status = fields.get("stat", CRC_OK)
    if isinstance(status, bool):
        raise IngestError("ingest.udp_rxpk", "rxpk.stat: neither 1, 0 nor -1")
    if status == CRC_BAD:
        raise IngestError("ingest.udp_crc_bad", f"gateway {gateway_id} forwards frames whose CRC failed")
    if status == CRC_NONE:
        raise IngestError("ingest.udp_crc_none", f"gateway {gateway_id} forwards frames without CRC")
    if status != CRC_OK:
        raise IngestError("ingest.udp_rxpk", "rxpk.stat: neither 1, 0 nor -1")
    if fields.get("modu") != "LORA":
        raise IngestError("ingest.udp_modulation", "rxpk.modu: not LORA")
    datr = fields.get("datr")
    match = _DATR.fullmatch(datr) if isinstance(datr, str) else None
    if match is None:
        raise IngestError("ingest.udp_rxpk", "rxpk.datr: not like SF7BW125")
    tmst = fields.get("tmst")
    if not isinstance(tmst, int) or isinstance(tmst, bool) or not 0 <= tmst <= 0xFFFFFFFF:
        raise IngestError("ingest.udp_rxpk", "rxpk.tmst: no 32-bit counter")
    frequency_mhz = _number(fields.get("freq"))
    if frequency_mhz is None or not 100 <= frequency_mhz <= 3000:
        raise IngestError("ingest.udp_rxpk", "rxpk.freq: no frequency in MHz")
    data = fields.get("data")
    if not isinstance(data, str):
        raise IngestError("ingest.udp_rxpk", "rxpk.data: no text")
    phy = decode_base64(data)
    if not 0 < len(phy) <= 255 or ("size" in fields and fields["size"] != len(phy)):
        raise IngestError("ingest.udp_rxpk", "rxpk.size: differs from data, or is outside 1..255")
    rssi, snr = _signal(fields)
    return LoraFrame(
        gateway_id=gateway_id,
        phy=phy,
        timestamp_us=tmst,
        frequency_hz=round(frequency_mhz * 1e6),
        spreading_factor=int(match[1]),
        bandwidth_khz=int(match[2]),
        rssi_dbm=rssi,
        snr_db=snr,
        received_at_ms=received_at_ms,
    )


def build_txpk(downlink: LoraDownlink) -> bytes:
    """Return the JSON of a PULL_RESP.

    Without `ncrc` the forwarder adds a CRC, which LoRaWAN downlinks have not; without `ipol` no device
    hears it. `imme` is false: the gateway sends when its counter reaches tmst.
    """
    txpk: Json = {
        "imme": False,
        "tmst": downlink.timestamp_us & 0xFFFFFFFF,
        "freq": round(downlink.frequency_hz / 1e6, 6),
        "rfch": 0,
        "powe": downlink.power_dbm,
        "modu": "LORA",
        "datr": f"SF{downlink.spreading_factor}BW{downlink.bandwidth_khz}",
        "codr": "4/5",
        "ipol": True,
        "prea": 8,
        "ncrc": True,
        "size": len(downlink.phy),
        "data": base64.b64encode(downlink.phy).decode(),
    }
    return _encoder.encode({"txpk": txpk})


@dataclass(frozen=True, slots=True)
class TxAck:
    """A gateway's answer to a downlink: error is None when it will be sent; warning e.g. TX_POWER."""

    error: str | None
    warning: str | None


def parse_tx_ack(json: bytes) -> TxAck:
    """Return what a TX_ACK says; no JSON at all is success."""
    if not json.strip():
        return TxAck(None, None)
    ack = _object(json, "TX_ACK").get("txpk_ack")
    if not isinstance(ack, dict):
        raise IngestError("ingest.udp_json", "txpk_ack: no object")
    fields = cast(Json, ack)
    error, warning = fields.get("error"), fields.get("warn")
    if not isinstance(error, str | None) or not isinstance(warning, str | None):
        raise IngestError("ingest.udp_json", "txpk_ack: error and warn are texts")
    return TxAck(None if error in (None, "", "NONE") else error[:40], warning[:40] if warning else None)

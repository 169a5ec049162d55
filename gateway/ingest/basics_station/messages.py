"""Messages of a station (LNS protocol of LoRa Basics Station 2.0.6), and the frames within them.

A station takes PHYPayloads apart before it forwards them: here the very bytes of the air are put together
again, so that the MIC is checked over what was sent. DevAddr and MIC are signed, FPort is -1 where there
is none, and xtime needs 64 bits.
"""

from __future__ import annotations

import binascii
from typing import Any, TypeVar

import msgspec

from gateway.errors import IngestError
from gateway.ingest.basics_station.identity import parse_eui
from gateway.model import LoraDownlink, LoraFrame
from wire.lorawan import eu868

_T = TypeVar("_T")
_CAUSE = "ingest.station_malformed"
_MAX_PHY = 255
_MAX_DR = 6
_LARGEST = 1 << 63
# A station only repeats the DevEui in its log and in dntxed; it goes without ours.
_SOME_EUI = "01-01-01-01-01-01-01-01"


class Discovery(msgspec.Struct):
    """What a station asks at /router-info."""

    router: str | int


class UpInfo(msgspec.Struct):
    """How a frame was heard. xtime: session and 48 bits of microseconds of the station's clock."""

    rctx: int = 0
    xtime: int = 0
    rssi: float | None = None
    snr: float | None = None


class Heard(msgspec.Struct):
    """What jreq and updf have in common."""

    DR: int
    Freq: int
    upinfo: UpInfo


class JoinRequest(Heard, kw_only=True):
    """jreq."""

    MHdr: int
    DevNonce: int
    MIC: int
    JoinEui: str | int = ""
    JoinEUI: str | int = ""  # its name in the first stations
    DevEui: str | int = ""
    DevEUI: str | int = ""


class DataFrame(Heard, kw_only=True):
    """updf."""

    MHdr: int
    DevAddr: int
    FCtrl: int
    FCnt: int
    FOpts: str
    FPort: int
    FRMPayload: str
    MIC: int


class Transmitted(msgspec.Struct):
    """dntxed."""

    diid: int = 0
    seqno: int = 0  # its name in older stations
    DR: int = 0
    Freq: int = 0


class Version(msgspec.Struct):
    """version."""

    station: str = ""
    firmware: str | None = None
    model: str | None = None
    protocol: int = 0


class TimeSync(msgspec.Struct):
    """timesync, from the station."""

    txtime: int = 0


class _Kind(msgspec.Struct):
    msgtype: str = ""


def kind_of(text: str) -> str:
    """Return the msgtype; IngestError when it is no message."""
    return read(text, _Kind).msgtype


def read(text: str | bytes, shape: type[_T]) -> _T:
    """Return a message as a shape; IngestError with the path of the wrong field."""
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise IngestError(_CAUSE, str(error)) from None


def join_request_phy(found: JoinRequest) -> bytes:
    """Return the JoinRequest as it was on the air."""
    return (
        _unsigned(found.MHdr, 1, "MHdr")
        + bytes.fromhex(parse_eui(found.JoinEui or found.JoinEUI))[::-1]
        + bytes.fromhex(parse_eui(found.DevEui or found.DevEUI))[::-1]
        + _unsigned(found.DevNonce, 2, "DevNonce")
        + _signed(found.MIC, "MIC")
    )


def data_phy(found: DataFrame) -> bytes:
    """Return the data frame as it was on the air."""
    fopts, payload = _hex(found.FOpts, "FOpts"), _hex(found.FRMPayload, "FRMPayload")
    if len(fopts) != found.FCtrl & 0x0F:
        raise IngestError(_CAUSE, "FOpts is not as long as FCtrl says")
    if found.FPort == -1 and payload:
        raise IngestError(_CAUSE, "FRMPayload without FPort")
    phy = (
        _unsigned(found.MHdr, 1, "MHdr")
        + _signed(found.DevAddr, "DevAddr")
        + _unsigned(found.FCtrl, 1, "FCtrl")
        + _unsigned(found.FCnt, 2, "FCnt")
        + fopts
        + (b"" if found.FPort == -1 else _unsigned(found.FPort, 1, "FPort"))
        + payload
        + _signed(found.MIC, "MIC")
    )
    if len(phy) > _MAX_PHY:
        raise IngestError(_CAUSE, f"a frame of {len(phy)} bytes")
    return phy


def frame(gateway_id: str, phy: bytes, heard: Heard, received_at_ms: int) -> LoraFrame:
    """Return a frame for the network server."""
    if not 0 <= heard.DR <= _MAX_DR:
        raise IngestError("ingest.station_not_lora", f"data rate DR{heard.DR} is no LoRa of EU868")
    spreading_factor, bandwidth_khz = eu868.modulation(heard.DR)
    up = heard.upinfo
    if not all(-_LARGEST <= number < _LARGEST for number in (up.xtime, up.rctx)):
        raise IngestError(_CAUSE, "xtime or rctx has more than 64 bits")
    return LoraFrame(
        gateway_id=gateway_id,
        phy=phy,
        timestamp_us=up.xtime & 0xFFFFFFFF,
        frequency_hz=heard.Freq,
        spreading_factor=spreading_factor,
        bandwidth_khz=bandwidth_khz,
        rssi_dbm=up.rssi,
        snr_db=up.snr,
        received_at_ms=received_at_ms,
        context=(up.xtime, up.rctx),
    )


def downlink(item_id: int, given: LoraDownlink, net_time_s: float) -> dict[str, Any]:
    """Return the dnmsg of a Class A answer. The station sends in RX1 or, where it may not, in RX2."""
    assert given.context is not None
    xtime, rctx = given.context
    message: dict[str, Any] = {
        "msgtype": "dnmsg",
        "DevEui": _SOME_EUI,
        "dC": 0,
        "diid": item_id,
        "pdu": given.phy.hex(),
        "priority": 1,
        "xtime": xtime,
        "rctx": rctx,
        "MuxTime": net_time_s,
    }
    second = given.fallback
    if given.delay_s > 15:  # RxDelay has four bits: RX2 alone, counted from RX1
        return message | {"RxDelay": given.delay_s - 1, "RX2DR": _dr(given), "RX2Freq": given.frequency_hz}
    message |= {"RxDelay": given.delay_s, "RX1DR": _dr(given), "RX1Freq": given.frequency_hz}
    if second is not None:
        message |= {"RX2DR": _dr(second), "RX2Freq": second.frequency_hz}
    return message


def _dr(given: LoraDownlink) -> int:
    dr = eu868.data_rate(given.spreading_factor, given.bandwidth_khz)
    assert dr is not None  # the network server knows only data rates of the region
    return dr


def _unsigned(value: int, size: int, name: str) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise IngestError(_CAUSE, f"{name} {value} has no {size} bytes")
    return value.to_bytes(size, "little")


def _signed(value: int, name: str) -> bytes:
    """Return four bytes; a station writes numbers above 2**31 as negative ones."""
    if not -(1 << 31) <= value < 1 << 32:
        raise IngestError(_CAUSE, f"{name} {value} has no 4 bytes")
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


def _hex(text: str, name: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise IngestError(_CAUSE, f"{name} is not hexadecimal") from None

"""Frames on the air (TS001-1.0.4 section 4): the header, and data frames both ways.

    PHYPayload = MHDR | DevAddr FCtrl FCnt FOpts [FPort FRMPayload] | MIC

Parsing checks structure only and needs no key; the MIC is always computed over the bytes that were
received, never over a frame that was put together again. Counters are 32 bits wide everywhere but
in the header, where `fcnt16` is what the air carries.
"""

from .._compat import const
from ..errors import WireError
from .cmac import mic, same
from .fields import check, from_le, uint_le

JOIN_REQUEST = const(0)
JOIN_ACCEPT = const(1)
UNCONFIRMED_UP = const(2)
UNCONFIRMED_DOWN = const(3)
CONFIRMED_UP = const(4)
CONFIRMED_DOWN = const(5)
REJOIN_REQUEST = const(6)
PROPRIETARY = const(7)

ADR = const(0x80)
ADR_ACK_REQ = const(0x40)  # uplink only; RFU in a downlink
ACK = const(0x20)
F_PENDING = const(0x10)  # downlink; the same bit says Class B in an uplink

MAX_FOPTS = const(15)
_MIN_DATA = const(12)  # MHDR, DevAddr, FCtrl, FCnt, MIC
_MAX_PHY = const(255)


def message_type(phy: bytes) -> int:
    """Return the MType of a frame; WireError `phy` when it is empty, `major` when not LoRaWAN R1."""
    if not phy:
        raise WireError("phy", "empty frame")
    if phy[0] & 0x03:
        raise WireError("major", "major version " + str(phy[0] & 0x03) + " is not LoRaWAN R1")
    return phy[0] >> 5


class DataFrame:
    """A data frame as it was received; `frm` is still encrypted, `port` is None when there is none."""

    __slots__ = ("dev_addr", "fcnt16", "fctrl", "fopts", "frm", "mic", "mtype", "phy", "port")

    def __init__(
        self,
        phy: bytes,
        mtype: int,
        dev_addr: int,
        fctrl: int,
        fcnt16: int,
        fopts: bytes,
        port: int | None,
        frm: bytes,
        code: bytes,
    ):
        self.phy = phy
        self.mtype = mtype
        self.dev_addr = dev_addr
        self.fctrl = fctrl
        self.fcnt16 = fcnt16
        self.fopts = fopts
        self.port = port
        self.frm = frm
        self.mic = code

    @property
    def uplink(self) -> bool:
        """True for a frame from device to network."""
        return self.mtype in (UNCONFIRMED_UP, CONFIRMED_UP)

    @property
    def confirmed(self) -> bool:
        """True when the sender wants an acknowledgement."""
        return self.mtype in (CONFIRMED_UP, CONFIRMED_DOWN)

    @property
    def ack(self) -> bool:
        """True when the frame acknowledges the last confirmed one of the other side."""
        return bool(self.fctrl & ACK)

    @property
    def adr(self) -> bool:
        """True when the ADR bit is set."""
        return bool(self.fctrl & ADR)


def parse_data(phy: bytes) -> DataFrame:
    """Return the DataFrame in phy; WireError names what breaks the structure."""
    mtype = message_type(phy)
    if not UNCONFIRMED_UP <= mtype <= CONFIRMED_DOWN:
        raise WireError("mtype", str(mtype) + " is no data frame")
    length = len(phy)
    if length < _MIN_DATA:
        raise WireError("phy", str(length) + " bytes, a data frame has at least 12")
    if length > _MAX_PHY:
        raise WireError("phy", str(length) + " bytes, a LoRa frame has at most 255")
    fctrl = phy[5]
    end = length - 4
    body = 8 + (fctrl & 0x0F)
    if body > end:
        raise WireError("fopts", "longer than the frame")
    port = phy[body] if body < end else None
    if port == 0 and body > 8:
        raise WireError("fport", "0 together with FOpts: the whole frame is to be dropped")
    return DataFrame(
        bytes(phy),
        mtype,
        from_le(phy[1:5]),
        fctrl,
        from_le(phy[6:8]),
        bytes(phy[8:body]),
        port,
        bytes(phy[body + 1 : end]),
        bytes(phy[end:]),
    )


def _block(first: bytes, uplink: bool, dev_addr: int, fcnt: int, last: int) -> bytes:
    """Return A_i or B0 (TS001-1.0.4 sections 4.3.3 and 4.4); the counter enters with all 32 bits."""
    direction = b"\x00" if uplink else b"\x01"
    return first + bytes(4) + direction + uint_le(dev_addr, 4) + uint_le(fcnt, 4) + b"\x00" + bytes([last])


def data_mic(ecb: object, unsigned: bytes, uplink: bool, dev_addr: int, fcnt: int) -> bytes:
    """Return the MIC of a data frame without its last four bytes; ecb is made for the NwkSKey."""
    check("dev_addr", dev_addr, 0xFFFFFFFF)
    check("fcnt", fcnt, 0xFFFFFFFF)
    check("phy", len(unsigned), _MAX_PHY)
    return mic(ecb, _block(b"\x49", uplink, dev_addr, fcnt, len(unsigned)) + unsigned)


def mic_ok(ecb: object, frame: DataFrame, fcnt: int) -> bool:
    """Tell whether a received DataFrame carries the right MIC for this 32-bit counter."""
    return same(data_mic(ecb, frame.phy[:-4], frame.uplink, frame.dev_addr, fcnt), frame.mic)


def crypt_payload(ecb: object, uplink: bool, dev_addr: int, fcnt: int, data: bytes) -> bytes:
    """Encrypt or decrypt an FRMPayload (the same operation); ecb: AppSKey, or NwkSKey for port 0."""
    if not data:
        return b""
    check("dev_addr", dev_addr, 0xFFFFFFFF)
    check("fcnt", fcnt, 0xFFFFFFFF)
    check("payload", len(data), _MAX_PHY)
    blocks = b""
    for i in range((len(data) + 15) // 16):
        blocks += _block(b"\x01", uplink, dev_addr, fcnt, i + 1)
    stream = ecb.encrypt(blocks)
    return bytes([data[i] ^ stream[i] for i in range(len(data))])


def decrypt(nwk: object, app: object, frame: DataFrame, fcnt: int) -> bytes:
    """Return the plain FRMPayload of a DataFrame; nwk and app are made for NwkSKey and AppSKey."""
    return crypt_payload(nwk if frame.port == 0 else app, frame.uplink, frame.dev_addr, fcnt, frame.frm)


def build_data(
    nwk: object,
    app: object,
    mtype: int,
    dev_addr: int,
    fcnt: int,
    flags: int = 0,
    fopts: bytes = b"",
    port: int | None = None,
    payload: bytes = b"",
) -> bytes:
    """Return the bytes of a data frame.

    flags are the upper four bits of FCtrl (ADR, ADR_ACK_REQ, ACK, F_PENDING); the payload is given
    in clear. A frame without port has no payload; port 0 carries MAC commands and excludes fopts.
    """
    if not UNCONFIRMED_UP <= mtype <= CONFIRMED_DOWN:
        raise WireError("mtype", str(mtype) + " is no data frame")
    check("dev_addr", dev_addr, 0xFFFFFFFF)
    check("fcnt", fcnt, 0xFFFFFFFF)
    check("fopts", len(fopts), MAX_FOPTS)
    if flags & ~0xF0:
        raise WireError("flags", "only the upper four bits of FCtrl are flags")
    uplink = mtype in (UNCONFIRMED_UP, CONFIRMED_UP)
    out = bytes([mtype << 5]) + uint_le(dev_addr, 4) + bytes([flags | len(fopts)]) + uint_le(fcnt & 0xFFFF, 2)
    out += fopts
    if port is None:
        if payload:
            raise WireError("payload", "needs a port")
    else:
        check("fport", port, 255)
        if port == 0 and fopts:
            raise WireError("fport", "0 excludes FOpts")
        out += bytes([port]) + crypt_payload(nwk if port == 0 else app, uplink, dev_addr, fcnt, payload)
    check("phy", len(out) + 4, _MAX_PHY)
    return out + data_mic(nwk, out, uplink, dev_addr, fcnt)


def full_fcnt(last: int, fcnt16: int) -> int | None:
    """Return the smallest counter above `last` (-1: none yet) that ends in fcnt16; None past 32 bits."""
    fcnt = fcnt16 if last < 0 else last - (last & 0xFFFF) + fcnt16
    if fcnt <= last:
        fcnt += 0x10000
    return fcnt if fcnt <= 0xFFFFFFFF else None

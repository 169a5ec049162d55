"""Join frames of 1.0.4 (TS001-1.0.4 section 6.2).

The network makes a JoinAccept with AES *decrypt* so that the device opens it with encrypt, the only
direction its `ecb` needs.
"""

from .._compat import const
from ..errors import WireError
from .cmac import mic, same
from .fields import check, check_length, flipped, from_le, uint_le
from .frames import JOIN_ACCEPT, JOIN_REQUEST, message_type

_JOIN_REQUEST_LENGTH = const(23)


class JoinRequest:
    """What a device asks with: EUIs of 8 bytes, most significant first."""

    __slots__ = ("dev_eui", "dev_nonce", "join_eui", "mic", "phy")

    def __init__(self, phy: bytes, join_eui: bytes, dev_eui: bytes, dev_nonce: int, code: bytes):
        self.phy = phy
        self.join_eui = join_eui
        self.dev_eui = dev_eui
        self.dev_nonce = dev_nonce
        self.mic = code


class JoinAccept:
    """What the network answers. cflist is b"" or 16 bytes (see cflist.py); rx_delay_s 1..15."""

    __slots__ = ("cflist", "dev_addr", "join_nonce", "net_id", "rx1_dr_offset", "rx2_dr", "rx_delay_s")

    def __init__(
        self,
        join_nonce: int,
        net_id: int,
        dev_addr: int,
        rx1_dr_offset: int = 0,
        rx2_dr: int = 0,
        rx_delay_s: int = 1,
        cflist: bytes = b"",
    ):
        self.join_nonce = join_nonce
        self.net_id = net_id
        self.dev_addr = dev_addr
        self.rx1_dr_offset = rx1_dr_offset
        self.rx2_dr = rx2_dr
        self.rx_delay_s = rx_delay_s
        self.cflist = cflist


def build_join_request(ecb: object, join_eui: bytes, dev_eui: bytes, dev_nonce: int) -> bytes:
    """Return the 23 bytes of a JoinRequest; ecb is made for the AppKey."""
    check_length("join_eui", join_eui, 8)
    check_length("dev_eui", dev_eui, 8)
    check("dev_nonce", dev_nonce, 0xFFFF)
    out = bytes([JOIN_REQUEST << 5]) + flipped(join_eui) + flipped(dev_eui) + uint_le(dev_nonce, 2)
    return out + mic(ecb, out)


def parse_join_request(phy: bytes) -> JoinRequest:
    """Return the JoinRequest in phy; its MIC is not looked at (see join_request_mic_ok)."""
    if message_type(phy) != JOIN_REQUEST:
        raise WireError("mtype", "no JoinRequest")
    check_length("phy", phy, _JOIN_REQUEST_LENGTH)
    return JoinRequest(
        bytes(phy), flipped(phy[1:9]), flipped(phy[9:17]), from_le(phy[17:19]), bytes(phy[19:])
    )


def join_request_mic_ok(ecb: object, request: JoinRequest) -> bool:
    """Tell whether a JoinRequest was made with the AppKey that ecb was made for."""
    return same(mic(ecb, request.phy[:-4]), request.mic)


def build_join_accept(ecb: object, inverse: object, accept: JoinAccept) -> bytes:
    """Return the 17 or 33 bytes of a JoinAccept; ecb and inverse.decrypt both work with the AppKey."""
    check("join_nonce", accept.join_nonce, 0xFFFFFF)
    check("net_id", accept.net_id, 0xFFFFFF)
    check("dev_addr", accept.dev_addr, 0xFFFFFFFF)
    check("rx1_dr_offset", accept.rx1_dr_offset, 7)
    check("rx2_dr", accept.rx2_dr, 15)
    check("rx_delay_s", accept.rx_delay_s, 15)
    if accept.cflist:
        check_length("cflist", accept.cflist, 16)
    header = bytes([JOIN_ACCEPT << 5])
    body = uint_le(accept.join_nonce, 3) + uint_le(accept.net_id, 3) + uint_le(accept.dev_addr, 4)
    body += bytes([accept.rx1_dr_offset << 4 | accept.rx2_dr, accept.rx_delay_s]) + accept.cflist
    return header + bytes(inverse.decrypt(body + mic(ecb, header + body)))


def open_join_accept(ecb: object, phy: bytes) -> JoinAccept:
    """Return the JoinAccept in phy; WireError field `mic` when it was not made for our AppKey."""
    if message_type(phy) != JOIN_ACCEPT:
        raise WireError("mtype", "no JoinAccept")
    if len(phy) not in (17, 33):
        raise WireError("phy", str(len(phy)) + " bytes, a JoinAccept has 17 or 33")
    clear = bytes(ecb.encrypt(bytes(phy[1:])))
    if not same(mic(ecb, bytes(phy[:1]) + clear[:-4]), clear[-4:]):
        raise WireError("mic", "JoinAccept not made with this AppKey")
    return JoinAccept(
        from_le(clear[0:3]),
        from_le(clear[3:6]),
        from_le(clear[6:10]),
        clear[10] >> 4 & 0x07,
        clear[10] & 0x0F,
        clear[11] & 0x0F or 1,  # TS001-1.0.4 table 4: 0 means one second
        clear[12:-4],
    )

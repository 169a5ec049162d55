"""Session keys of a 1.0.x join (TS001-1.0.4 section 6.2.5)."""

from .fields import check, uint_le


def session_keys(ecb: object, join_nonce: int, net_id: int, dev_nonce: int) -> tuple[bytes, bytes]:
    """Return (NwkSKey, AppSKey); ecb is made for the AppKey, net_id is that of the JoinAccept."""
    check("join_nonce", join_nonce, 0xFFFFFF)
    check("net_id", net_id, 0xFFFFFF)
    check("dev_nonce", dev_nonce, 0xFFFF)
    tail = uint_le(join_nonce, 3) + uint_le(net_id, 3) + uint_le(dev_nonce, 2) + bytes(7)
    return bytes(ecb.encrypt(b"\x01" + tail)), bytes(ecb.encrypt(b"\x02" + tail))

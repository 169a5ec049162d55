"""The join server of 1.0.4: nonces that only rise, addresses, session keys (TS001-1.0.4 section 6.2)."""

from __future__ import annotations

import binascii
from collections.abc import Callable

from gateway.model import DeviceKeys
from wire.lorawan import cflist, join, keys

from .aes import Ecb
from .session import JoinState, Session
from .settings import LnsSettings

_NWK_ADDR_BITS = 25  # NetIDs of type 0: one type bit, six of NwkID, the rest is ours
_DEFAULT_CHANNELS = 3


class JoinRefusedError(Exception):
    """A JoinRequest that gets no answer. `cause` is a counter name."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def check_request(request: join.JoinRequest, device: DeviceKeys, state: JoinState) -> None:
    """Raise JoinRefusedError unless the request is this device's and new."""
    dev_eui = device.dev_eui
    if not join.join_request_mic_ok(Ecb(device.app_key), request):
        raise JoinRefusedError(
            "lns.join_mic_mismatch", f"{dev_eui}: JoinRequest not made with the registered AppKey"
        )
    join_eui = request.join_eui.hex()
    if join_eui != device.join_eui:
        raise JoinRefusedError(
            "lns.join_eui_mismatch",
            f"{dev_eui} joins with JoinEUI {join_eui}, registered is {device.join_eui}: correct one of them",
        )
    if request.dev_nonce <= state.dev_nonce:
        raise JoinRefusedError(
            "lns.dev_nonce_reused",
            f"{dev_eui}: DevNonce {request.dev_nonce} is not above {state.dev_nonce}; if the device lost"
            " its memory, reset its join counter",
        )
    if state.join_nonce >= 0xFFFFFF:
        raise JoinRefusedError(
            "lns.join_nonce_exhausted", f"{dev_eui}: no JoinNonce is left, give it a new AppKey"
        )


def device_address(dev_eui: str, join_nonce: int, net_id: int, taken: Callable[[int], bool]) -> int:
    """Return a free DevAddr, spread over the private range so that neighbours' networks seldom collide."""
    size = 1 << _NWK_ADDR_BITS
    address = binascii.crc32(bytes.fromhex(dev_eui) + join_nonce.to_bytes(3, "little")) % size
    while taken((net_id & 0x3F) << _NWK_ADDR_BITS | address):
        address = (address + 1) % size
    return (net_id & 0x3F) << _NWK_ADDR_BITS | address


def new_session(
    device: DeviceKeys, dev_nonce: int, join_nonce: int, dev_addr: int, settings: LnsSettings
) -> Session:
    """Return the session that a join makes."""
    nwk, app = keys.session_keys(Ecb(device.app_key), join_nonce, settings.net_id, dev_nonce)
    return Session(
        dev_eui=device.dev_eui,
        join_nonce=join_nonce,
        dev_addr=dev_addr,
        nwk_s_key=nwk,
        app_s_key=app,
        rx_delay_s=settings.rx1_delay_s,
        rx1_dr_offset=settings.rx1_dr_offset,
        rx2_dr=settings.rx2_dr,
        channel_mask=(1 << (_DEFAULT_CHANNELS + len(settings.extra_channels_hz))) - 1,
    )


def accept_frame(device: DeviceKeys, session: Session, settings: LnsSettings) -> bytes:
    """Return the JoinAccept of a session."""
    channels = cflist.pack_frequencies(settings.extra_channels_hz) if settings.extra_channels_hz else b""
    accept = join.JoinAccept(
        session.join_nonce,
        settings.net_id,
        session.dev_addr,
        session.rx1_dr_offset,
        session.rx2_dr,
        session.rx_delay_s,
        channels,
    )
    key = Ecb(device.app_key)
    return join.build_join_accept(key, key, accept)

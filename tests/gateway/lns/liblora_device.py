"""A LoRaWAN device made of PyPI `liblora` 0.0.3 (Basic MAC's Python side): none of our code is in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import loramsg
import loraopts
import rtlib
from loracrypto import crypto

UP, CONFIRMED_UP = 0x40, 0x80
ADR, ADR_ACK_REQ, ACK = 0x80, 0x40, 0x20


@dataclass
class Downlink:
    """What a device reads in a downlink."""

    fcnt: int
    fctrl: int
    port: int
    payload: bytes
    options: list[str]
    raw_options: bytes
    confirmed: bool

    @property
    def ack(self) -> bool:
        return bool(self.fctrl & 0x20)

    @property
    def pending(self) -> bool:
        return bool(self.fctrl & 0x10)


@dataclass
class Device:
    """State as a device keeps it; EUIs are hex."""

    dev_eui: str
    join_eui: str
    app_key: bytes
    dev_nonce: int = 0
    dev_addr: int = 0
    nwk_s_key: bytes = b""
    app_s_key: bytes = b""
    fcnt_up: int = 0
    last_down: int = -1
    accept: dict = field(default_factory=dict)

    def join_request(self) -> bytes:
        self.dev_nonce += 1
        return loramsg.pack_jreq(
            self.app_key, rtlib.Eui(int(self.join_eui, 16)), rtlib.Eui(int(self.dev_eui, 16)), self.dev_nonce
        )

    def take_accept(self, phy: bytes) -> dict:
        assert loramsg.sanity_check_frame(phy) == loramsg.FrmType.JACC
        accept = loramsg.unpack_jacc(self.app_key, phy, self.dev_nonce)
        self.dev_addr = accept["DevAddr"]
        nonces = (self.dev_nonce, accept["AppNonce"], accept["NetID"])
        self.nwk_s_key = crypto.derive(self.app_key, *nonces, 1)
        self.app_s_key = crypto.derive(self.app_key, *nonces, 2)
        self.fcnt_up, self.last_down = 0, -1
        self.accept = accept
        return accept

    def uplink(
        self,
        payload: bytes | None = b"\x01\x02",
        port: int | None = 1,
        *,
        confirmed: bool = False,
        flags: int = 0,
        options: bytes = b"",
        fcnt: int | None = None,
    ) -> bytes:
        if fcnt is None:
            fcnt = self.fcnt_up
            self.fcnt_up += 1
        phy = loramsg.pack_dataframe(
            CONFIRMED_UP if confirmed else UP,
            self.dev_addr,
            flags,
            fcnt,
            options,
            port,
            payload,
            self.nwk_s_key,
            self.app_s_key,
        )
        loramsg.sanity_check_frame(phy)
        return phy

    def take(self, phy: bytes) -> Downlink:
        """Verify and decrypt a downlink; its counter must have risen."""
        assert loramsg.sanity_check_frame(phy) in (loramsg.FrmType.DADN, loramsg.FrmType.DCDN)
        message = loramsg.unpack_dataframe(phy, max(self.last_down, 0), self.nwk_s_key, self.app_s_key)
        assert message["DevAddr"] == self.dev_addr
        assert message["FCnt"] > self.last_down, "a downlink counter came twice"
        self.last_down = message["FCnt"]
        return Downlink(
            message["FCnt"],
            message["FCtrl"],
            message["FPort"],
            message["FRMPayload"],
            [str(option) for option in loraopts.unpack_optsdn(message["FOpts"])],
            bytes(message["FOpts"]),
            message["MHdr"] & 0xE0 == 0xA0,
        )

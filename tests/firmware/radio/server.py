"""One device on the bench with a network server small enough to read at a glance.

The server's codec is liblora (`loramsg`), not ours: each frame that the device sends is unpacked,
verified and decrypted by it, and a frame that it refuses fails the test; downlinks are built by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import loramsg

from radio.classa import ClassA
from simulator.channel.frame import Frame
from tests.firmware.radio.rig import Aes, Downlink, FlashStore, Rig

APP_KEY = bytes(range(16))
JOIN_EUI = bytes.fromhex("70b3d57ed0000000")
DEV_EUI = bytes.fromhex("70b3d57ed005b420")
DEV_ADDR = 0x260B1234
RX2_HZ = 869_525_000
SF_OF_DR = (12, 11, 10, 9, 8, 7)

ADR, ADR_ACK_REQ, ACK, PENDING = 0x80, 0x40, 0x20, 0x10
UNCONFIRMED_DOWN, CONFIRMED_DOWN = 0x60, 0xA0


@dataclass
class Up:
    """A data uplink as liblora read it."""

    frame: Frame
    confirmed: bool
    fctrl: int
    fcnt: int
    fopts: bytes
    port: int
    payload: bytes


@dataclass
class JoinTerms:
    """What the server answers a JoinRequest with; window 0 means silence."""

    window: int = 1
    join_nonce: int = 1
    dl_settings: int = 0
    rx_delay: int = 1
    cflist: bytes | None = None
    app_key: bytes = APP_KEY


class Bench:
    """Device, air and server. `reply(up)` returns the downlinks to an uplink."""

    def __init__(self, *, join: bool = True, duty_cycle: bool = True, seed: int = 1, **rig: Any) -> None:
        self.rig = Rig(seed=seed, **rig)
        self.store = FlashStore()
        self.duty_cycle = duty_cycle
        self.terms = JoinTerms()
        self.join_requests: list[tuple[int, Frame]] = []
        self.ups: list[Up] = []
        self.reply: Callable[[Up], list[Downlink]] = lambda _up: []
        self.nwk = self.app = b""
        self.fcnt_up = 0
        self.fcnt_down = 0
        self.rx_delay_s = 1
        self.rx2_dr = 0
        self.rig.network.answer = self._hear
        self.mac = self.make_mac()
        if join:
            assert self.mac.join()

    def make_mac(self, **more: Any) -> ClassA:
        """Start the device (again) on what its flash holds."""
        self.rig.phy = self.rig.make_phy()
        return ClassA(
            self.rig.phy,
            Aes,
            self.rig.random,
            self.rig.clock,
            self.store,
            DEV_EUI,
            JOIN_EUI,
            APP_KEY,
            duty_cycle=self.duty_cycle,
            **more,
        )

    def _hear(self, frame: Frame) -> list[Downlink]:
        kind = loramsg.sanity_check_frame(frame.payload)
        if kind == loramsg.FrmType.JREQ:
            return self._answer_join(frame)
        assert kind in (loramsg.FrmType.DAUP, loramsg.FrmType.DCUP), f"the device sent type {kind:#x}"
        msg = loramsg.unpack_dataframe(frame.payload, self.fcnt_up, self.nwk, self.app)
        assert msg["DevAddr"] == DEV_ADDR
        self.fcnt_up = msg["FCnt"]
        up = Up(
            frame,
            kind == loramsg.FrmType.DCUP,
            msg["FCtrl"],
            msg["FCnt"],
            msg["FOpts"],
            msg["FPort"],
            msg["FRMPayload"],
        )
        self.ups.append(up)
        return self.reply(up)

    def _answer_join(self, frame: Frame) -> list[Downlink]:
        loramsg.verify_jreq(APP_KEY, frame.payload)
        nonce = loramsg.unpack_jreq(frame.payload)["DevNonce"]
        self.join_requests.append((nonce, frame))
        t = self.terms
        if not t.window:
            return []
        phy = loramsg.pack_jacc(t.app_key, t.join_nonce, 0x13, DEV_ADDR, t.dl_settings, t.rx_delay, t.cflist)
        self.nwk = loramsg.crypto.encrypt(APP_KEY, _key_block(1, t.join_nonce, 0x13, nonce))
        self.app = loramsg.crypto.encrypt(APP_KEY, _key_block(2, t.join_nonce, 0x13, nonce))
        self.fcnt_up = self.fcnt_down = 0
        self.rx_delay_s = t.rx_delay or 1
        self.rx2_dr = t.dl_settings & 15
        if t.window == 1:
            return [Downlink(phy, 5_000_000)]
        return [Downlink(phy, 6_000_000, RX2_HZ, 12)]

    def down(
        self,
        port: int | None = None,
        payload: bytes = b"",
        *,
        fopts: bytes = b"",
        fctrl: int = 0,
        confirmed: bool = False,
        fcnt: int | None = None,
        window: int = 1,
        dev_addr: int = DEV_ADDR,
        mhdr: int | None = None,
        break_mic: bool = False,
        **more: Any,
    ) -> Downlink:
        """Build a downlink for RX1 or RX2 of the uplink being answered."""
        if fcnt is None:
            fcnt = self.fcnt_down
            self.fcnt_down += 1
        phy = loramsg.pack_dataframe(
            mhdr if mhdr is not None else CONFIRMED_DOWN if confirmed else UNCONFIRMED_DOWN,
            dev_addr,
            fctrl,
            fcnt,
            fopts,
            port,
            payload,
            self.nwk,
            self.app,
        )
        if break_mic:
            phy = phy[:-1] + bytes([phy[-1] ^ 1])
        if window == 1:
            return Downlink(phy, self.rx_delay_s * 1_000_000, **more)
        more = {"freq_hz": RX2_HZ, "sf": SF_OF_DR[self.rx2_dr]} | more
        return Downlink(phy, (self.rx_delay_s + 1) * 1_000_000, **more)

    def answer_once(self, *downlinks: Callable[[], Downlink] | Downlink) -> None:
        """Answer the next uplink with these, later ones with nothing."""

        def reply(_up: Up) -> list[Downlink]:
            self.reply = lambda _up: []
            return [d if isinstance(d, Downlink) else d() for d in downlinks]

        self.reply = reply

    def windows(self, since: int = 0) -> list[tuple[str, int, int]]:
        """Return (kind, frequency in Hz, SF) of each SetTx and SetRx in the SPI log."""
        found = []
        freq = sf = 0
        for mosi in self.rig.wires.log[since:]:
            if mosi[0] == 0x86:
                freq = round(int.from_bytes(mosi[1:5], "big") * 32e6 / (1 << 25) / 100) * 100
            elif mosi[0] == 0x8B:
                sf = mosi[1]
            elif mosi[0] in (0x82, 0x83) and freq:
                found.append(("rx" if mosi[0] == 0x82 else "tx", freq, sf))
        return found

    def sleep_until_ready(self) -> None:
        """Wait as the node would."""
        wait = self.mac.wait_ms()
        if wait:
            self.rig.clock.sleep_ms(wait)


def _key_block(kind: int, join_nonce: int, net_id: int, dev_nonce: int) -> bytes:
    """TS001-1.0.4 section 6.2.5."""
    return (
        bytes([kind])
        + join_nonce.to_bytes(3, "little")
        + net_id.to_bytes(3, "little")
        + dev_nonce.to_bytes(2, "little")
        + bytes(7)
    )

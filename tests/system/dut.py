"""The line protocol's other end: a network server of liblora around `python -m simulator.lorawan_dut`.

Uplinks are verified and read by liblora as they come; `Dut.judge()` has every frame of the run judged by at
least two independent implementations. A downlink is a PHYPayload for window 1 or 2 of an uplink.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import loramsg

from tests.judges.judges import Sent, agree

ROOT = Path(__file__).parents[2]
APP_KEY = bytes(range(16))
JOIN_EUI = bytes.fromhex("70b3d57ed0000000")
DEV_EUI = bytes.fromhex("70b3d57ed005b420")
DEV_ADDR = 0x260B1234
NET_ID = 0x13
RX2_HZ = 869_525_000
ADR, ADR_ACK_REQ, ACK, PENDING = 0x80, 0x40, 0x20, 0x10
UNCONFIRMED_DOWN, CONFIRMED_DOWN = 0x60, 0xA0

Fields = dict[str, str]
Answer = dict[int, bytes]  # window -> PHYPayload


@dataclass
class Transmission:
    """A TX line and the RX lines that follow it."""

    t: int
    freq: int
    sf: int
    pwr: int
    phy: bytes
    raw: Fields
    windows: list[Fields] = field(default_factory=list)

    @property
    def air_ms(self) -> float:
        """Time on air by liblora's own table (CRC on, preamble 8)."""
        return time_on_air_ms(self.sf, len(self.phy))

    @property
    def end_ms(self) -> float:
        """When the transmission ended."""
        return self.t + self.air_ms


def time_on_air_ms(sf: int, length: int, *, crc: bool = True, bw_khz: int = 125) -> float:
    """Semtech AN1200.13: explicit header, 4/5, preamble of 8."""
    symbol_ms = 2**sf / bw_khz
    de = 2 if symbol_ms >= 16 else 0
    bits = 8 * length - 4 * sf + 28 + (16 if crc else 0)
    return (12.25 + 8 + max(-(-bits // (4 * (sf - de))) * 5, 0)) * symbol_ms


@dataclass
class Up:
    """A data uplink as liblora read it."""

    tx: Transmission
    confirmed: bool
    fctrl: int
    fcnt: int
    fopts: bytes
    port: int
    payload: bytes


@dataclass
class Terms:
    """What a JoinRequest is answered with; window 0 is silence, window 3 both."""

    window: int = 1
    join_nonce: int = 1
    dl_settings: int = 0
    rx_delay: int = 1
    cflist: bytes | None = None
    app_key: bytes = APP_KEY


class Dut:
    """The device behind its adapter, with the smallest network server that can talk to it."""

    def __init__(
        self,
        state: Path,
        *,
        board: str = "sim_bin",
        duty: bool = False,
        dr: int = 5,
        join: bool = True,
        certification: bool = False,
    ) -> None:
        self.arguments = [
            sys.executable, "-m", "simulator.lorawan_dut", str(state), str(int(duty)), str(dr),
            DEV_EUI.hex(), JOIN_EUI.hex(), APP_KEY.hex(), "--board", board,
            *(["--certification"] if certification else []),
        ]  # fmt: skip
        self.terms = Terms()
        self.sent: list[Transmission] = []
        self.join_requests: list[tuple[int, Transmission]] = []
        self.ups: list[Up] = []
        self.downs: list[tuple[int, bytes]] = []
        self.joined: list[int] = []
        self.errors: list[str] = []
        self.frames: list[Sent] = []
        self.reply: Callable[[Up], Answer] = lambda _up: {}
        self.nwk = self.app = b""
        self.fcnt_up = self.fcnt_down = 0
        self.now = 0
        self._answer: Answer = {}
        self.start()
        if join:
            self.join()
            assert self.joined, "not joined"

    # -- the process ---------------------------------------------------------------------------
    def start(self) -> None:
        """Start the adapter (again) on its state."""
        self._process = subprocess.Popen(
            self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self._until("READY")

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(20) == 0

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait(20)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self) -> Dut:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None and exc[0] is None:
            self.stop()
        else:
            self.kill()

    def _put(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _until(self, last: str) -> None:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, "the adapter ended"
            name, _, rest = line.strip().partition(" ")
            if name == "ERR":
                self.errors.append(rest)
                continue
            fields = dict(word.split("=", 1) for word in rest.split())
            self._take(name, fields)
            if name == last:
                self.now = int(fields["t"])
                return

    def _take(self, name: str, fields: Fields) -> None:
        if name == "TX":
            self._heard(fields)
        elif name == "RX":
            self.sent[-1].windows.append(fields)
            phy = self._answer.get(len(self.sent[-1].windows))
            self._put("-" if phy is None else f"F {phy.hex()} -80 8")
        elif name == "JOINED":
            self.joined.append(int(fields["devaddr"], 16))
        elif name == "DOWN":
            self.downs.append((int(fields["port"]), bytes.fromhex(fields["hex"])))
        else:
            assert name in ("READY", "OK"), name

    # -- commands ------------------------------------------------------------------------------
    def command(self, line: str) -> list[Transmission]:
        """Give a command; return what was sent until it had ended."""
        before = len(self.sent)
        self._put(line)
        self._until("OK")
        return self.sent[before:]

    def join(self) -> list[Transmission]:
        return self.command("JOIN")

    def send(self, payload: bytes = b"x", port: int = 1, *, confirmed: bool = False) -> list[Transmission]:
        return self.command(f"SEND {port} {int(confirmed)} {payload.hex() or '-'}")

    def run(self, ms: int) -> list[Transmission]:
        return self.command(f"RUN {ms}")

    def reset(self) -> None:
        self.command("RESET")

    # -- the server ----------------------------------------------------------------------------
    def _heard(self, fields: Fields) -> None:
        phy = bytes.fromhex(fields["hex"])
        tx = Transmission(
            int(fields["t"]), int(fields["freq"]), int(fields["sf"]), int(fields["pwr"]), phy, fields
        )
        self.sent.append(tx)
        self._answer = {}
        kind = loramsg.sanity_check_frame(phy)
        if kind == loramsg.FrmType.JREQ:
            self._answer_join(tx)
            return
        assert kind in (loramsg.FrmType.DAUP, loramsg.FrmType.DCUP), f"type {kind:#x}"
        msg = loramsg.unpack_dataframe(phy, self.fcnt_up, self.nwk, self.app)
        assert msg["DevAddr"] == DEV_ADDR
        self.fcnt_up = msg["FCnt"]
        self.frames.append(Sent("data", phy.hex(), nwk=self.nwk.hex(), app=self.app.hex(), fcnt=msg["FCnt"]))
        confirmed = kind == loramsg.FrmType.DCUP
        up = Up(tx, confirmed, msg["FCtrl"], msg["FCnt"], msg["FOpts"], msg["FPort"], msg["FRMPayload"])
        self.ups.append(up)
        self._answer = self.reply(up)

    def _answer_join(self, tx: Transmission) -> None:
        loramsg.verify_jreq(APP_KEY, tx.phy)
        nonce = loramsg.unpack_jreq(tx.phy)["DevNonce"]
        self.join_requests.append((nonce, tx))
        self.frames.append(Sent("join", tx.phy.hex(), app_key=APP_KEY.hex()))
        t = self.terms
        if not t.window:
            return
        phy = loramsg.pack_jacc(
            t.app_key, t.join_nonce, NET_ID, DEV_ADDR, t.dl_settings, t.rx_delay, t.cflist
        )
        if t.app_key == APP_KEY:
            derive = loramsg.crypto.derive
            self.nwk = derive(APP_KEY, nonce, t.join_nonce, NET_ID, 1)
            self.app = derive(APP_KEY, nonce, t.join_nonce, NET_ID, 2)
        self.fcnt_up = self.fcnt_down = 0
        self._answer = {1: phy, 2: phy} if t.window == 3 else {t.window: phy}

    def down(
        self,
        port: int | None = None,
        payload: bytes = b"",
        *,
        fopts: bytes = b"",
        fctrl: int = 0,
        confirmed: bool = False,
        fcnt: int | None = None,
        dev_addr: int = DEV_ADDR,
        mhdr: int | None = None,
        break_mic: bool = False,
    ) -> bytes:
        """Return the PHYPayload of a downlink, made by liblora."""
        if fcnt is None:
            fcnt = self.fcnt_down
            self.fcnt_down += 1
        if mhdr is None:
            mhdr = CONFIRMED_DOWN if confirmed else UNCONFIRMED_DOWN
        phy = loramsg.pack_dataframe(mhdr, dev_addr, fctrl, fcnt, fopts, port, payload, self.nwk, self.app)
        return phy[:-1] + bytes([phy[-1] ^ 1]) if break_mic else phy

    def answer_once(self, make: Callable[[Up], Answer] | Answer) -> None:
        """Answer the next uplink with this, later ones with nothing."""

        def reply(up: Up) -> Answer:
            self.reply = lambda _up: {}
            return make(up) if callable(make) else make

        self.reply = reply

    def judge(self) -> dict[str, Any]:
        """Have every frame of the run judged."""
        return agree(self.frames)

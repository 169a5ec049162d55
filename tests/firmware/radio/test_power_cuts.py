"""Power cuts at any instant: between two bus accesses, before, within and after each write to flash.

Never is a DevNonce or an FCntUp used twice, never is a parameter forgotten that the network knows the
device to have, and after every cut at most one join brings the device back.
"""

from __future__ import annotations

from random import Random

import loramsg
import pytest

from radio.classa import ClassA
from simulator.channel.frame import Frame
from tests.firmware.radio.rig import Aes, Downlink, FlashStore, PowerCut, Rig
from tests.firmware.radio.server import (
    ACK,
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    Bench,
    JoinTerms,
    _key_block,
)
from tests.firmware.radio.test_checklist import worst_hour_us


class Session:
    """One activation as the server knows it."""

    def __init__(self, dev_nonce: int, join_nonce: int) -> None:
        self.nwk = loramsg.crypto.encrypt(APP_KEY, _key_block(1, join_nonce, 0x13, dev_nonce))
        self.app = loramsg.crypto.encrypt(APP_KEY, _key_block(2, join_nonce, 0x13, dev_nonce))
        self.frames: dict[int, tuple[int, bytes]] = {}
        self.last_up = 0
        self.fcnt_down = 0
        self.rx_delay_s = 1
        self.asked_delay_s: int | None = None


class Server:
    """Keeps every session that it ever granted; sets RX delays and loses a tenth of its downlinks."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.dev_nonces: list[int] = []
        self.sessions: list[Session] = []
        self.boot = 0
        self.faults: list[str] = []

    def answer(self, frame: Frame) -> list[Downlink]:
        if loramsg.sanity_check_frame(frame.payload) == loramsg.FrmType.JREQ:
            return self._join(frame)
        for session in reversed(self.sessions):
            try:
                msg = loramsg.unpack_dataframe(frame.payload, session.last_up, session.nwk, session.app)
            except loramsg.VerifyError:
                continue
            return self._data(frame, session, msg)
        self.faults.append(f"no session for {frame.payload.hex()}")
        return []

    def _join(self, frame: Frame) -> list[Downlink]:
        loramsg.verify_jreq(APP_KEY, frame.payload)
        nonce = loramsg.unpack_jreq(frame.payload)["DevNonce"]
        if nonce in self.dev_nonces:
            self.faults.append(f"DevNonce {nonce} again")
        self.dev_nonces.append(nonce)
        join_nonce = len(self.dev_nonces)
        self.sessions.append(Session(nonce, join_nonce))
        phy = loramsg.pack_jacc(APP_KEY, join_nonce, 0x13, DEV_ADDR, 0, 1)
        return [] if self.random.random() < 0.1 else [Downlink(phy, 5_000_000)]

    def _data(self, frame: Frame, session: Session, msg: dict) -> list[Downlink]:
        fcnt = msg["FCnt"]
        known = session.frames.setdefault(fcnt, (self.boot, frame.payload))
        if known != (self.boot, frame.payload):
            self.faults.append(f"FCntUp {fcnt} again")
        session.last_up = max(session.last_up, fcnt)
        answers = b"\x08" in msg["FOpts"]
        if session.asked_delay_s is not None and answers:
            session.rx_delay_s, session.asked_delay_s = session.asked_delay_s, None
        if self.random.random() < 0.1:
            return []
        fopts = b""
        # While an answer is repeated, a new order would be taken as answered before it is heard.
        if session.asked_delay_s is None and not answers and self.random.random() < 0.3:
            session.asked_delay_s = self.random.randrange(1, 4)
        if session.asked_delay_s is not None:
            fopts = bytes([0x08, session.asked_delay_s])
        confirmed = msg["MHdr"] & 0xE0 == 0x80
        if not confirmed and not fopts and not answers:
            return []
        phy = loramsg.pack_dataframe(
            0x60, DEV_ADDR, ACK if confirmed else 0, session.fcnt_down, fopts, None, None, session.nwk
        )
        session.fcnt_down += 1
        return [Downlink(phy, session.rx_delay_s * 1_000_000)]


class Life:
    """A device that is cut off again and again; flash and world go on."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.rig = Rig(seed=seed)
        self.server = Server(self.random)
        self.rig.network.answer = self.server.answer
        self.store = FlashStore()
        self.rejoins = 0

    def boot(self) -> ClassA:
        self.server.boot += 1
        self.rig.chip.set_pin("reset", 0, self.rig.clock.now_us)
        self.rig.phy = self.rig.make_phy()
        return ClassA(
            self.rig.phy, Aes, self.rig.random, self.rig.clock, self.store, DEV_EUI, JOIN_EUI, APP_KEY
        )

    def plan_cut(self) -> None:
        """Choose where the power goes: at a time, or around one of the next writes."""
        if self.random.random() < 0.5:
            self.rig.clock.cut_at_us = self.rig.clock.now_us + self.random.randrange(1, 9_000_000)
            return
        left = self.random.randrange(1, 4)
        how = self.random.choice(["before", "torn", "after"])

        def on_save(store: FlashStore, name: str, data: bytes) -> None:
            nonlocal left
            left -= 1
            if left:
                return
            if how == "torn":
                store.records[name] = data[: self.random.randrange(len(data))]
            elif how == "after":
                store.records[name] = data
            raise PowerCut

        self.store.on_save = on_save
        self.rig.clock.cut_at_us = self.rig.clock.now_us + 60_000_000

    def live_until_cut(self) -> None:
        mac = self.boot()
        while mac.wait_ms():  # a life that only waits for the duty cycle
            self.rig.clock.sleep_ms(min(mac.wait_ms(), 30_000))
        self.plan_cut()
        try:
            mac = self.boot()
            while True:
                if not mac.joined:
                    self.rig.clock.sleep_ms(mac.wait_ms())
                    mac.join()
                else:
                    mac.send(1, bytes([self.random.randrange(256)]), self.random.random() < 0.5)
                    self.rig.clock.sleep_ms(self.random.randrange(5000))
        except PowerCut:
            pass
        self.store.on_save = None
        self.rig.clock.cut_at_us = None

    def prove_alive(self) -> int:
        """Get a confirmed uplink through; return how many joins the network had to grant for it."""
        mac = self.boot()
        granted = len(self.server.sessions)
        lossless, self.server.random = self.server.random, Always()
        for believed in (True, False):
            while not (mac.joined and believed):
                self.rig.clock.sleep_ms(mac.join_wait_ms())
                believed = mac.join() or believed
            self.rig.clock.sleep_ms(mac.wait_ms())
            if mac.send(1, b"alive", confirmed=True).acked:
                self.server.random = lossless
                return len(self.server.sessions) - granted
        raise AssertionError("the device is stuck")


class Always:
    """No loss, no new orders."""

    def random(self) -> float:
        return 0.99

    def randrange(self, low: int, high: int) -> int:
        return low


def live(seed: int, cuts: int) -> Life:
    life = Life(seed)
    for cut in range(cuts):
        life.live_until_cut()
        if cut % 10 == 9:
            joins = life.prove_alive()
            assert joins <= 1
            life.rejoins += joins
        # an hour without power now and then, so that the duty cycle does not fill up the test
        life.rig.clock.advance(life.random.randrange(600_000_000))
    assert life.server.faults == []
    return life


@pytest.mark.parametrize("seed", range(6))
def test_power_cuts(seed: int):
    life = live(seed, cuts=30)
    assert len(life.server.dev_nonces) >= 1
    assert sum(len(s.frames) for s in life.server.sessions) > 15


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_thousand_power_cuts():
    for seed in range(1000, 1100):
        live(seed, cuts=100)


def test_a_counter_jumps_by_at_most_one_block_after_a_cut():
    life = Life(1)
    mac = life.boot()
    while not mac.joined:
        life.rig.clock.sleep_ms(mac.wait_ms())
        mac.join()
    mac.send(1, b"x")
    used = mac.session.fcnt_up - 1
    mac = life.boot()
    assert used < mac.session.fcnt_up <= used + 32


def test_flash_wear_of_a_year_at_one_uplink_in_five_minutes():
    """The figure of memory.py: writes to NVS per uplink, without downlinks."""
    life = Life(3)
    mac = life.boot()
    while not mac.joined:
        life.rig.clock.sleep_ms(mac.wait_ms())
        mac.join()
    life.rig.network.answer = lambda _frame: []
    before = life.store.saves
    for _ in range(128):
        life.rig.clock.sleep_ms(300_000)
        assert mac.send(1, b"x").sent
    # ESP32 NVS: 0x6000 bytes are 6 pages of 126 entries of 32 bytes, one page kept free; a record of
    # at most 430 bytes takes 15 entries; a page stands 100,000 erasures (reference firmware.md, ESP-IDF)
    writes_a_year = (life.store.saves - before) / 128 * 12 * 24 * 365
    erasures_a_year = writes_a_year * 15 / 126 / 5
    assert 100_000 / erasures_a_year > 100


@pytest.mark.parametrize("life_ms", [1, 200_000])
def test_power_cuts_give_no_air_time_and_leave_the_device_with_its_share(life_ms: int):
    """A greedy device at SF12 that loses its power after each uplink, at once or after a while."""
    bench = Bench(join=False)
    bench.terms = JoinTerms()
    assert bench.mac.join()
    bench.mac.adr = False
    bench.mac.session.dr = 0
    bench.mac._memory.checkpoint(bench.mac.session)
    while bench.rig.clock.now_us < 4 * 3_600_000_000:
        mac = bench.mac = bench.make_mac()
        mac.adr = False
        assert mac.session.dr == 0
        mac.send(1, bytes(51))
        if mac.wait_ms() or life_ms > 1:
            bench.rig.clock.sleep_ms(max(life_ms, 130_000))
            mac.wait_ms()
    frames = bench.rig.network.heard
    assert worst_hour_us(frames, 868_000_000, 868_600_000) <= 36_000_000
    assert len(frames) >= 4 * 3  # 12 of 2.8 s would fit into an hour

"""A session with a Class A device that is not ours: PyPI pamoja-radios 0.2.0 (Rust) on our network server.

The device says where and when it listens; an answer that is not exactly there is not heard. So windows,
data rates, MAC commands and counters of the server are judged by somebody else's MAC.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.lns import LnsSettings
from gateway.model import DeviceKeys, LoraDownlink
from tests.gateway.lns.street import START_MS, Street, run

pamoja = pytest.importorskip("pamoja.raw", reason="pamoja-radios is not installed")

EUI, JOIN_EUI, KEY = "70b3d57ed0050042", "70b3d57ed0000000", bytes(range(16))
SF_OF_DR = {0: 12, 1: 11, 2: 10, 3: 9, 4: 8, 5: 7}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lns.sqlite"


class Node:
    """The radio around pamoja's MAC: transmits over the street, hears what falls into a window.

    snr_db is that of a transmission at 14 dBm; less power is heard less.
    """

    def __init__(self, street: Street, seed: int = 1, deaf: float = 0.0, lost: float = 0.0) -> None:
        self.street, self.random, self.deaf, self.lost = street, random.Random(seed), deaf, lost
        self.plan = pamoja.ChannelPlan.for_region("EU868")
        self.mac = self._make()
        self.dev_nonce = 0
        self.downlinks: list = []
        self.powers_dbm: list[int] = []
        self.missed_windows: list[LoraDownlink] = []
        street.keys.devices[EUI] = DeviceKeys(EUI, JOIN_EUI, KEY)

    def _make(self):
        identity = pamoja.LorawanDevice(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), KEY)
        return pamoja.LorawanEndDevice.over_the_air(
            self.plan, identity, pamoja.LorawanDeviceSettings(0, 14, seed=7)
        )

    def now_us(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e6)

    async def join(self) -> bool:
        self.dev_nonce += 1
        if await self._exchange(self.mac.join(self.dev_nonce, self.now_us())) == "joined":
            return True
        free_us = self.mac.nothing_heard(self.now_us()).not_before_us or 0
        await asyncio.sleep(max(free_us - self.now_us(), 0) / 1e6 + 0.001)
        return False

    async def say(self, payload: bytes = b"\x01", confirmed: bool = False, snr_db: float = 5.0):
        """One uplink with its repetitions; return what was heard, or what the MAC made of the silence."""
        sent = self.mac.send(1, payload, self.now_us(), confirmed)
        while True:
            heard = await self._exchange(sent, snr_db)
            if heard:
                return heard
            after = self.mac.nothing_heard(self.now_us())
            if after.kind != "repeat":
                return after.kind
            wait_us = max((after.not_before_us or 0) - self.now_us(), 0)
            await asyncio.sleep(wait_us / 1e6 + 0.001)
            sent = self.mac.repeat(self.now_us())

    async def _exchange(self, sent, snr_db: float = 5.0):
        self.powers_dbm.append(sent.output_dbm)
        await asyncio.sleep(sent.airtime_us / 1e6)
        end_us, before = self.now_us(), len(self.street.gateways.sent)
        heard_db = snr_db - (14 - sent.output_dbm)
        if self.random.random() >= self.lost:
            self.street.hear(
                bytes(sent.frame), sf=SF_OF_DR[sent.data_rate], frequency_hz=sent.frequency_hz,
                snr_db=heard_db, timestamp_us=end_us & 0xFFFFFFFF,
            )  # fmt: skip
        await asyncio.sleep(sent.rx2.delay_us / 1e6 + 3)
        answers = self.street.gateways.sent[before:]
        assert len(answers) <= 1
        for answer in answers:
            name = self._window_of(answer, sent, end_us)
            if name is None:
                self.missed_windows.append(answer)
            elif self.random.random() >= self.deaf:
                return self._hear(answer, name)
        return None

    def _window_of(self, answer: LoraDownlink, sent, end_us: int) -> str | None:
        delay_us = (answer.timestamp_us - end_us) & 0xFFFFFFFF
        for name in ("rx1", "rx2"):
            window = getattr(sent, name)
            if (window.delay_us, window.frequency_hz, SF_OF_DR[window.data_rate]) == (
                delay_us, answer.frequency_hz, answer.spreading_factor,
            ):  # fmt: skip
                return name
        return None

    def _hear(self, answer: LoraDownlink, name: str):
        heard = self.mac.heard(answer.phy, 5, name)
        if heard.kind == "joined":
            return "joined"
        self.downlinks.append(heard.delivery)
        return heard.delivery


def test_join_uplinks_downlinks_link_check_and_time(path):
    async def play(street):
        node = Node(street)
        assert await node.join()
        assert (await node.say(b"\x01", confirmed=True)).acknowledged
        node.mac.request_link_check()
        node.mac.request_device_time()
        got = await node.say(b"\x02")
        assert got.link_check is not None and got.device_time is not None
        gps_s = START_MS / 1000 + 18 - 315_964_800 + asyncio.get_running_loop().time()
        assert abs(got.device_time[0] - gps_s) < 10
        await street.server.enqueue(EUI, 3, b"\x0a\x0b", True)
        got = await node.say(b"\x03")
        assert (got.port, bytes(got.payload), got.confirmed) == (3, b"\x0a\x0b", True)
        assert await node.say(b"\x04") == "done"
        assert street.counters.get("lns.downlinks_acknowledged") == 1
        assert [up.payload for up in street.sink.uplinks] == [b"\x01", b"\x02", b"\x03", b"\x04"]
        assert [up.f_cnt for up in street.sink.uplinks] == [0, 1, 2, 3]
        assert not node.missed_windows

    run(path, play)


def test_adr_spends_the_margin_on_power_and_its_answers_are_understood(path):
    async def play(street):
        node = Node(street)
        assert await node.join()
        for _ in range(90):
            await node.say(snr_db=12.0)
            await asyncio.sleep(120)
        assert node.mac.data_rate == 5  # it joined at DR5 already
        margin_db = 12.0 - (14 - node.powers_dbm[-1]) + 7.5  # SF7 is demodulated down to -7.5 dB
        assert 10 <= margin_db < 13
        assert street.counters.get("lns.adr_refused") == 0
        assert not node.missed_windows

    run(path, play)


def test_receive_parameters_change_under_a_living_session(path):
    async def play(street):
        node = Node(street)
        assert await node.join()
        await node.say()
        for settings in (LnsSettings(rx1_delay_s=5, rx1_dr_offset=1, rx2_dr=3), LnsSettings(rx2_dr=0)):
            await street.stop()
            street.settings = settings
            await street.start()
            for _ in range(3):  # the order, its answer, the end of the answer
                await node.say()
            assert node.mac.receive_delay_us == settings.rx1_delay_s * 1_000_000
            assert node.mac.rx2 == (869_525_000, settings.rx2_dr)
            assert (await node.say(confirmed=True)).acknowledged
        assert not node.missed_windows

    run(path, play)


def test_a_device_that_lost_its_power_goes_on_and_one_that_lost_its_memory_joins_again(path):
    async def play(street):
        node = Node(street)
        assert await node.join()
        assert (await node.say(confirmed=True)).acknowledged
        saved = node.mac.save(node.now_us())
        node.mac = node._make()
        node.mac.resume(saved, node.now_us())
        assert (await node.say(b"\x02", confirmed=True)).acknowledged
        node.mac = node._make()
        assert await node.join()
        assert (await node.say(b"\x03", confirmed=True)).acknowledged
        node.mac, node.dev_nonce = node._make(), 0
        assert not await node.join()  # an old DevNonce is refused
        await street.server.reset_join(EUI)
        node.dev_nonce = 0
        assert await node.join()
        assert (await node.say(b"\x04", confirmed=True)).acknowledged

    run(path, play)


def test_a_long_session_over_a_bad_link_loses_nothing_that_was_acknowledged(path):
    async def play(street):
        node = Node(street, seed=5, deaf=0.1, lost=0.1)
        while not await node.join():  # noqa: ASYNC110 - the back-off of a device
            await asyncio.sleep(600)
        acknowledged: list[bytes] = []
        for number in range(300):
            payload = number.to_bytes(2, "big")
            got = await node.say(payload, confirmed=number % 3 == 0, snr_db=node.random.uniform(-2, 12))
            if not isinstance(got, str) and got.acknowledged:
                acknowledged.append(payload)
            if number % 40 == 7:
                await street.server.enqueue(EUI, 3, payload, True)
            await asyncio.sleep(120)
        stored = [uplink.payload for uplink in street.sink.uplinks]
        assert set(acknowledged) <= set(stored) and len(acknowledged) > 60
        assert len(set(stored)) == len(stored)  # none twice, whatever was repeated
        got = [bytes(down.payload) for down in node.downlinks if down.payload]
        expected = [number.to_bytes(2, "big") for number in range(7, 300, 40)]
        assert list(dict.fromkeys(got)) == expected[: len(dict.fromkeys(got))] and len(set(got)) >= 6
        assert not node.missed_windows
        assert street.counters.get("lns.internal_error") == 0

    run(path, play)

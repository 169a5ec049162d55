"""Both ends of the house on one air: the firmware's Class A device with our network server, virtual time.

The air is exact: a downlink is heard when the device listens at its start, on its frequency and data
rate. What each end does alone is judged by liblora elsewhere; here the two must simply get along.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.lns import LnsSettings
from gateway.lns.aes import Ecb
from gateway.model import DeviceKeys
from radio.classa import ClassA
from simulator.loop import VirtualLoop
from tests.gateway.lns.street import START_MS, Street
from wire.lorawan.airtime import symbol_us, time_on_air_us

DEV_EUI, JOIN_EUI, APP_KEY = "70b3d57ed0059999", "70b3d57ed0000000", bytes(range(16))


class Clock:
    """MicroPython's time functions on the loop's clock; sleeping runs the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop

    def ticks_us(self) -> int:
        return round(self.loop.time() * 1e6)

    def ticks_ms(self) -> int:
        return self.ticks_us() // 1000

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b

    def ticks_add(self, a: int, n: int) -> int:
        return a + n

    def sleep_us(self, us: int) -> None:
        if us > 0:
            self.loop.run_until_complete(asyncio.sleep(us / 1e6))

    def sleep_ms(self, ms: int) -> None:
        self.sleep_us(ms * 1000)


class Phy:
    """A radio within reach of the street's gateway. `deaf` windows and `lost` uplinks are drawn at random."""

    def __init__(self, clock: Clock, street: Street) -> None:
        self.clock, self.street = clock, street
        self.snr_db = 9.0
        self.loss = random.Random(1)
        self.lost = self.deaf = 0.0
        self.uplinks: list[tuple[int, bytes]] = []
        self.heard_us: set[int] = set()

    def transmit(self, freq_hz: int, sf: int, bw_khz: int, power_dbm: int, payload: bytes) -> int:
        self.clock.sleep_us(time_on_air_us(sf, bw_khz, len(payload)))
        end_us = self.clock.ticks_us()
        self.uplinks.append((sf, bytes(payload)))
        if self.loss.random() >= self.lost:
            self.clock.loop.call_soon(
                lambda: self.street.hear(
                    bytes(payload), frequency_hz=freq_hz, sf=sf, snr_db=self.snr_db, timestamp_us=end_us
                )
            )
        return end_us

    def receive(self, freq_hz: int, sf: int, bw_khz: int, open_at_us: int, window_us: int):
        self.clock.sleep_us(open_at_us + window_us - self.clock.ticks_us())
        for downlink in self.street.gateways.sent:
            start_us = downlink.timestamp_us
            late_us = start_us - open_at_us
            if not -4 * symbol_us(sf, bw_khz) <= late_us <= window_us or start_us in self.heard_us:
                continue
            if (downlink.frequency_hz, downlink.spreading_factor) != (freq_hz, sf):
                continue
            self.heard_us.add(start_us)
            if self.loss.random() < self.deaf:
                return None
            end_us = start_us + time_on_air_us(sf, bw_khz, len(downlink.phy), False)
            self.clock.sleep_us(end_us - self.clock.ticks_us())
            return downlink.phy, -80, 20
        return None


class Flash:
    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def load(self, name: str) -> bytes | None:
        return self.data.get(name)

    def save(self, name: str, data: bytes) -> None:
        self.data[name] = bytes(data)


class House:
    def __init__(self, path, settings: LnsSettings | None = None) -> None:
        self.loop = VirtualLoop()
        self.street = Street(path, settings)
        self.street.keys.devices[DEV_EUI] = DeviceKeys(DEV_EUI, JOIN_EUI, APP_KEY)
        self.clock = Clock(self.loop)
        self.phy = Phy(self.clock, self.street)
        self.flash = Flash()
        self.loop.run_until_complete(self.street.start())
        self.device: ClassA
        self.power_on()

    def power_on(self) -> None:
        """Start a device with what its flash remembers."""
        self.device = ClassA(
            self.phy, Ecb, random.Random(2), self.clock, self.flash, bytes.fromhex(DEV_EUI),
            bytes.fromhex(JOIN_EUI), APP_KEY,
        )  # fmt: skip

    def restart_gateway(self) -> None:
        self.loop.run_until_complete(self.street.stop())
        self.loop.run_until_complete(self.street.start())

    def join(self) -> None:
        for _ in range(20):
            self.clock.sleep_ms(self.device.wait_ms())
            if self.device.join():
                return
        raise AssertionError(f"no join: {self.device.reason} {self.street.counters.snapshot()}")

    def send(self, payload: bytes, confirmed: bool = False):
        self.clock.sleep_ms(self.device.wait_ms())
        result = self.device.send(2, payload, confirmed)
        assert result.sent, result.reason
        return result

    def payloads(self) -> list[bytes]:
        self.clock.sleep_ms(1000)
        return [uplink.payload for uplink in self.street.sink.uplinks]


@pytest.fixture
def house(tmp_path):
    made = []

    def make(settings: LnsSettings | None = None) -> House:
        made.append(House(tmp_path / "lns.sqlite", settings))
        return made[-1]

    yield make
    for one in made:
        one.loop.run_until_complete(one.street.stop())
        one.loop.run_until_complete(one.loop.shutdown_default_executor())
        one.loop.close()
        assert one.street.counters.get("lns.internal_error") == 0


@pytest.mark.parametrize("delay_s", [1, 5])
def test_join_uplinks_and_acks(house, delay_s):
    home = house(LnsSettings(rx1_delay_s=delay_s, rx2_dr=3))
    home.join()
    said = [bytes([n]) * 11 for n in range(20)]
    results = [home.send(payload, confirmed=n % 2 == 0) for n, payload in enumerate(said)]
    assert home.payloads() == said
    assert [result.acked for result in results] == [n % 2 == 0 for n in range(20)]


def test_time_and_link_check_come_back(house):
    home = house()
    home.join()
    home.device.request_time()
    home.device.request_link_check()
    home.send(b"x")
    utc_ms, at_ticks_ms = home.device.network_time
    assert abs(utc_ms - (START_MS + at_ticks_ms)) <= 5
    assert home.device.link == (16, 1)  # 9 dB at SF7 is 16.5 dB above -7.5 dB


def test_downlinks_come_in_order_without_being_asked_twice(house):
    home = house()
    home.join()
    for payload in (b"one", b"two", b"three"):
        home.loop.run_until_complete(home.street.server.enqueue(DEV_EUI, 3, payload, confirmed=True))
    got = home.send(b"x").downlinks
    while home.device.more:
        home.clock.sleep_ms(home.device.wait_ms())
        got += home.device.poll().downlinks
    assert got == [(3, b"one"), (3, b"two"), (3, b"three")]
    home.send(b"y")
    home.clock.sleep_ms(1000)
    assert home.street.counters.get("lns.downlinks_acknowledged") == 3


def test_adr_brings_a_near_device_to_low_power_and_it_stays_in_touch(house):
    home = house()
    home.join()
    home.device.session.dr = 1
    for n in range(100):
        home.send(bytes([n]), confirmed=n % 10 == 0)
    assert home.device.session.dr == 5 and home.device.session.tx_power > 0
    assert home.payloads()[-1] == bytes([99])
    assert home.street.counters.get("lns.adr_refused") == 0


def test_with_a_third_lost_each_way_every_acknowledged_reading_is_there_once(house):
    home = house()
    home.join()
    home.phy.lost = home.phy.deaf = 0.33
    acked = []
    for n in range(60):
        payload = n.to_bytes(2, "big")
        if home.send(payload, confirmed=True).acked:
            acked.append(payload)
    stored = home.payloads()
    assert len(acked) > 40 and set(acked) <= set(stored)
    assert stored == sorted(set(stored))


def test_the_gateway_restarts_and_the_device_loses_power_without_a_new_join(house):
    home = house()
    home.join()
    home.send(b"one", confirmed=True)
    home.restart_gateway()
    assert home.send(b"two", confirmed=True).acked
    home.power_on()
    assert home.device.joined
    assert home.send(b"three", confirmed=True).acked
    assert home.payloads() == [b"one", b"two", b"three"]
    assert home.street.counters.get("lns.join_accepts") == 1


def test_a_device_without_its_memory_joins_after_its_counter_was_reset(house):
    home = house()
    home.join()
    home.flash.data.clear()
    home.power_on()
    home.clock.sleep_ms(home.device.wait_ms())
    assert not home.device.join()
    assert home.street.counters.get("lns.dev_nonce_reused") == 1
    home.loop.run_until_complete(home.street.server.reset_join(DEV_EUI))
    home.join()
    assert home.send(b"back", confirmed=True).acked


def test_new_receive_parameters_reach_a_device_over_a_bad_link_and_neither_end_is_lost(house):
    home = house()
    home.join()
    home.phy.lost = home.phy.deaf = 0.25
    for settings in (
        LnsSettings(rx1_delay_s=4, rx1_dr_offset=2, rx2_dr=3),
        LnsSettings(rx1_delay_s=2, rx2_dr=5),
        LnsSettings(),
    ):
        home.street.settings = settings
        home.restart_gateway()
        for n in range(15):
            home.send(bytes([n]), confirmed=n % 4 == 0)
        session = home.device.session
        assert (session.rx1_delay_s, session.rx1_dr_offset, session.rx2_dr) == (
            settings.rx1_delay_s, settings.rx1_dr_offset, settings.rx2_dr,
        )  # fmt: skip
        (served,) = home.street.server._sessions.of(DEV_EUI)
        assert (served.rx_delay_s, served.rx1_dr_offset, served.rx2_dr) == (
            settings.rx1_delay_s, settings.rx1_dr_offset, settings.rx2_dr,
        )  # fmt: skip
    assert home.street.counters.get("lns.join_accepts") == 1


def test_confirmed_commands_over_a_bad_link_are_each_delivered(house):
    home = house()
    home.join()
    home.phy.lost = home.phy.deaf = 0.25
    got: list[bytes] = []
    for n in range(12):
        home.loop.run_until_complete(home.street.server.enqueue(DEV_EUI, 3, bytes([n]), confirmed=True))
        for _ in range(4):
            got += [payload for _, payload in home.send(b"x").downlinks]
    given_up = home.street.counters.get("lns.downlinks_given_up")
    assert len(set(got)) >= 12 - given_up and sorted(got) == got  # in order, some perhaps twice
    assert given_up <= 2 and home.street.server.status()["queued_downlinks"] <= 1

"""The two ways out: what each failure is called, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from node.lora_link import LoraLink
from node.wifi import Wifi
from node.wifi_link import WifiLink
from radio import mqtt
from radio.certification import Certification
from radio.errors import RadioError, RadioFault
from tests.dual_scripts.node_life import Clock, Mac, new_air
from tests.firmware.radio.server import ACK, Bench
from wire.record import TIME_NETWORK
from wire.status import NETWORK_FAILURES


class Wlan:
    """network.WLAN of ports/esp32, with the outcome of a test."""

    def __init__(self, outcome: int) -> None:
        self.outcome = outcome
        self.on = False
        self.asked: tuple[str, str] | None = None
        self.reconnects = 0  # network_wlan.c: tries for ever and never tells a reason

    def active(self, on: bool | None = None) -> bool:
        self.on = self.on if on is None else on
        return self.on

    def config(self, **options: int) -> None:
        self.reconnects = options.get("reconnects", self.reconnects)

    def connect(self, ssid: str, key: str) -> None:
        self.asked = (ssid, key)

    def disconnect(self) -> None:
        self.asked = None

    def status(self) -> int:
        if self.asked is None:
            return 1000
        return self.outcome if self.reconnects or self.outcome == 1010 else 1001

    def isconnected(self) -> bool:
        return self.status() == 1010


class Network:
    """The module `network`; numbers of ports/esp32."""

    STA_IF, STAT_GOT_IP, STAT_CONNECTING, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 0, 1010, 1001, 201, 202

    def __init__(self, outcome: int) -> None:
        self.wlan = Wlan(outcome)

    def WLAN(self, _interface: int) -> Wlan:
        return self.wlan


class NoSocket:
    """A socket module without any name server."""

    AF_INET = SOCK_DGRAM = 2

    def getaddrinfo(self, *_: Any) -> Any:
        raise OSError(-2)


class Broker:
    """radio.mqtt.Client as far as the link sees it."""

    def __init__(self, reason: int | None = None) -> None:
        self.reason = reason
        self.connected = False
        self.published: list[tuple[str, bytes]] = []
        self.messages: list[tuple[str, bytes]] = []
        self.subscribed = ""
        self.grants = True

    def subscribe(self, topic: str) -> bool:
        self.subscribed = topic
        return self.grants

    def ping(self) -> None:
        pass

    def connect(self) -> None:
        if self.reason:
            raise mqtt.MqttError(self.reason, "test")
        self.connected = True

    def publish(self, topic: str, payload: bytes) -> None:
        if self.reason:
            self.connected = False
            raise mqtt.MqttError(self.reason, "test")
        self.published.append((topic, payload))

    def disconnect(self) -> None:
        self.connected = False


def _wifi(outcome: int = 1010, reason: int | None = None, ntp: str = "") -> tuple[WifiLink, Network, Broker]:
    network, broker = Network(outcome), Broker(reason)
    link = WifiLink(
        Wifi(network, Clock()), NoSocket(), Clock(), broker, "70b3d57ed0000001", "home", "secret", ntp
    )
    return link, network, broker


@pytest.mark.parametrize(
    ("outcome", "reason", "name"),
    [
        (202, None, "wifi_wrong_password"),
        (15, None, "wifi_wrong_password"),
        (204, None, "wifi_wrong_password"),
        (201, None, "wifi_not_found"),
        (210, None, "wifi_security"),
        (1001, None, "wifi_no_address"),
        (1000, None, "wifi_no_answer"),
        (1010, mqtt.NAME, "name_not_found"),
        (1010, mqtt.UNREACHABLE, "broker_unreachable"),
        (1010, mqtt.REFUSED, "broker_refused"),
        (1010, mqtt.WRONG_PASSWORD, "broker_wrong_password"),
        (1010, mqtt.SILENT, "broker_silent"),
    ],
)
def test_each_reason_for_not_getting_through_has_its_own_name(
    outcome: int, reason: int | None, name: str
) -> None:
    link, _network, _broker = _wifi(outcome, reason)
    assert not link.bring_up()
    assert NETWORK_FAILURES[link.last_failure] == name
    assert link.failures == 1


def test_a_time_server_that_is_silent_does_not_hold_the_records_up() -> None:
    link, _network, broker = _wifi(ntp="nowhere")
    assert link.bring_up()
    assert NETWORK_FAILURES[link.last_failure] == "ntp_silent"
    assert link.send(1, b"x") == (True, True)
    assert broker.published == [("meetnet/v1/70b3d57ed0000001/1", b"x")]
    assert link.take_time() is None


def test_wifi_is_off_while_there_is_nothing_to_send() -> None:
    link, network, broker = _wifi()
    link.bring_up()
    assert network.wlan.on
    link.rest()
    assert not network.wlan.on
    assert not broker.connected


def test_a_message_that_no_broker_took_is_not_sent() -> None:
    link, _network, broker = _wifi()
    link.bring_up()
    broker.reason = mqtt.SILENT
    assert link.send(1, b"x") == (False, None)
    assert not link.up


def test_what_the_broker_kept_for_us_is_a_downlink_and_nothing_else_is() -> None:
    link, _network, broker = _wifi()
    assert link.bring_up()
    assert broker.subscribed == "meetnet/v1/70b3d57ed0000001/down/+"
    broker.messages = [
        ("meetnet/v1/70b3d57ed0000001/down/3", b"\x01\x02"),
        ("meetnet/v1/70b3d57ed0000001/1", b"an echo"),
        ("meetnet/v1/70b3d57ed0000001/down/x", b""),
        ("meetnet/v1/70b3d57ed0000001/down/9999", b""),
    ]
    link.send(1, b"x")
    assert link.downlinks == [(3, b"\x01\x02")]
    assert link.text == ""


def test_a_broker_that_refuses_commands_is_told_of_and_used_all_the_same() -> None:
    link, _network, broker = _wifi()
    broker.grants = False
    assert link.bring_up()
    assert "commands refused" in link.text


def _lora(confirm_every: int = 4) -> tuple[LoraLink, Mac, dict[str, Any]]:
    air = new_air() | {"pause_ms": 0, "join_pause_ms": 0}
    mac = Mac(Clock(), air)
    return LoraLink(mac, confirm_every), mac, air


def test_the_first_uplink_and_then_every_nth_is_confirmed() -> None:
    link, _mac, _air = _lora()
    assert link.bring_up()
    assert [link.send(1, b"x")[1] for _ in range(9)] == [True, None, None, None, True, None, None, None, True]


def test_four_confirmations_that_fail_end_the_belief_in_a_session() -> None:
    link, _mac, air = _lora(1)
    link.bring_up()
    air["good"] = False
    for i in range(4):
        assert link.up, i
        assert link.send(1, b"x") == (True, False)
    assert not link.up
    assert NETWORK_FAILURES[link.last_failure] == "not_confirmed"
    air["good"] = True
    assert link.bring_up()
    assert link.up


def test_a_join_that_nobody_answers_and_a_radio_that_fails_are_told_apart() -> None:
    link, mac, air = _lora()
    air["good"] = False
    assert not link.bring_up()
    assert NETWORK_FAILURES[link.last_failure] == "join_no_answer"

    def broken(*_: Any) -> Any:
        raise RadioError("busy: the chip hangs")

    mac.join = mac.send = broken
    assert not link.bring_up()
    assert NETWORK_FAILURES[link.last_failure] == "radio_fault"
    assert link.send(1, b"x") == (False, None)


@pytest.mark.parametrize(
    ("part", "name"), [("busy", "radio_busy"), ("dio0", "radio_dio0"), ("tcxo", "radio_tcxo")]
)
def test_a_wiring_fault_reaches_the_status_by_the_name_of_its_wire(part: str, name: str) -> None:
    link, mac, _air = _lora()

    def broken(*_: Any) -> Any:
        raise RadioFault(part, "check the wire")

    mac.join = broken
    assert not link.bring_up()
    assert NETWORK_FAILURES[link.last_failure] == name
    assert link.text == f"radio: {part}: check the wire"


def test_the_network_is_told_of_the_battery() -> None:
    link, mac, _air = _lora()
    link.battery(127)
    assert mac.battery == 127


def test_a_test_house_gets_its_answers_and_its_period_from_a_node() -> None:
    """TS009-1.0: an echo is answered at once, a period of ten seconds is kept, the rest goes to the node."""
    bench = Bench(duty_cycle=False)
    link = LoraLink(bench.mac, 16, Certification(bench.mac, (0, 1, 0)))
    assert not link.called
    bench.answer_once(lambda: bench.down(224, b"\x08\x01", fctrl=ACK))
    link.send(1, b"x")
    assert link.called
    assert link.answer()
    assert (bench.ups[-1].port, bench.ups[-1].payload) == (224, b"\x08\x02")
    bench.answer_once(lambda: bench.down(224, b"\x06\x02"))
    link.send(1, b"x")
    assert link.answer()
    assert 0 < link.calls_in_ms() <= 10_000
    bench.rig.clock.sleep_ms(link.calls_in_ms())
    assert link.called
    bench.answer_once(lambda: bench.down(9, b"for the node"))
    assert link.answer()
    assert link.downlinks == [(9, b"for the node")]


def test_an_answer_of_the_network_is_taken_once() -> None:
    link, mac, _air = _lora()
    link.bring_up()
    link.request_time()
    link.send(2, b"x")
    assert mac.network_time is not None
    assert link.take_time() == (*mac.network_time, TIME_NETWORK)
    assert link.take_time() is None

"""The MQTT client: packets of the standard, a real broker, and a broker that misbehaves."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from amqtt.broker import Broker

from radio import mqtt


class Clock:
    """MicroPython's time module, of this machine."""

    def ticks_ms(self) -> int:
        return int(time.monotonic() * 1000)

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b


class Stream:
    """MicroPython's socket over CPython's: read() gives what there is, write() says how much went."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, n: int) -> bytes:
        return self._sock.recv(n)

    def write(self, data: Any) -> int:
        return self._sock.send(data)

    def close(self) -> None:
        self._sock.close()


def _open(host: str, port: int, timeout_s: float) -> Stream:
    try:
        return Stream(socket.create_connection((host, port), timeout_s))
    except OSError as error:
        raise mqtt.MqttError(mqtt.UNREACHABLE, repr(error)) from error


def _client(port: int, **more: Any) -> mqtt.Client:
    options = {"user": "u", "password": "p", "timeout_s": 2} | more
    return mqtt.Client(_open, Clock(), "node1", "127.0.0.1", port, **options)


def test_packets_are_those_of_the_standard() -> None:
    # MQTT 3.1.1: 2.2.3 remaining length (table 2.4: 321 is C1 02); 3.1 CONNECT: flags C2 are user,
    # password and clean session; 10 bytes of variable header and 7 + 3 + 4 of payload are 18 in hex.
    assert mqtt.packet(0x32, b"x" * 321)[:3].hex() == "32c102"
    assert mqtt.packet(0xE0, b"").hex() == "e000"
    expected = "10 18 0004 4d515454 04 c2 003c 0005 6e6f646531 0001 75 0002 7077"
    connect = mqtt.connect_packet("node1", "u", "pw", 60, True)
    assert connect.hex() == expected.replace(" ", "")


class Script(threading.Thread):
    """A broker that reads once and answers each time with the next bytes of a script, then closes."""

    def __init__(self, answers: list[bytes], hang: bool = False) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.answers = answers
        self.hang = hang
        self.got: list[bytes] = []
        self.release = threading.Event()

    def run(self) -> None:
        connection, _ = self.server.accept()
        with connection:
            for answer in self.answers:
                self.got.append(connection.recv(4096))
                connection.sendall(answer)
            if self.hang:
                self.release.wait(10)


@pytest.fixture
def script() -> Iterator[Any]:
    made: list[Script] = []

    def make(*answers: bytes, hang: bool = False) -> Script:
        broker = Script(list(answers), hang)
        broker.start()
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.release.set()
        broker.join(5)
        broker.server.close()


CONNACK = bytes.fromhex("20020000")


def test_publish_returns_when_its_own_puback_has_come(script: Any) -> None:
    broker = script(CONNACK, bytes.fromhex("40020007") + bytes.fromhex("40020001"))
    client = _client(broker.port)
    client.connect()
    client.publish("a/b", b"\x01\x02")
    assert broker.got[1].hex() == "32" + "09" + "0003" + "612f62" + "0001" + "0102"
    client.close()


def test_subscribe_and_what_comes_for_us_meanwhile(script: Any) -> None:
    """3.8 SUBSCRIBE, 3.9 SUBACK; two PUBLISH (3.3) of QoS 1 and 0 before the answer, one acknowledged."""
    at_1 = bytes.fromhex("3208") + bytes.fromhex("0003") + b"d/3" + bytes.fromhex("1234") + b"\x30"
    at_0 = bytes.fromhex("3006") + bytes.fromhex("0003") + b"d/3" + b"\x32"
    broker = script(CONNACK, at_1, at_0 + bytes.fromhex("9003000101"), bytes.fromhex("d000"))
    client = _client(broker.port)
    client.connect()
    assert client.subscribe("d/+")
    assert broker.got[1].hex() == "8208" + "0001" + "0003" + b"d/+".hex() + "01"
    assert broker.got[2].hex() == "40021234"
    assert client.messages == [("d/3", b"\x30"), ("d/3", b"2")]
    client.ping()
    assert broker.got[3].hex() == "c000"
    client.close()


def test_a_subscription_may_be_refused(script: Any) -> None:
    client = _client(script(CONNACK, bytes.fromhex("9003000180")).port)
    client.connect()
    assert not client.subscribe("d/+")
    client.close()


def test_the_session_lasts_so_that_commands_wait_for_a_node_that_is_away(script: Any) -> None:
    """3.1.2.4: Clean Session is bit 1 of the flags, byte 9 of CONNECT."""
    broker = script(CONNACK)
    client = _client(broker.port)
    client.connect()
    assert broker.got[0][9] & 0x02 == 0
    client.close()


@pytest.mark.parametrize(
    ("code", "reason"), [(4, mqtt.WRONG_PASSWORD), (5, mqtt.WRONG_PASSWORD), (3, mqtt.REFUSED)]
)
def test_a_refusal_says_why(script: Any, code: int, reason: int) -> None:
    client = _client(script(bytes([0x20, 2, 0, code])).port)
    with pytest.raises(mqtt.MqttError) as caught:
        client.connect()
    assert caught.value.reason == reason
    assert not client.connected


@pytest.mark.parametrize(
    "answers",
    [
        [CONNACK],  # closes instead of PUBACK
        [CONNACK, b"\x40\x02"],  # half a packet, then closes
        [CONNACK, b"\x40\xff\xff\xff\xff\x01"],  # a length of five bytes
        [CONNACK, b"\x30\xff\xff\x7f"],  # two megabytes
    ],
)
def test_a_broken_broker_is_an_error_with_its_reason(script: Any, answers: list[bytes]) -> None:
    client = _client(script(*answers).port)
    client.connect()
    with pytest.raises(mqtt.MqttError) as caught:
        client.publish("a", b"x")
    assert caught.value.reason == mqtt.SILENT
    assert not client.connected


def test_a_broker_that_says_nothing_is_not_waited_for_longer_than_the_timeout(script: Any) -> None:
    client = _client(script(CONNACK, b"", hang=True).port, timeout_s=0.1)
    client.connect()
    started = time.monotonic()
    with pytest.raises(mqtt.MqttError):
        client.publish("a", b"x")
    assert time.monotonic() - started < 2


def test_nobody_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(mqtt.MqttError) as caught:
        _client(port).connect()
    assert caught.value.reason == mqtt.UNREACHABLE


def test_the_password_is_in_no_repr_and_no_error(script: Any) -> None:
    client = _client(script(bytes([0x20, 2, 0, 4])).port, password="hunter2")
    with pytest.raises(mqtt.MqttError) as caught:
        client.connect()
    assert "hunter2" not in repr(client) + repr(caught.value)


async def test_a_real_broker_takes_our_messages_and_another_client_reads_them() -> None:
    import paho.mqtt.client as paho

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    got: list[tuple[str, bytes]] = []

    def exchange() -> None:
        subscribed = threading.Event()
        reader = paho.Client(paho.CallbackAPIVersion.VERSION2)
        reader.on_message = lambda _c, _u, message: got.append((message.topic, message.payload))
        reader.on_subscribe = lambda *_: subscribed.set()
        reader.connect("127.0.0.1", port)
        reader.subscribe("meetnet/#", qos=1)
        reader.loop_start()
        assert subscribed.wait(5)
        client = _client(port, keepalive_s=1)
        client.connect()
        for i in range(3):
            client.publish("meetnet/v1/x/1", bytes([i]) * 200)
        time.sleep(0.6)
        assert client.ping_in_ms() == 0
        client.ping()
        client.publish("meetnet/v1/x/2", b"last")
        client.disconnect()
        deadline = time.monotonic() + 5
        while len(got) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        reader.disconnect()
        reader.loop_stop()

    try:
        await asyncio.to_thread(exchange)
    finally:
        await broker.shutdown()
    assert [payload for _, payload in got] == [b"\0" * 200, b"\1" * 200, b"\2" * 200, b"last"]
    assert got[3][0] == "meetnet/v1/x/2"

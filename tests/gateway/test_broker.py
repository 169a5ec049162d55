from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import broker_server
from gateway.broker import EmbeddedBroker
from gateway.counters import Counters
from gateway.errors import ConfigError, RegistryError, StoreError
from gateway.ingest.mqtt.waiting import MOST, WaitingCommands
from gateway.model import Uplink
from gateway.registry import Device, Registry

from .house import AIR, BIN, SetClock
from .mqtt_client import Client


class Sink:
    """Notes what it took; refuses or waits when told to."""

    def __init__(self) -> None:
        self.taken: list[Uplink] = []
        self.refuse = False
        self.first = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def accept(self, uplink: Uplink) -> None:
        await self.open.wait()
        if self.refuse:
            raise StoreError("the disk is full")
        self.taken.append(uplink)
        self.first.set()


class Setup:
    def __init__(self, path: Path) -> None:
        self.sink = Sink()
        self.counters = Counters()
        self.clock = SetClock()
        self.registry = Registry(path)
        for dev_eui in (AIR, BIN):
            self.registry.put_device(Device(dev_eui, "air", "mqtt"), mqtt_password=f"password of {dev_eui}")
        self.waiting = WaitingCommands(path / "commands.json")
        self.broker = EmbeddedBroker(self.sink, self.registry, self.clock, self.counters, self.waiting)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    found = Setup(tmp_path)
    await found.broker.start("127.0.0.1", 0)
    yield found
    await found.broker.close()
    found.registry.close()


@contextlib.asynccontextmanager
async def a_node(setup: Setup, dev_eui: str = AIR, client_id: str = "") -> AsyncIterator[Client]:
    node = Client(client_id or dev_eui, dev_eui, f"password of {dev_eui}")
    assert await node.connect(setup.broker.port) == "Success"
    try:
        yield node
    finally:
        await node.close()


async def test_a_message_is_acknowledged_when_it_is_durable_and_not_before(setup: Setup) -> None:
    async with a_node(setup) as node:
        setup.sink.open.clear()
        mid = await node.publish(f"meetnet/v1/{AIR}/1", b"\x01\x02")
        with pytest.raises(TimeoutError):
            await node.acknowledgement(mid, 0.2)
        setup.sink.open.set()
        await node.acknowledgement(mid)
    assert setup.sink.taken == [Uplink("mqtt", AIR, 1, b"\x01\x02", setup.clock.now_ms())]


async def test_a_full_disk_keeps_the_acknowledgement_back_until_it_passes(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.broker.RETRY_S", 0.05)
    async with a_node(setup) as node:
        setup.sink.refuse = True
        mid = await node.publish(f"meetnet/v1/{AIR}/1", b"\x01")
        with pytest.raises(TimeoutError):
            await node.acknowledgement(mid, 0.3)
        setup.sink.refuse = False
        await node.acknowledgement(mid)
    assert [uplink.payload for uplink in setup.sink.taken] == [b"\x01"]


async def test_many_messages_arrive_in_order(setup: Setup) -> None:
    async with a_node(setup) as node:
        mids = [await node.publish(f"meetnet/v1/{AIR}/1", bytes([n])) for n in range(100)]
        for mid in mids:
            await node.acknowledgement(mid)
    assert [uplink.payload[0] for uplink in setup.sink.taken] == list(range(100))


@pytest.mark.parametrize(("user", "password"), [
    (AIR, "wrong"), ("00000000000000ff", f"password of {AIR}"), ("", ""), ("x" * 1000, "y"), (AIR, ""),
])  # fmt: skip
async def test_who_has_no_password_stays_outside(setup: Setup, user: str, password: str) -> None:
    node = Client("stranger", user, password)
    assert await node.connect(setup.broker.port) != "Success"
    await node.close()
    assert setup.counters.get("broker.login_refused") >= 1


@pytest.mark.parametrize(
    "topic",
    [
        f"meetnet/v1/{BIN}/1",
        "other/topic",
        f"meetnet/v1/{AIR}/x",
        f"meetnet/v1/{AIR}",
        f"meetnet/v1/{AIR}/999",
    ],
)
async def test_a_device_may_only_publish_under_its_own_topic(setup: Setup, topic: str) -> None:
    async with a_node(setup) as node:
        await node.acknowledgement(await node.publish(topic, b"\x01"))
        await node.acknowledgement(await node.publish(f"meetnet/v1/{AIR}/1", b"\x02"))
    assert [uplink.payload for uplink in setup.sink.taken] == [b"\x02"]
    counted = setup.counters.get("broker.publish_refused") + setup.counters.get("ingest.mqtt_topic")
    assert counted >= 1


async def test_taking_over_anothers_session_gives_nobody_anothers_topic(setup: Setup) -> None:
    persistent = Client("shared-id", AIR, f"password of {AIR}", clean=False)
    assert await persistent.connect(setup.broker.port) == "Success"
    await persistent.close()
    thief = Client("shared-id", BIN, f"password of {BIN}", clean=False)
    assert await thief.connect(setup.broker.port) == "Success"
    await thief.acknowledgement(await thief.publish(f"meetnet/v1/{AIR}/1", b"\x66"))
    await thief.acknowledgement(await thief.publish(f"meetnet/v1/{BIN}/1", b"\x01"))
    await thief.close()
    assert [(uplink.dev_eui, uplink.payload) for uplink in setup.sink.taken] == [(BIN, b"\x01")]


async def test_a_device_hears_its_own_topic_and_no_other(setup: Setup) -> None:
    async with a_node(setup) as node, a_node(setup, BIN) as other:
        for topic, code in (
            (f"meetnet/v1/{AIR}/3", 1),
            (f"meetnet/v1/{BIN}/1", 128),
            ("#", 128),
            ("meetnet/v1/+/+", 128),
        ):
            node.paho.subscribe(topic, 1)
            assert await asyncio.wait_for(node.granted.get(), 30) == [code], topic
        await other.acknowledgement(await other.publish(f"meetnet/v1/{BIN}/1", b"private"))
        await node.acknowledgement(await node.publish(f"meetnet/v1/{AIR}/3", b"own"))
        assert await asyncio.wait_for(node.messages.get(), 30) == (f"meetnet/v1/{AIR}/3", b"own")
        assert node.messages.empty()


async def test_commands_wait_for_their_device_through_a_restart_and_come_once_in_order(
    setup: Setup, tmp_path: Path
) -> None:
    for n in range(3):
        await setup.broker.enqueue(AIR, 3, bytes([n]))
    await setup.broker.enqueue(BIN, 3, b"other")
    assert [c.payload for c in WaitingCommands(tmp_path / "commands.json").of(AIR)] == [b"\0", b"\1", b"\2"]
    async with a_node(setup) as node:
        await asyncio.sleep(0.1)
        assert node.messages.empty()  # it has not subscribed yet
        node.paho.subscribe(f"meetnet/v1/{AIR}/down/+", 1)
        got = [await asyncio.wait_for(node.messages.get(), 30) for _ in range(3)]
        assert got == [(f"meetnet/v1/{AIR}/down/3", bytes([n])) for n in range(3)]
        await setup.broker.enqueue(AIR, 3, b"now")
        assert (await asyncio.wait_for(node.messages.get(), 30))[1] == b"now"
        async with asyncio.timeout(30):
            while setup.waiting.of(AIR):  # noqa: ASYNC110 - the file tells nobody
                await asyncio.sleep(0.01)
        assert node.messages.empty()
    assert len(WaitingCommands(tmp_path / "commands.json").of(BIN)) == 1


async def test_a_command_that_nobody_acknowledged_stays_and_too_many_are_refused(setup: Setup) -> None:
    for _ in range(MOST):
        await setup.broker.enqueue(AIR, 3, b"x")
    with pytest.raises(RegistryError, match="already wait"):
        await setup.broker.enqueue(AIR, 3, b"x")
    assert len(setup.waiting.of(AIR)) == MOST


async def test_a_damaged_file_of_commands_is_begun_anew(tmp_path: Path) -> None:
    for text in ('{"a', "[]", '{"70b3d57ed0000001": [1]}', '{"70b3d57ed0000001": [["a", 3, "zz"]]}'):
        (tmp_path / "commands.json").write_text(text)
        waiting = WaitingCommands(tmp_path / "commands.json")
        assert waiting.of(AIR) == []
        waiting.add(AIR, 3, b"x")


async def test_qos_0_is_stored_too(setup: Setup) -> None:
    async with a_node(setup) as node:
        await node.publish(f"meetnet/v1/{AIR}/1", b"\x07", qos=0)
        await asyncio.wait_for(setup.sink.first.wait(), 30)
    assert setup.sink.taken[0].payload == b"\x07"


async def test_garbage_and_silent_connections_disturb_nobody(setup: Setup) -> None:
    writers = []
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\x7f", b"\x00" * 50, b"", bytes(range(256))):
        _, writer = await asyncio.open_connection("127.0.0.1", setup.broker.port)
        writer.write(garbage)
        writers.append(writer)
    async with a_node(setup) as node:
        await node.acknowledgement(await node.publish(f"meetnet/v1/{AIR}/1", b"\x01"))
    for writer in writers:
        writer.close()
    assert len(setup.sink.taken) == 1


async def test_a_stranger_who_says_nothing_is_cut_off_and_a_node_is_not(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.broker_server.GREETING_S", 0.2)
    async with a_node(setup) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", setup.broker.port)
        writer.write(b"\x10")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        await asyncio.sleep(0.3)
        await node.acknowledgement(await node.publish(f"meetnet/v1/{AIR}/1", b"\x01"))


async def test_a_node_that_came_back_to_its_session_is_no_stranger(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.broker_server.GREETING_S", 0.5)
    for _ in range(2):
        node = Client(AIR, AIR, f"password of {AIR}", clean=False)
        assert await node.connect(setup.broker.port) == "Success"
        await asyncio.sleep(0.7)
        assert not node.lost.is_set()
        await node.close()


async def test_a_packet_of_10_megabytes_is_not_read(setup: Setup) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", setup.broker.port)
    writer.write(b"\x10\x80\x80\x80\x05" + bytes(100_000))  # CONNECT of 10 MiB
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    async with a_node(setup) as node:
        await node.publish(f"meetnet/v1/{AIR}/1", bytes(200_000))
        await asyncio.wait_for(node.lost.wait(), 30)
    assert setup.sink.taken == []


async def test_a_port_in_use_is_told(setup: Setup) -> None:
    other = EmbeddedBroker(setup.sink, setup.registry, setup.clock, setup.counters, setup.waiting)
    with pytest.raises(ConfigError, match="choose another port"):
        await other.start("127.0.0.1", setup.broker.port)


async def test_a_connection_that_does_not_end_keeps_the_port_from_nobody(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_server, "SHUTDOWN_S", 0.2)
    port = setup.broker.port
    async with a_node(setup) as node:

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(broker_server.BoundedBroker, "_stop_handler", never)
        await setup.broker.close()
        assert setup.counters.get("broker.connection_broke") == 1
        await setup.broker.start("127.0.0.1", port)
        monkeypatch.undo()
        assert setup.broker.port == port
        await asyncio.wait_for(node.lost.wait(), 30)


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_ends_though_a_packet_comes_just_then(setup: Setup, turns: int) -> None:
    # Python 3.11's wait_for forgets a cancellation in the turn of the loop in which it has its result.
    async with a_node(setup) as node:
        server = setup.broker._broker
        assert server is not None
        ((_, handler),) = server._sessions.values()
        handler.reader._reader.feed_data(b"\xc0\x00")  # PINGREQ
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(handler.stop(), 5)
        await asyncio.wait_for(node.lost.wait(), 30)


@pytest.mark.parametrize("clean", [True, False])
async def test_a_stranger_with_the_client_id_of_a_node_neither_ends_nor_mutes_it(
    setup: Setup, clean: bool
) -> None:
    """Client ids are no secrets: they are the DevEUI, which is on the label and in every join request."""
    node = Client(AIR, AIR, f"password of {AIR}", clean=False)
    assert await node.connect(setup.broker.port) == "Success"
    for user, password in ((AIR, "wrong"), (BIN, f"password of {BIN}")):
        thief = Client(AIR, user, password, clean=clean)
        await thief.connect(setup.broker.port)
        await node.acknowledgement(await node.publish(f"meetnet/v1/{AIR}/1", user.encode()), 10)
        await thief.close()
    assert not node.lost.is_set()
    await node.close()
    assert [one.payload for one in setup.sink.taken] == [AIR.encode(), BIN.encode()]


async def test_a_device_fills_no_memory_with_sessions_or_retained_messages(setup: Setup) -> None:
    for number in range(5):
        node = Client(f"another {number}", AIR, f"password of {AIR}", clean=False)
        assert await node.connect(setup.broker.port) == "Success"
        mid = node.paho.publish(f"meetnet/v1/{AIR}/{number + 1}", b"kept", 1, retain=True).mid
        await node.acknowledgement(mid)
        await node.close()
    broker = setup.broker._broker
    assert broker is not None
    assert len(broker.sessions) == 1
    assert not broker.retained_messages
    assert len(setup.sink.taken) == 5


async def test_who_tries_passwords_keeps_nobody_of_another_network_waiting(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    goes_on = threading.Event()

    def check(user: str, password: str) -> bool:
        asked.append(user)
        goes_on.wait(30)
        return password == f"password of {AIR}"

    monkeypatch.setattr(setup.registry, "check_password", check)

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    guesses: list[asyncio.StreamWriter] = []
    for number in range(40):
        _, writer = await asyncio.open_connection("127.0.0.1", setup.broker.port, local_addr=("127.0.0.2", 0))
        body = text("MQTT") + b"\x04\xc2\x00\x3c" + text(f"guess {number}") + text(BIN) + text("guess")
        writer.write(b"\x10" + bytes([len(body)]) + body)
        guesses.append(writer)
    async with asyncio.timeout(10):
        while not asked:  # noqa: ASYNC110 - a thread asks
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    node = Client(AIR, AIR, f"password of {AIR}")
    connecting = asyncio.create_task(node.connect(setup.broker.port))
    async with asyncio.timeout(5):
        while AIR not in asked:  # noqa: ASYNC110 - a thread asks
            await asyncio.sleep(0.01)
    goes_on.set()
    assert await connecting == "Success"
    await node.close()
    for writer in guesses:
        writer.close()

"""The MQTT ingest against amqtt in another role: open to every user, in place of a city's own broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.broker_server import BoundedBroker
from gateway.counters import Counters
from gateway.errors import DownlinkError, IngestError, StoreError
from gateway.ingest.mqtt import MqttIngest, MqttSettings
from gateway.ingest.mqtt.packets import Message
from gateway.ingest.mqtt.topics import parse_topic
from gateway.model import Uplink

from ..house import AIR, SetClock
from ..mqtt_client import Client

TOPIC = f"meetnet/v1/{AIR}/1"


@contextlib.asynccontextmanager
async def a_broker(port: int = 0) -> AsyncIterator[tuple[BoundedBroker, int]]:
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    broker = BoundedBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}},
        },
        lambda _: None,
    )
    await broker.start()
    try:
        yield broker, broker.port
    finally:
        await broker.shutdown()


class Sink:
    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuse = 0
        self.news = asyncio.Event()

    async def accept_all(self, uplinks: Sequence[Uplink]) -> list[IngestError]:
        await self.open.wait()
        if self.refuse:
            self.refuse -= 1
            raise StoreError("the disk is full")
        self.taken += [uplink.payload for uplink in uplinks]
        self.news.set()
        return []

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.taken) < count:
                self.news.clear()
                await self.news.wait()


@contextlib.asynccontextmanager
async def an_ingest(sink: Sink, port: int, **changes: object) -> AsyncIterator[tuple[MqttIngest, Counters]]:
    counters = Counters()
    settings = MqttSettings(port=port, username="gateway", password="any", version=4, **changes)
    ingest = MqttIngest(sink, lambda dev_eui: dev_eui == AIR, SetClock(), counters, settings)
    await ingest.start()
    try:
        yield ingest, counters
    finally:
        await asyncio.wait_for(ingest.close(), 30)


@contextlib.asynccontextmanager
async def a_node(port: int) -> AsyncIterator[Client]:
    node = Client("node", "node", "any")
    assert await node.connect(port) == "Success"
    try:
        yield node
    finally:
        await node.close()


async def test_messages_come_through_in_order_from_node_to_sink() -> None:
    sink = Sink()
    async with a_broker() as (_, port), an_ingest(sink, port) as (ingest, counters), a_node(port) as node:
        await asyncio.wait_for(ingest.subscribed(), 30)
        for n in range(50):
            await node.publish(TOPIC, bytes([n]))
        await sink.until(50)
        assert counters.get("ingest.mqtt_uplinks") == 50
    assert sink.taken == [bytes([n]) for n in range(50)]


async def test_nothing_is_acknowledged_before_it_is_durable_and_then_in_order() -> None:
    sink = Sink()
    async with a_broker() as (broker, port), an_ingest(sink, port) as (ingest, _), a_node(port) as node:
        await asyncio.wait_for(ingest.subscribed(), 30)
        sink.open.clear()
        for n in range(5):
            await node.acknowledgement(await node.publish(TOPIC, bytes([n])))
        await asyncio.sleep(0.1)
        session = broker._sessions["meetnet"][0]
        assert len(session.inflight_out) == 5  # the broker still waits for each PUBACK
        sink.open.set()
        await sink.until(5)
        async with asyncio.timeout(30):
            while session.inflight_out:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.01)


async def test_foreign_devices_and_wrong_topics_are_counted_acknowledged_and_dropped() -> None:
    sink = Sink()
    async with (
        a_broker() as (_, port),
        an_ingest(sink, port) as (ingest, counters),
        a_node(port) as node,
    ):
        await asyncio.wait_for(ingest.subscribed(), 30)
        for topic in ("meetnet/v1/00000000000000ff/1", "meetnet/v1/XYZ/1", f"meetnet/v1/{AIR}/0"):
            await node.publish(topic, b"x")
        await node.publish(TOPIC, bytes(5000))
        await node.publish(TOPIC, b"good")
        await sink.until(1)
        counted = [
            counters.get(f"ingest.mqtt_{name}") for name in ("foreign", "topic", "too_long", "uplinks")
        ]
        assert counted == [1, 2, 1, 1]
    assert sink.taken == [b"good"]


async def test_what_was_sent_while_it_was_away_waits_in_its_session() -> None:
    sink = Sink()
    async with a_broker() as (_, port), a_node(port) as node:
        async with an_ingest(sink, port) as (ingest, _):
            await asyncio.wait_for(ingest.subscribed(), 30)
        for n in range(10):
            await node.acknowledgement(await node.publish(TOPIC, bytes([n])))
        assert sink.taken == []
        async with an_ingest(sink, port):
            await sink.until(10)
    assert sorted(sink.taken) == [bytes([n]) for n in range(10)]


async def test_it_connects_when_the_broker_comes_and_again_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.ingest.mqtt.session.BACKOFF_S", (0.05, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sink = Sink()
    async with an_ingest(sink, port) as (ingest, counters):
        await asyncio.sleep(0.2)
        assert counters.get("ingest.mqtt_unreachable") >= 1
        for n in range(2):
            async with a_broker(port), a_node(port) as node:
                await asyncio.wait_for(ingest.subscribed(), 30)
                await node.publish(TOPIC, bytes([n]))
                await sink.until(n + 1)
            async with asyncio.timeout(30):
                while ingest.connected:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
        assert counters.get("ingest.mqtt_disconnected") == 2


async def test_a_message_that_the_disk_refuses_is_not_acknowledged_and_the_connection_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.ingest.mqtt.session.BACKOFF_S", (0.05, 0.1))
    sink = Sink()
    async with a_broker() as (_, port), an_ingest(sink, port) as (ingest, counters), a_node(port) as node:
        await asyncio.wait_for(ingest.subscribed(), 30)
        sink.refuse = 1
        await node.publish(TOPIC, b"first")
        async with asyncio.timeout(30):
            while not counters.get("ingest.mqtt_disconnected"):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        await asyncio.wait_for(ingest.subscribed(), 30)
        await node.publish(TOPIC, b"second")
        await sink.until(1)
        assert b"second" in sink.taken


async def test_a_command_goes_to_the_nodes_own_topic_and_the_broker_keeps_it() -> None:
    async with a_broker() as (_, port), an_ingest(Sink(), port) as (ingest, _):
        await asyncio.wait_for(ingest.subscribed(), 30)
        node = Client("node", "node", "any", clean=False)
        assert await node.connect(port) == "Success"
        node.paho.subscribe(f"meetnet/v1/{AIR}/down/+", 1)
        await node.granted.get()
        await node.close()
        await ingest.enqueue(AIR, 3, b"\x01\x02")
        node = Client("node", "node", "any", clean=False)
        assert await node.connect(port) == "Success"
        assert await asyncio.wait_for(node.messages.get(), 30) == (f"meetnet/v1/{AIR}/down/3", b"\x01\x02")
        await node.close()


async def test_without_a_broker_a_command_is_refused() -> None:
    async with an_ingest(Sink(), 1) as (ingest, _):
        with pytest.raises(DownlinkError, match="did not take"):
            await ingest.enqueue(AIR, 3, b"\x01")


async def test_reading_stops_while_too_much_waits_for_the_disk() -> None:
    sink = Sink()
    async with (
        a_broker() as (_, port), an_ingest(sink, port, in_flight=3) as (ingest, _), a_node(port) as node,
    ):  # fmt: skip
        await asyncio.wait_for(ingest.subscribed(), 30)
        sink.open.clear()
        for n in range(40):
            await node.publish(TOPIC, bytes([n]))
        await asyncio.sleep(0.2)
        sink.open.set()
        await sink.until(40)
    assert sorted(sink.taken) == [bytes([n]) for n in range(40)]


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "meetnet",
        "meetnet/v1/70B3D57ED0000001/1",
        f"meetnet/v2/{AIR}/1",
        f"{TOPIC}/1",
        f"{TOPIC}\n",
        f"x{TOPIC}",
    ],
)
def test_topics_that_are_not_ours_are_refused(topic: str) -> None:
    with pytest.raises(IngestError):
        parse_topic(topic)


def test_our_topic_is_the_one_that_the_firmware_uses() -> None:
    from wire.ports import mqtt_topic

    assert parse_topic(mqtt_topic(AIR, 2)) == (AIR, 2)


async def test_a_register_that_cannot_be_asked_acknowledges_nothing() -> None:
    """A message whose device cannot be looked up is no stranger's: it stays at the broker."""
    sink = Sink()

    def ask(dev_eui: str) -> bool:
        raise sqlite3.OperationalError("database is locked")

    counters = Counters()
    ingest = MqttIngest(sink, ask, SetClock(), counters, MqttSettings())
    assert not await ingest.take([Message(TOPIC.encode(), b"\x01", b"\x00\x01")])
    assert counters.get("ingest.mqtt_register_failed") == 1
    assert sink.taken == []

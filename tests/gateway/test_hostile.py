"""Giants, bombs, slow and silent clients at every listener: counted, refused, and nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from gateway.app import Gateway
from gateway.http import HttpServer
from gateway.rates import network_of
from gateway.registry import Device

from .house import AIR, BIN, T0_MS, SetClock, a_record, an_uplink, fill_registry
from .mqtt_client import Client
from .test_app import get, running

APPLICATION = "7a1f0c52-6c1b-4a37-9d47-3f5d1a7e9b10"
UP = f"application/{APPLICATION}/device/{AIR}/event/up"
GIANT = 10_000_000


def publish(topic: bytes, payload: bytes, number: int) -> bytes:
    rest = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + payload
    size, left = bytearray(), len(rest)
    while True:
        left, digit = left >> 7, left & 127
        size.append(digit | 128 if left else digit)
        if not left:
            return b"\x32" + bytes(size) + rest


class HostileBroker:
    """A broker in the hands of somebody else: the bytes of a test, and the acknowledgements that came."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.connections = 0
        self.ready = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readexactly(1))[0]
                size = shift = 0
                while True:
                    digit = (await reader.readexactly(1))[0]
                    size |= (digit & 127) << shift
                    shift += 7
                    if not digit & 128:
                        break
                body = await reader.readexactly(size)
                if head >> 4 == 1:  # CONNECT: only 3.1.1 is spoken here
                    writer.write(b"\x20\x02\x00\x00" if body[6] == 4 else b"\x20\x02\x00\x01")
                elif head >> 4 == 8:
                    writer.write(b"\x90\x03" + body[:2] + b"\x01")
                    self.ready.set()
                elif head >> 4 == 4:
                    self.acknowledged.append(int.from_bytes(body[:2], "big"))
        writer.close()

    async def send(self, data: bytes) -> None:
        writer = self._writers[-1]
        writer.write(data)
        await writer.drain()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(20):
            while number not in self.acknowledged:  # noqa: ASYNC110 - a socket knows nothing of events
                await asyncio.sleep(0.01)

    def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()


def an_event(seq: int) -> bytes:
    frame = an_uplink(a_record(seq, T0_MS + 60_000 * seq, temperature=20.0)).payload
    body = {
        "deviceInfo": {"devEui": AIR}, "fCnt": seq, "fPort": 1, "data": base64.b64encode(frame).decode(),
        "rxInfo": [], "txInfo": {},
    }  # fmt: skip
    return json.dumps(body).encode()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Gateway, HostileBroker]]:
    hostile = HostileBroker()
    port = await hostile.start()
    changes = {
        "chirpstack.enabled": True, "chirpstack.port": port,
        "basics_station.enabled": True, "basics_station.port": 0,
    }  # fmt: skip
    async with running(tmp_path, SetClock(T0_MS + 3_600_000), **changes) as gateway:
        fill_registry(gateway.registry)
        gateway.registry.put_device(Device(BIN, "bin", "mqtt"), mqtt_password="a password of the bin")
        await asyncio.wait_for(hostile.ready.wait(), 30)
        yield gateway, hostile
    hostile.close()


BOMBS = {
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"deviceInfo":' * 50_000,
    "a million keys": b"{" + b",".join(b'"k%d":0' % n for n in range(60_000)) + b"}",
    "a number without end": b'{"deviceInfo":{"devEui":"%s"},"fCnt":%s}' % (AIR.encode(), b"9" * 400_000),
    "a text without end": b'{"deviceInfo":{"devEui":"' + b"a" * 900_000,
    "receptions without end": an_event(9)[:-len(b'"rxInfo": [], "txInfo": {}}')]
    + b'"rxInfo":[' + b",".join([b"{}"] * 90_000) + b"]",
    "no text": b"{" + bytes(range(256)) * 100,
    "protobuf of nothing": b"\x0a\xff\xff\xff\xff\x0f" + bytes(1000),
}  # fmt: skip


async def test_bombs_at_the_subscriber_are_refused_and_the_next_reading_is_stored(
    place: tuple[Gateway, HostileBroker],
) -> None:
    gateway, hostile = place
    number = 0
    for bomb in BOMBS.values():
        number += 1
        await hostile.send(publish(UP.encode(), bomb, number))
    topics = [
        b"application/" * 5000, b"/" * 65_000, b"application/x/device/" + b"0" * 60_000 + b"/event/up",
        b"\xff\xfe", b"", UP.encode().replace(b"/up", b"/" + b"u" * 60_000),
    ]  # fmt: skip
    for topic in topics:
        number += 1
        await hostile.send(publish(topic, an_event(1), number))
    number += 1
    await hostile.send(publish(UP.encode(), b"{" + b" " * GIANT, number))
    number += 1
    await hostile.send(publish(UP.encode(), an_event(1), number))
    await hostile.until(number)
    await asyncio.wait_for(gateway.changes.wait_after(0), 30)
    assert hostile.acknowledged == list(range(1, number + 1))  # none comes back for ever
    assert hostile.connections <= 2  # MQTT 5 was refused once
    count = gateway.counters.get
    refused = sum(count(f"ingest.chirpstack_{n}") for n in ("malformed", "topic", "too_long", "foreign"))
    assert refused == len(BOMBS) + len(topics) + 1
    assert count("ingest.chirpstack_too_long") == 1
    assert count("ingest.chirpstack_internal_error") == 0
    assert [row.value for row in gateway.reader.latest()] == [20.0]


async def test_a_giant_that_comes_drop_by_drop_holds_up_nothing_but_itself(
    place: tuple[Gateway, HostileBroker],
) -> None:
    gateway, hostile = place
    giant = publish(UP.encode(), b"x" * 3_000_000, 1)
    node = Client("node", BIN, "a password of the bin")
    await node.connect(gateway.ports["broker"])
    for at in range(0, len(giant), len(giant) // 20):
        await hostile.send(giant[at : at + len(giant) // 20])
        payload = an_uplink(a_record(at // 60 + 1, T0_MS, distance=600.0)).payload
        await node.acknowledgement(await node.publish(f"meetnet/v1/{BIN}/1", payload), 10)
    await hostile.until(1)
    await node.close()
    assert gateway.counters.get("ingest.chirpstack_too_long") == 1


async def test_slow_silent_and_shouting_clients_at_our_own_ports(
    place: tuple[Gateway, HostileBroker],
) -> None:
    gateway, _ = place
    ports = gateway.ports
    open_: list[asyncio.StreamWriter] = []
    for name in ("broker", "web", "basics_station"):
        for start in (b"", b"\x10", b"GET / HT", b"\x10\xff\xff\xff\x7f" + bytes(1000)):
            _, writer = await asyncio.open_connection("127.0.0.1", ports[name])
            writer.write(start)  # and never a byte more
            open_.append(writer)
        _, writer = await asyncio.open_connection("127.0.0.1", ports[name])
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        open_.append(writer)
    _, writer = await asyncio.open_connection("127.0.0.1", ports["web"])
    writer.write(b"POST /nl/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % GIANT)
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            writer.write(b"x" * 100_000)
            await writer.drain()
    open_.append(writer)
    with contextlib.suppress(Exception):  # it is cut off
        async with websockets.connect(f"ws://127.0.0.1:{ports['basics_station']}/router-info") as station:
            await station.send("[" * 50_000)
            await station.send("x" * GIANT)
            await station.recv()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        bombs = (
            b"", b"\x02", bytes(60_000), b"\x02\x01\x02\x00" + bytes(8) + b"[" * 50_000,
            b"\x02\x00\x01\x00" + bytes(8) + b'{"rxpk":' + b"[" * 40_000,
        )  # fmt: skip
        for datagram in bombs:
            udp.sendto(datagram, ("127.0.0.1", ports["semtech_udp"]))
    node = Client("node", BIN, "a password of the bin")
    assert await node.connect(ports["broker"]) == "Success"
    payload = an_uplink(a_record(1, T0_MS, distance=600.0)).payload
    await node.acknowledgement(await node.publish(f"meetnet/v1/{BIN}/1", payload), 10)
    await node.close()
    await asyncio.wait_for(gateway.changes.wait_after(0), 30)
    assert (await get(gateway, "/healthz")).status_code == 200
    names = gateway.counters.snapshot()
    assert any(name.startswith("ingest.udp_") for name in names)
    assert not any("internal_error" in name for name in names), names
    for writer in open_:
        writer.close()


@contextlib.asynccontextmanager
async def a_page(answer: bytes = b"here") -> AsyncIterator[HttpServer]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    server = HttpServer(app, "127.0.0.1", 0, "web.port")
    await server.start()
    yield server
    await server.close()


async def test_a_header_that_comes_drop_by_drop_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.HEAD_S", 0.5)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with a_page() as page:
        for start in (b"", request):  # also on a connection that was used well before
            reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
            writer.write(start)
            if start:
                assert b"here" in await reader.readuntil(b"here")
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(10):
                    for drop in itertools.cycle((b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 100)):
                        writer.write(drop)
                        await writer.drain()
                        await asyncio.sleep(0.05)
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
        for drop in (body, *[b"x"] * 12):  # a body may take its time
            writer.write(drop)
            await asyncio.sleep(0.06)
        assert b"here" in await asyncio.wait_for(reader.readuntil(b"here"), 10)
        writer.close()


async def test_who_opens_more_connections_than_files_are_for_gets_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.http.MOST_CONNECTIONS", 8)
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with a_page() as page:
        held = [await asyncio.open_connection("127.0.0.1", page.port) for _ in range(8)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        for _, one in held[:2]:
            one.close()
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        writer.write(request)
        assert b"here" in await asyncio.wait_for(reader.read(), 10)
        for _, one in [*held, (reader, writer)]:
            one.close()


async def test_strangers_fill_no_memory_with_uploads(place: tuple[Gateway, HostileBroker]) -> None:
    gateway, _ = place
    head = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\n' + b"x" * 1_000_000 + b"\r\n--b--"
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ports['web']}") as client:
        assert (await client.post("/nl/sign-in", content=part, headers=head)).status_code == 413


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"), ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"), ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"), ("fe80::1%eth0", "fe80::/64"), ("testclient", "testclient"),
    ],
)  # fmt: skip
def test_a_household_has_one_budget_whatever_its_address(address: str, place: str) -> None:
    assert network_of(address) == place

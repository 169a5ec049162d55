"""Observations per second of each publisher: `python -m tests.bench.publishers [rows]`.

A follower carries rows of a street from memory to a sink on loopback that answers at once; beside it the
floor: the very same bytes posted by the same HTTP library with nothing around it. Processor time is of the
whole process (the sink is another). MQTT goes to Mosquitto where it is installed. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import re
import resource
import shutil
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.counters import Counters
from gateway.model import PublicRecord
from gateway.publish import FileSideList, Follower, Publisher
from gateway.publish.home_assistant import HomeAssistantPublisher, HomeAssistantSettings
from gateway.publish.influx import InfluxPublisher, InfluxSettings
from gateway.publish.mqtt import MqttPublisher, MqttPublisherSettings
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.publish.ngsi_v2 import NgsiV2Publisher, NgsiV2Settings
from gateway.publish.opensensemap import Box, OpenSenseMapPublisher, OpenSenseMapSettings
from gateway.publish.sensor_community import SensorCommunityPublisher, SensorCommunitySettings
from gateway.publish.sensorthings import SensorThingsPublisher, SensorThingsSettings
from gateway.publish.webhook import WebhookPublisher, WebhookSettings
from gateway.shapes import Form
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader

SITES = 12
QUANTITIES = (("pm2_5", "ug/m3"), ("pm10", "ug/m3"), ("temperature", "Cel"), ("relative_humidity", "%"))
# How many rows against others: who sends a few in a request is slow, who sends thousands is soon done.
SHARE = {"sensor_community": 0.1, "influx": 10, "webhook": 4}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def sink(pipe: Connection) -> None:
    """Run an HTTP server that takes everything, in a process of its own."""
    entity = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal entity
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(found[1]) if found else 0)
                status, answer = b"204 No Content", b""
                if b"/CreateObservations" in head:
                    rows = body.count(b'"quality":')
                    status, answer = b"201 Created", b"[" + b",".join([b'"/Observations(1)"'] * rows) + b"]"
                elif head.startswith(b"GET"):
                    status, answer = b"200 OK", b'{"value":[]}'
                elif b"/v1.1/" in head:
                    entity += 1
                    status, answer = b"201 Created", b'{"@iot.id":%d}' % entity
                writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 26)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Recorder(httpx.AsyncHTTPTransport):
    """httpx's own transport, which notes what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.method, str(request.url), dict(request.headers), request.content))
        return await super().handle_async_request(request)


class Rows(MemoryReader):
    """A reader whose reads cost next to nothing, so that the publisher is what is measured.

    It gives rows one by one and, as the store does, whole records.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[PublicRecord] = []

    def records_after(self, position: int, limit: int) -> Any:
        at = position // len(QUANTITIES)
        return self.records[at : at + limit]

    def places_of(self, site_ids: Any) -> Any:
        return {name: self.registered[name] for name in site_ids}

    def latest_of(self, site_ids: Any) -> Any:
        wanted = set(site_ids)
        return [row for row in self.latest() if row.site_id in wanted]

    def quantities_of(self, site_ids: Any) -> Any:
        return dict.fromkeys(site_ids, tuple(name for name, _ in QUANTITIES))

    def newest_of(self, site_ids: Any) -> Any:
        return dict.fromkeys(site_ids, (0, 0))

    def latest(self) -> Any:
        return self.rows[-SITES * len(QUANTITIES) :]

    def sites(self) -> Any:
        return list(self.registered.values())

    def after(self, position: int, limit: int) -> Any:
        return self.rows[position : position + limit]


class Positions:
    """Positions in memory."""

    def load(self, publisher: str) -> int:
        return 0

    def save(self, publisher: str, position: int) -> None:
        return None


def street(rows: int) -> Rows:
    """Return rows of SITES sites, a record of four quantities a minute each."""
    reader = Rows()
    for number in range(SITES):
        reader.add_site(f"plek-{number}", "air")
    forms = tuple(Form(quantity, unit, "ok", (), "none", 0) for quantity, unit in QUANTITIES)
    while len(reader.rows) < rows:
        at_ms = NOW_MS + len(reader.rows) // (SITES * len(QUANTITIES)) * 60_000
        for number in range(SITES):
            values = (10.5 + number,) * len(QUANTITIES)
            first = len(reader.rows) + 1
            for (quantity, unit), value in zip(QUANTITIES, values, strict=True):
                reader.add(f"plek-{number}", quantity, unit, value, at_ms)
            record = PublicRecord(first, f"plek-{number}", at_ms, at_ms, forms, values, values, False)
            reader.records.append(record)
    return reader


def publishers(url: str, folder: Path, clock: FixedClock, wire: Any) -> dict[str, Publisher]:
    """Return the publishers over HTTP."""
    counters = Counters()
    ids = {quantity: f"{number:024d}" for number, (quantity, _) in enumerate(QUANTITIES)}
    boxes = {f"plek-{number}": Box(f"{number:024d}", ids) for number in range(SITES)}
    sensors = {f"plek-{number}": f"esp32-{number}" for number in range(SITES)}
    sta = SensorThingsSettings(f"{url}/v1.1")
    community = SensorCommunitySettings(sensors, url=url, max_age_s=86_400)
    boxed = OpenSenseMapSettings(boxes, url=url, min_interval_s=0)
    return {
        "ngsi_ld": NgsiLdPublisher(NgsiLdSettings(url), counters, wire),
        "ngsi_v2": NgsiV2Publisher(NgsiV2Settings(url), counters, wire),
        "sensorthings": SensorThingsPublisher(sta, counters, folder, wire),
        "sensor_community": SensorCommunityPublisher(community, counters, clock, wire),
        "opensensemap": OpenSenseMapPublisher(boxed, counters, clock, wire),
        "influx": InfluxPublisher(InfluxSettings(url, org="o", bucket="b"), counters, wire),
        "webhook": WebhookPublisher(WebhookSettings(url, secret=SECRET), counters, clock, wire),
    }


async def carry(publisher: Publisher, reader: Rows, folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds of a follower for all rows."""
    one = Follower(publisher, reader, Positions(), FileSideList(folder), Counters())
    wall, processor = time.perf_counter(), time.process_time()
    while await one.step():
        pass
    result = time.perf_counter() - wall, time.process_time() - processor
    await publisher.close()
    assert one.state()["rejected"] == 0, one.state()
    return result


async def floor(sent: list[tuple[str, str, dict[str, str], bytes]]) -> tuple[float, float]:
    """Send the same requests with the same library."""
    async with httpx.AsyncClient() as client:
        wall, processor = time.perf_counter(), time.process_time()
        for method, url, headers, content in sent:
            await client.request(method, url, headers=headers, content=content)
        return time.perf_counter() - wall, time.process_time() - processor


async def measure(url: str, rows: int) -> dict[str, Any]:
    """Measure each publisher and its floor, one after the other."""
    clock = FixedClock(NOW_MS + rows * 60_000 // (SITES * len(QUANTITIES)))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind in publishers(url, Path(name) / "x", clock, None):
            reader = street(int(rows * SHARE.get(kind, 1)))
            wire = Recorder()
            await carry(publishers(url, Path(name) / "a", clock, wire)[kind], reader, Path(name))
            publisher = publishers(url, Path(name) / "b", clock, None)[kind]
            wall, processor = await carry(publisher, reader, Path(name))
            floor_wall, floor_processor = await floor(wire.sent)
            found[kind] = figures(
                len(reader.rows), len(wire.sent), wall, processor, floor_wall, floor_processor
            )
        found |= await measure_mqtt(rows, Path(name))
    return found


def figures(
    count: int, requests: int, wall: float, processor: float, floor_wall: float, floor_processor: float
) -> dict[str, Any]:
    """Return what is printed of one publisher; shares of the floor by wall clock and by processor time."""
    return {
        "observations": count,
        "requests": requests,
        "per_s": round(count / wall),
        "per_core_s": round(count / processor),
        "floor_per_s": round(count / floor_wall),
        "floor_per_core_s": round(count / floor_processor),
        "share_of_floor": round(floor_wall / wall, 2),
        "share_of_floor_cpu": round(floor_processor / processor, 2),
    }


class Live(HomeAssistantPublisher):
    """One that is never behind: what came at once from all sites is told at once, a message each.

    Behind, it tells of thousands of observations in a message a site: there the floor is next to nothing.
    """

    chunk_records = SITES  # type: ignore[assignment]


def tape(publisher: Any) -> list[Any]:
    """Return a list that what an MQTT publisher sends will be in."""
    sent: list[Any] = []
    publish = publisher._link.publish

    async def noted(messages: Any) -> str:
        sent.extend(messages)
        return await publish(messages)

    publisher._link.publish = noted
    return sent


def mqtt_floor(port: int, messages: list[Any]) -> tuple[float, float]:
    """Publish the same messages with paho in its own thread, QoS 1, all acknowledged."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", port)
    client.loop_start()
    wall, processor = time.perf_counter(), time.process_time()
    infos = [client.publish(one.topic, one.payload, 1, one.retain) for one in messages]
    for info in infos:
        info.wait_for_publish(60)
    found = time.perf_counter() - wall, time.process_time() - processor
    client.disconnect()
    client.loop_stop()
    return found


async def measure_mqtt(rows: int, folder: Path) -> dict[str, Any]:
    """Measure the MQTT publishers with Mosquitto."""
    mosquitto = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if mosquitto is None:
        return {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(mosquitto, "-c", str(config), stderr=DEVNULL)
    await asyncio.sleep(1)
    reader, found = street(rows), dict[str, Any]()
    plain = MqttPublisher(MqttPublisherSettings(port=port), Counters())
    home = HomeAssistantPublisher(HomeAssistantSettings(port=port), Counters())
    live = Live(HomeAssistantSettings(port=port), Counters())
    for kind, publisher in (("mqtt", plain), ("home_assistant", home), ("home_assistant_live", live)):
        sent = tape(publisher)
        wall, processor = await carry(publisher, reader, folder)
        floor_wall, floor_processor = await asyncio.to_thread(mqtt_floor, port, sent)
        found[kind] = figures(len(reader.rows), len(sent), wall, processor, floor_wall, floor_processor)
    process.terminate()
    await process.wait()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=20_000)
    rows = parser.parse_args().rows
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=sink, args=(theirs,), daemon=True)
    process.start()
    found = asyncio.run(measure(f"http://127.0.0.1:{ours.recv()}", rows))
    process.terminate()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"machine": platform.machine(), "peak_mib": memory, "publishers": found}, indent=1))


if __name__ == "__main__":
    main()

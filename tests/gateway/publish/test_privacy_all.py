"""No output of any publisher or page holds a true position or a DevEUI (P1, P2, P3, P8, P12).

Every kind in gateway.outlets is taken in: a new one fails here until it has an entry.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import Gateway
from gateway.cli.main import main
from gateway.config import Config
from gateway.outlets import KINDS
from gateway.publish.files import FilesSettings
from gateway.publish.files.dumps import write_day
from gateway.store.public import snapped
from tests.gateway.house import (
    AIR,
    BIN,
    GARDEN,
    T0_MS,
    SetClock,
    a_record,
    a_site,
    an_uplink,
    fill_registry,
)
from tests.gateway.publish.test_home import broker, seen
from tests.gateway.publish.test_sensorthings_mqtt import Subscriber

_ = broker  # the fixture
LONGITUDE, LATITUDE = 4.899431, 52.379189  # of every site in tests.gateway.house
PLACES = ("4.8994", "52.3791", "52.3792")  # to 4 decimals, some 10 m, however it is rounded or cut
IDS = (AIR, BIN, GARDEN)
BOX = {"id": "5f2b56f4263635001c1dd1fd", "sensors": {"pm2_5": "5f2b56f4263635001c1dd1fe"}}
PAGES = (
    "/", "/nl/", "/en/", "/api/sites.geojson", "/api/latest.json", "/api/latest.geojson",
    "/api/observations.csv", "/api/observations.geojson", "/api/status", "/metrics", "/sta/v1.1",
    "/sta/v1.1/Things?$expand=Locations,Datastreams($expand=Sensor,ObservedProperty,Observations)",
    "/sta/v1.1/HistoricalLocations", "/sta/v1.1/FeaturesOfInterest", "/ldes", "/catalog", "/catalog.ttl",
    "/sta/v1.1/Observations?$resultFormat=dataArray", "/sta/v1.1/Things?$filter=nonsense",
    "/catalog.jsonld", "/register.json", "/register/plein-1.json", "/api/quality.json", "/api/openapi.json",
    "/nl/site/plein-1", "/en/quality", "/en/data", "/api/series.json?site=plein-1&quantity=pm2_5",
    "/api/observations.csv-metadata.json", "/codec/meetnet-ts013.js",
)  # fmt: skip


class Sink:
    """Takes anything over HTTP and keeps it, headers too."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(found[1]) if found else 0)
                self.heard.append(head + body)
                answer = b'{"value":[]}'
                if head.startswith(b"POST") and b"/CreateObservations" not in head:
                    answer = b'{"@iot.id":%d}' % len(self.heard)
                if b"/CreateObservations" in head:
                    count = sum(len(one["dataArray"]) for one in json.loads(body))
                    answer = json.dumps(["http://x/Observations(1)"] * count).encode()
                writer.write(b"HTTP/1.1 201 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    found = Sink()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


def tables(url: str, mqtt_port: int, folder: Path = Path("dumps")) -> dict[str, dict[str, Any]]:
    """Return a table for each kind that needs one; the rest are there by themselves. folder: for files."""
    hook = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return {
        "ngsi_ld": {"url": url},
        "ngsi_v2": {"url": url},
        "sensorthings": {"url": f"{url}/v1.1"},
        "sensor_community": {"url": url, "sensors": {"plein-1": "esp32-1"}, "max_age_s": 86400},
        "opensensemap": {"url": url, "boxes": {"plein-1": BOX}, "min_interval_s": 0},
        "home_assistant": {"port": mqtt_port},
        "mqtt": {"port": mqtt_port},
        "influx": {"url": url, "org": "o", "bucket": "b"},
        "webhook": {"url": url, "secret": hook},
        "prometheus": {},
        "files": {"folder": str(folder / "dumps"), "forms": ["csv", "json"]},
        "sensorthings_server": {
            "public_url": "http://meet.example",
            "mqtt_host": "127.0.0.1",
            "mqtt_port": mqtt_port or 1,
        },
    }


async def run(path: Path, sink: Sink, port: int, consents: tuple[str, ...]) -> tuple[dict[str, str], Gateway]:
    """Run a whole gateway with every outlet over one air record; return what each page answered."""
    config = Config(
        {"data.directory": str(path), "web.port": 0, "broker.port": 0, "semtech_udp.port": 0},
        tables(f"http://127.0.0.1:{sink.port}", port, path / "out"),
        path,
    )
    clock = SetClock(T0_MS + 60_000)
    gateway = Gateway(config, clock)
    await gateway.start()
    pages: dict[str, str] = {}
    try:
        fill_registry(gateway.registry)
        for recipient in consents:
            gateway.registry.consent("plein-1", recipient)
        for number, (dev_eui, values) in enumerate(
            ((AIR, {"pm2_5": 8.5, "temperature": 3.0}), (BIN, {"distance": 600}), (GARDEN, {"rain_tips": 3}))
        ):
            record = a_record(number, T0_MS, **values)
            await gateway.log.accept(an_uplink(record, dev_eui=dev_eui, f_cnt=number))
        await gateway.drained()
        newest = gateway.store.newest_position()
        for _ in range(500):
            states = gateway.status()["publishers"].values()
            if all(state["position"] >= newest for state in states):
                break
            await asyncio.sleep(0.02)
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            for page in PAGES:
                answer = await client.get(f"http://127.0.0.1:{gateway.ports['web']}{page}")
                pages[page] = f"{answer.headers} {answer.text}"
        # A dump is written when its day is over; here at once.
        dumps = FilesSettings(str(path / "out"), forms=("csv", "json"))
        write_day(gateway.reader_of("public"), T0_MS // 86_400_000, path / "out", dumps)
        pages["state"] = json.dumps(gateway.status()["publishers"])
    finally:
        await gateway.stop()
    return pages, gateway


def assert_private(name: str, text: str) -> None:
    for secret in (*PLACES, *IDS, *(one.upper() for one in IDS)):
        assert secret not in text, f"{secret} in {name}"


async def test_every_page_and_every_publisher_keeps_true_places_and_devices_in_the_house(
    tmp_path: Path, sink: Sink, broker: int
) -> None:
    assert set(KINDS) - set(tables("", 1)) == {"ldes", "catalog"}, "give the new kind a table here"
    listener = Subscriber(broker)
    await listener.subscribe("#")
    pages, _ = await run(tmp_path, sink, broker, ("sensorthings", "sensor.community", "openSenseMap"))
    listener.close()
    assert any(topic.startswith("v1.1/Datastreams(") for topic, _ in listener.heard)
    for topic, content in listener.heard:
        assert_private(topic, topic + json.dumps(content))
    for name, text in pages.items():
        assert_private(name, text)
    for heard in sink.heard:
        assert_private(heard[:60].decode(), heard.decode())
    for topic, content in (await seen(broker, "#")).items():
        assert_private(topic, topic + json.dumps(content))
    dumped = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert {file.suffix for file in dumped} >= {".csv", ".json"}
    for path in (tmp_path / "side", tmp_path / "publish", tmp_path / "out"):
        for file in path.rglob("*"):
            if file.is_file():
                assert_private(file.name, file.read_bytes().decode("latin-1"))
    # and each of them did send something
    asked = b"\n".join(heard.split(b"\r\n", 1)[0] for heard in sink.heard).decode()
    for part in (
        "entityOperations/upsert",
        "/v2/op/update",
        "/CreateObservations",
        "/boxes/",
        "/api/v2/write",
    ):
        assert part in asked
    assert "/api/v2/write" in asked
    assert any(b"x-pin" in heard.lower() for heard in sink.heard)
    assert any(b"webhook-signature" in heard for heard in sink.heard)
    assert "plein-1" in pages["/metrics"]
    assert "Plein-1" in pages[PAGES[11]]


async def test_without_a_consent_of_their_own_these_platforms_hear_nothing(
    tmp_path: Path, sink: Sink, broker: int
) -> None:
    await run(tmp_path, sink, broker, ())
    asked = b"\n".join(sink.heard).decode()
    assert "/v2/op/update" in asked  # those for the public work
    for part in ("/v1.1/", "/boxes/", "X-PIN", "x-pin"):
        assert part not in asked


async def test_every_public_value_says_what_it_is_worth(tmp_path: Path, sink: Sink, broker: int) -> None:
    pages, _ = await run(tmp_path, sink, broker, ())
    lines = [line for line in pages["/metrics"].splitlines() if line.startswith("meetnet_pm2_5")]
    assert lines
    assert all('quality="' in line and 'method="' in line for line in lines)
    assert '"resultQuality":{"quality":"good"}' in pages[PAGES[11]]
    for topic, content in (await seen(broker, "meetnet/sites/#")).items():
        assert {"state", "flags", "method", "method_version"} <= content.keys(), topic


@pytest.mark.parametrize("precision_m", [50, 100, 250, 1000])
def test_a_public_place_is_the_same_at_every_read_and_in_bounds(precision_m: int) -> None:
    site = a_site("a", "air")
    reads = {snapped(site.longitude, site.latitude, precision_m) for _ in range(1000)}
    ((longitude, latitude),) = reads
    assert statistics.mean([longitude] * 1000) == pytest.approx(longitude)
    north_m = (latitude - LATITUDE) * 111_320
    east_m = (longitude - LONGITUDE) * 111_320 * 0.6104  # cos 52.379 degrees
    assert (north_m**2 + east_m**2) ** 0.5 <= 0.72 * precision_m


def test_consents_are_given_and_taken_back_on_the_command_line(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from gateway.registry import Registry
    from gateway.store import SqliteStore

    registry = Registry(tmp_path)
    fill_registry(registry)
    registry.close()
    SqliteStore(tmp_path / "store.db").close()

    def meetnet(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, [*words, "--data", str(tmp_path)])
        return result.exit_code, result.output

    code, text = meetnet("consent", "give", "openSenseMap", "plein-1")
    assert code == 1
    assert "PDDL" in text
    assert meetnet("consent", "give", "openSenseMap", "plein-1", "--yes")[0] == 0
    assert "openSenseMap" in meetnet("consent", "list", "--site", "plein-1")[1]
    assert meetnet("consent", "withdraw", "openSenseMap", "plein-1")[1].startswith("plein-1: no longer goes")
    assert meetnet("consent", "give", "x", "nowhere")[0] == 1
    assert meetnet("publish", "list")[0] == 0
    assert meetnet("publish", "check", "nowhere")[0] == 1

"""SensorThings by MQTT (OGC 18-088, clause 14), with paho as a subscriber and both kinds of broker."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.app import Gateway
from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.outlets import outlets
from gateway.publish import FileSideList, Follower
from gateway.publish.sensorthings import SensorThingsPublisher, SensorThingsSettings
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings
from tests.gateway.house import AIR, T0_MS, SetClock, a_record, an_uplink, fill_registry
from tests.gateway.memory_reader import NOW_MS, MemoryReader
from tests.gateway.publish.conftest import MemoryPositions, until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
URL = "http://meet.example"
STREAM = {
    "name": "Wind",
    "description": "Of a third party",
    "unitOfMeasurement": {"name": "metre per second", "symbol": "m/s", "definition": "ucum:m/s"},
    "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
    "ObservedProperty": {"name": "Wind", "definition": "http://x/wind", "description": "Speed"},
    "Sensor": {"name": "S", "description": "S", "encodingType": "application/pdf", "metadata": "m"},
}
THING = {
    "name": "Mast",
    "description": "A mast",
    "Locations": [
        {
            "name": "Here",
            "description": "Here",
            "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": [4.4, 51.2]},
        }
    ],
    "Datastreams": [STREAM],
}


class Subscriber:
    """A client of others."""

    def __init__(self, port: int, password: str = "") -> None:
        self.heard: list[tuple[str, Any]] = []
        self.subscribed = 0
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if password:
            self.client.username_pw_set("writer", password)
        self.client.on_message = self._message
        self.client.on_subscribe = lambda *_: setattr(self, "subscribed", self.subscribed + 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            content = json.loads(message.payload)
        except ValueError:
            content = message.payload.decode()
        self.heard.append((message.topic, content))

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            before = self.subscribed
            self.client.subscribe(topic, 1)
            await until(lambda: self.subscribed > before)  # noqa: B023

    def of(self, topic: str) -> list[Any]:
        return [content for where, content in self.heard if where == topic]

    def publish(self, topic: str, content: Any, qos: int = 1) -> None:
        self.client.publish(topic, json.dumps(content), qos)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=["own", "mosquitto"])
async def house(request: Any, tmp_path: Path) -> AsyncIterator[tuple[Gateway, int, Callable[..., Any]]]:
    table: dict[str, Any] = {"public_url": URL, "writable": True, "token": "geheim"}
    process = None
    if request.param == "own":
        table["mqtt_listen"] = 0
    else:
        if MOSQUITTO is None:
            pytest.skip("Mosquitto is not installed: apt-get install mosquitto")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = tmp_path / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        await asyncio.sleep(0.5)
        table |= {"mqtt_host": "127.0.0.1", "mqtt_port": port}
    config_ = Config(
        {"data.directory": str(tmp_path), "web.port": 0, "broker.port": 0, "semtech_udp.port": 0},
        {"sensorthings_server": table},
        tmp_path,
    )
    gateway = Gateway(config_, SetClock(T0_MS + 60_000))
    await gateway.start()
    fill_registry(gateway.registry)
    number = 0

    async def measure() -> None:
        nonlocal number
        number += 1
        record = a_record(number, T0_MS + number * 1000, pm2_5=8.5 + number, temperature=3.0)
        await gateway.log.accept(an_uplink(record, dev_eui=AIR, f_cnt=number))
        await gateway.drained()
        newest = gateway.store.newest_position()
        await until(lambda: gateway.status()["publishers"]["sensorthings_server"]["position"] >= newest)

    port = gateway.ports["sensorthings_server"] or table.get("mqtt_port")
    yield gateway, port, measure
    await gateway.stop()
    if process is not None:
        process.terminate()
        process.wait(5)


async def get(gateway: Gateway, path: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{gateway.ports['web']}/sta/v1.1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def post(gateway: Gateway, path: str, body: Any) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"http://127.0.0.1:{gateway.ports['web']}/sta/v1.1{path}",
            json=body,
            headers={"authorization": "Bearer geheim"},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()


async def test_subscribers_hear_every_observation_once_as_get_shows_it(house: Any) -> None:
    gateway, port, measure = house
    await measure()
    (series,) = (await get(gateway, "/Datastreams?$filter=properties/quantity eq 'pm2_5'"))["value"]
    mine = f"v1.1/Datastreams({series['@iot.id']})/Observations"
    one = Subscriber(port)
    await one.subscribe("v1.1/Observations", mine)
    for _ in range(3):
        await measure()
    await until(lambda: len(one.of("v1.1/Observations")) == 6 and len(one.of(mine)) == 3)
    assert [content["result"] for content in one.of(mine)] == [10.5, 11.5, 12.5]
    for content in one.of("v1.1/Observations"):
        shown = await get(gateway, f"/Observations({content['@iot.id']})")
        assert content["@iot.selfLink"] == f"{URL}/sta/v1.1/Observations({content['@iot.id']})"
        for name in ("phenomenonTime", "resultTime", "result", "resultQuality", "parameters"):
            assert content[name] == shown[name]
    assert AIR not in json.dumps(one.heard)
    one.close()


async def test_subscribers_hear_when_a_site_is_moved(house: Any) -> None:
    gateway, port, measure = house
    await measure()
    (place,) = (await get(gateway, "/Locations?$filter=name eq 'Plein-1'"))["value"]
    one = Subscriber(port)
    await one.subscribe("v1.1/Things", f"v1.1/Locations({place['@iot.id']})")
    site = gateway.registry.site("plein-1")
    gateway.registry.put_site(replace(site, longitude=site.longitude + 0.5))
    await until(lambda: len(one.heard) >= 2)
    (moved,) = one.of(f"v1.1/Locations({place['@iot.id']})")
    assert moved["location"]["coordinates"][0] == pytest.approx(
        place["location"]["coordinates"][0] + 0.5, abs=0.01
    )
    assert moved["location"]["coordinates"][0] != site.longitude + 0.5  # the cell, not the place
    one.close()


async def test_observations_are_created_by_publishing_and_everybody_hears_of_it(house: Any) -> None:
    gateway, port, _ = house
    await post(gateway, "/Things", THING)
    (series,) = (await get(gateway, "/Datastreams?$filter=name eq 'Wind'"))["value"]
    mine = f"v1.1/Datastreams({series['@iot.id']})/Observations"
    writer, reader = Subscriber(port, "geheim"), Subscriber(port)
    await reader.subscribe(mine)
    writer.publish(mine, {"result": 4.5, "phenomenonTime": "2026-01-01T00:00:00Z"})
    link = {"Datastream": {"@iot.id": series["@iot.id"]}}
    writer.publish("v1.1/Observations", {"result": 5.5, "phenomenonTime": "2026-01-01T00:01:00Z", **link})
    path = f"/Datastreams({series['@iot.id']})/Observations?$orderby=phenomenonTime"

    def told() -> list[float]:
        return [one["result"] for one in reader.of(mine) if "@iot.selfLink" in one]

    await until(lambda: sorted(told()) == [4.5, 5.5])
    assert [one["result"] for one in (await get(gateway, path))["value"]] == [4.5, 5.5]
    # What cannot be an observation is counted, and nothing else happens.
    refused = "publish.sensorthings_server.mqtt_refused"
    for topic, content in (
        (mine, {"nonsense": 1}),
        ("v1.1/Observations", {"result": 1}),
        ("v1.1/Observations", [1]),
        (mine, "text"),
    ):
        before = gateway.counters.get(refused)
        writer.publish(topic, content)
        await until(lambda: gateway.counters.get(refused) > before)  # noqa: B023
    assert len((await get(gateway, path))["value"]) == 2
    writer.close()
    reader.close()


async def test_our_own_broker_serves_selections_and_properties_and_lets_only_the_token_write(
    house: Any,
) -> None:
    gateway, port, _ = house
    if not gateway.ports["sensorthings_server"]:
        pytest.skip("Mosquitto knows nothing of SensorThings")
    await post(gateway, "/Things", THING)
    (series,) = (await get(gateway, "/Datastreams?$filter=name eq 'Wind'"))["value"]
    mine = f"v1.1/Datastreams({series['@iot.id']})/Observations"
    one, other = Subscriber(port), Subscriber(port, "geheim")
    await one.subscribe("v1.1/Observations?$select=result,phenomenonTime")
    one.publish(mine, {"result": 1})  # no token: nobody hears, nothing is made
    one.publish("v1.1/anything", {"result": 1})
    other.publish(mine, {"result": 2.5, "phenomenonTime": "2026-01-01T00:00:00Z"}, qos=0)
    await until(lambda: len(one.heard) == 1)
    assert one.heard == [
        (
            "v1.1/Observations?$select=result,phenomenonTime",
            {"result": 2.5, "phenomenonTime": "2026-01-01T00:00:00Z"},
        )
    ]
    found = (await get(gateway, f"/Datastreams({series['@iot.id']})/Observations"))["value"]
    assert [observation["result"] for observation in found] == [2.5]
    (thing,) = (await get(gateway, "/Things?$filter=name eq 'Mast'"))["value"]
    await one.subscribe(f"v1.1/Things({thing['@iot.id']})/description")
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.patch(
            f"http://127.0.0.1:{gateway.ports['web']}/sta/v1.1/Things({thing['@iot.id']})",
            json={"description": "Taller"},
            headers={"authorization": "Bearer geheim"},
        )
        assert answer.status_code == 200
    await until(lambda: len(one.heard) == 2)
    assert one.heard[1][1] == {"description": "Taller"}
    one.close()
    other.close()


async def test_the_root_says_that_mqtt_is_there(house: Any) -> None:
    gateway, _, _ = house
    settings = (await get(gateway, ""))["serverSettings"]
    root = "http://www.opengis.net/spec/iot_sensing/1.1/req"
    assert f"{root}/receive-updates-via-mqtt/receive-updates" in settings["conformance"]
    assert f"{root}/create-observations-via-mqtt/observations-creation" in settings["conformance"]
    (endpoint,) = settings[f"{root}/receive-updates-via-mqtt/receive-updates"]["endpoints"]
    assert endpoint.startswith("mqtt://")


def test_settings_of_mqtt_are_checked() -> None:
    with pytest.raises(ConfigError, match="public_url"):
        SensorThingsServerSettings(mqtt_listen=0)
    with pytest.raises(ConfigError, match="not both"):
        SensorThingsServerSettings(mqtt_listen=0, mqtt_host="broker", public_url=URL)
    (outlet,) = outlets(Config(publish={"sensorthings_server": {}}))
    assert outlet.recipient == "public"


async def test_our_client_publishes_by_mqtt_and_believes_what_the_server_shows(
    house: Any, tmp_path: Path
) -> None:
    gateway, port, _ = house
    reader = MemoryReader()
    reader.add_site("elders", "air", "Elders")
    for minute in range(12):
        reader.add("elders", "pm2_5", "ug/m3", 8.0 + minute, NOW_MS + minute * 60_000)
    settings = SensorThingsSettings(
        f"http://127.0.0.1:{gateway.ports['web']}/sta/v1.1",
        token="geheim",
        mqtt_host="127.0.0.1",
        mqtt_port=port,
        mqtt_username="x",
        mqtt_password="geheim",
    )
    posted: list[str] = []
    transport = Noting(posted)
    for _ in range(2):  # the second time nothing is added
        publisher = SensorThingsPublisher(settings, Counters(), tmp_path / "ids", transport)
        side = FileSideList(tmp_path / "side")
        one = Follower(publisher, reader, MemoryPositions(), side, Counters())
        while await one.step():
            pass
        assert one.state()["rejected"] == 0
        await publisher.close()
    found = (await get(gateway, "/Observations?$filter=Datastream/name eq 'meetnet:elders/pm2_5'"))["value"]
    assert [row["result"] for row in found] == [8.0 + minute for minute in range(12)]
    assert not [path for path in posted if "Observations" in path], "none went over HTTP"


class Noting(httpx.AsyncHTTPTransport):
    """HTTP that notes what is posted."""

    def __init__(self, posted: list[str]) -> None:
        super().__init__()
        self.posted = posted

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.posted.append(request.url.path)
        return await super().handle_async_request(request)

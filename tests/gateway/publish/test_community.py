"""Sensor.Community and openSenseMap, judged by what their own software documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.publish import FileSideList, Follower
from gateway.publish.base import Publisher
from gateway.publish.influx import InfluxPublisher, InfluxSettings
from gateway.publish.opensensemap import Box, OpenSenseMapPublisher, OpenSenseMapSettings
from gateway.publish.sensor_community import SensorCommunityPublisher, SensorCommunitySettings
from gateway.publish.webhook import WebhookPublisher, WebhookSettings
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader
from tests.gateway.publish.conftest import MemoryPositions

CLOCK = FixedClock(NOW_MS + 30_000)
BOX = "5f2b56f4263635001c1dd1fd"
PM25, PM10 = "5f2b56f4263635001c1dd1fe", "5f2b56f4263635001c1dd1ff"


class Sink:
    def __init__(self, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer or (lambda _: httpx.Response(201))

    def transport(self) -> httpx.MockTransport:
        def handle(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return self._answer(request)

        return httpx.MockTransport(handle)


async def follow(publisher: Publisher, reader: MemoryReader, path: Path) -> FileSideList:
    side = FileSideList(path / "side")
    one = Follower(publisher, reader, MemoryPositions(), side, Counters())
    while await one.step():
        pass
    await publisher.close()
    return side


def air() -> MemoryReader:
    reader = MemoryReader()
    reader.add_site("a", "air")
    reader.add_site("b", "air")
    for at_ms in (NOW_MS - 86_400_000, NOW_MS):
        reader.add("a", "pm10", "ug/m3", 20.25, at_ms)
        reader.add("a", "pm2_5", "ug/m3", 8.5, at_ms, raw=11.25, method="koehler", version=1)
        reader.add("a", "pm1", "ug/m3", 0.0, at_ms)
        reader.add("a", "temperature", "Cel", -1.25, at_ms)
        reader.add("a", "relative_humidity", "%", None, at_ms, state="no_answer")
        reader.add("a", "pressure", "hPa", 1013.2, at_ms)
    reader.add("b", "pm10", "ug/m3", 1.0)
    return reader


async def test_sensor_community_gets_one_post_a_pin_with_its_own_names_and_pascal(tmp_path: Path) -> None:
    sink = Sink()
    settings = SensorCommunitySettings({"a": "esp32-1234567"})
    await follow(SensorCommunityPublisher(settings, Counters(), CLOCK, sink.transport()), air(), tmp_path)
    # airrohr-firmware: X-Sensor, X-PIN; P1 is PM10, P2 is PM2.5, P0 is PM1; values are strings; Pa.
    found = {
        request.headers["x-pin"]: {
            value["value_type"]: value["value"] for value in json.loads(request.content)["sensordatavalues"]
        }
        for request in sink.requests
    }
    assert found == {
        "1": {"P1": "20.25", "P2": "11.25", "P0": "0.00"},  # as measured, and only what is fresh
        "7": {"temperature": "-1.25"},
        "3": {"pressure": "101320.00"},
    }
    assert len(sink.requests) == 3
    assert {request.headers["x-sensor"] for request in sink.requests} == {"esp32-1234567"}


async def test_a_pin_that_is_not_registered_is_on_the_side_list_with_advice(tmp_path: Path) -> None:
    sink = Sink(lambda _: httpx.Response(400, text="sensor could not be selected"))
    settings = SensorCommunitySettings({"a": "esp32-1234567"})
    publisher = SensorCommunityPublisher(settings, Counters(), CLOCK, sink.transport())
    side = await follow(publisher, air(), tmp_path)
    reasons = [one.reason for one in side.read("sensor_community")]
    assert len(reasons) == 5
    assert "PIN 1" in reasons[0]


def senses(request: httpx.Request) -> httpx.Response:
    """Answer as openSenseMap: any row that it does not like refuses all (models 3.1.0)."""
    rows = json.loads(request.content)
    for row in rows:
        time = row["createdAt"]
        fraction = time.partition(".")[2].rstrip("Z")
        good = time.endswith("Z") and len(fraction) <= 3 and isinstance(row["value"], int | float)
        if not good or row["value"] > 1000 or row["sensor"] not in (PM25, PM10):
            return httpx.Response(422, json={"message": "validation error"})
    return httpx.Response(413 if len(rows) > 2500 else 201)


async def test_opensensemap_gets_arrays_and_one_bad_row_keeps_no_other_back(tmp_path: Path) -> None:
    reader, sink = air(), Sink(senses)
    for number in range(40):
        reader.add("a", "pm10", "ug/m3", 5000.0 if number == 17 else 0.0, NOW_MS - 5_000_000 + number * 1001)
    box = Box(BOX, {"pm2_5": PM25, "pm10": PM10}, "secret-token")
    settings = OpenSenseMapSettings({"a": box}, min_interval_s=0)
    publisher = OpenSenseMapPublisher(settings, Counters(), CLOCK, sink.transport())
    side = await follow(publisher, reader, tmp_path)
    assert [one.row.value for one in side.read("opensensemap")] == [5000.0]
    taken = {
        (row["sensor"], row["createdAt"], row["value"])
        for request in sink.requests
        if senses(request).status_code == 201
        for row in json.loads(request.content)
    }
    assert len(taken) == 4 + 39
    assert (PM25, "2025-11-23T18:00:00Z", 8.5) in taken
    assert sink.requests[0].headers["authorization"] == "secret-token"
    assert sink.requests[0].url.path == f"/boxes/{BOX}/data"
    assert "secret-token" not in repr(settings)


async def test_influx_lines_are_floats_with_escaped_tags_and_bad_ones_are_found(tmp_path: Path) -> None:
    reader = air()
    reader.add("a", "pm10", "ug/m3", 7.0, NOW_MS + 1, state="warm up", flags=('say "hi"',))
    reader.add("a", "pm10", "ug/m3", float("nan"), NOW_MS + 2)

    def answer(request: httpx.Request) -> httpx.Response:
        # InfluxDB: partial writes are 400 although the good lines are in.
        bad = any(" value=20.25" in line for line in request.content.decode().splitlines())
        return httpx.Response(400 if bad else 204, json={"error": "partial write"})

    sink = Sink(answer)
    settings = InfluxSettings("http://db", version=1, database="meet net")
    side = await follow(InfluxPublisher(settings, Counters(), sink.transport()), reader, tmp_path)
    assert sorted(str(one.row.value) for one in side.read("influx")) == ["20.25", "20.25", "nan"]
    lines = [line for request in sink.requests for line in request.content.decode().splitlines()]
    assert (
        'pm10,kind=air,site=a,unit=ug/m3 value=7.0,raw=7.0,quality="doubtful",state="warm up",'
        f'flags="say \\"hi\\"",method="none",method_version=0.0 {NOW_MS + 1}' in lines
    )
    assert dict(sink.requests[0].url.params) == {"db": "meet net", "precision": "ms"}


async def test_a_webhook_is_signed_as_standard_webhooks_says(tmp_path: Path) -> None:
    sink = Sink()
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the specification's own example
    settings = WebhookSettings("http://hook/x", secret=secret)
    await follow(WebhookPublisher(settings, Counters(), CLOCK, sink.transport()), air(), tmp_path)
    import base64
    import hashlib
    import hmac

    (request,) = sink.requests
    signed = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.{request.content.decode()}"
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{mac}"
    data = json.loads(request.content)["data"]
    assert len(data) == 13
    assert [one["value"] for one in data if one["quantity"] == "relative_humidity"] == [None, None]
    assert secret[6:] not in repr(settings)


def test_settings_that_cannot_work_name_the_key() -> None:
    for key, make in {
        "sensors.a": lambda: SensorCommunitySettings({"a": "no name"}),
        "boxes.a.id": lambda: OpenSenseMapSettings({"a": Box("short", {})}),
        "database": lambda: InfluxSettings("http://x", version=1),
        "bucket": lambda: InfluxSettings("http://x", org="o"),
        "secret": lambda: WebhookSettings("http://x", secret="short"),
    }.items():
        with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
            make()

"""Our SensorThings client against a server of others, read back by a client of others; that one on ours.

MEETNET_STA_PYTHON names a Python in which django-ogc-sensorthings 1.2.0, uvicorn and frost-sta-client 1.1.53
are installed (they pin other versions than ours, so they have an environment of their own).
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.app import Gateway
from gateway.config import Config
from gateway.counters import Counters
from gateway.publish import FileSideList, Follower
from gateway.publish.sensorthings import SensorThingsPublisher, SensorThingsSettings
from tests.gateway.house import AIR, T0_MS, SetClock, a_record, an_uplink, fill_registry
from tests.gateway.memory_reader import NOW_MS, MemoryReader
from tests.gateway.publish.conftest import MemoryPositions

PYTHON = os.environ.get("MEETNET_STA_PYTHON", "")
HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="MEETNET_STA_PYTHON names no Python with django-ogc-sensorthings"),
]

READ = """
import json, sys
import frost_sta_client as fsc
service = fsc.SensorThingsService(sys.argv[1])
found = {}
for stream in service.datastreams().query().list():
    rows = stream.get_observations().query().list()
    found[stream.name] = sorted((row.phenomenon_time, row.result) for row in rows)
print(json.dumps(found))
"""


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PYTHON, str(HERE / "django_sta.py"), str(port), str(tmp_path / "sta.db")]
    process = subprocess.Popen(command)  # noqa: ASYNC220 - it only starts
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                try:
                    await client.get(f"http://127.0.0.1:{port}/sensorthings/v1.1/")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}/sensorthings/v1.1"
    finally:
        process.terminate()
        process.wait(10)


def street(minutes: int) -> MemoryReader:
    reader = MemoryReader()
    reader.add_site("lucht-1", "air", "Schoolpoort")
    reader.add_site("geluid-1", "noise", "Plein")
    for minute in range(minutes):
        at_ms = NOW_MS + minute * 60_000
        reader.add("lucht-1", "pm2_5", "ug/m3", 8.5, at_ms, raw=11.25, method="koehler", version=1)
        reader.add("lucht-1", "temperature", "Cel", -1.5, at_ms)
        reader.add("geluid-1", "laeq", "dB(A)", 48.5 + minute % 7, at_ms + 1)
    reader.add("lucht-1", "pm10", "ug/m3", None, NOW_MS, state="no_answer")
    return reader


async def follow(url: str, folder: Path, reader: MemoryReader, positions: MemoryPositions) -> Counters:
    counters = Counters()
    publisher = SensorThingsPublisher(SensorThingsSettings(url=url), counters, folder)
    one = Follower(publisher, reader, positions, FileSideList(folder / "side"), counters)
    while await one.step():
        pass
    await publisher.close()
    return counters


async def test_everything_arrives_once_also_when_it_is_sent_again_and_with_the_ids_lost(
    url: str, tmp_path: Path
) -> None:
    reader = street(150)
    for lost in (False, False, True):  # from position 0 each time: a replay of everything
        if lost:
            (tmp_path / "sensorthings.entities.json").unlink()
        counters = await follow(url, tmp_path, reader, MemoryPositions())
        assert not list(FileSideList(tmp_path / "side").read("sensorthings")), counters.snapshot()
    command = [PYTHON, "-c", READ, url]
    done = await asyncio.get_running_loop().run_in_executor(
        None, lambda: subprocess.run(command, capture_output=True, text=True, check=True)
    )
    found = json.loads(done.stdout)
    assert {name: len({time for time, _ in rows}) for name, rows in found.items()} == {
        "meetnet:lucht-1/pm2_5": 150,
        "meetnet:lucht-1/pm2_5/raw": 150,
        "meetnet:lucht-1/temperature": 150,
        "meetnet:geluid-1/laeq": 150,
    }
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/Observations?$top=1&$count=true")
    assert answer.json()["@iot.count"] == 4 * 150  # the client may read one twice at the seam of two pages
    assert {value for _, value in found["meetnet:lucht-1/pm2_5/raw"]} == {11.25}
    levels = dict(found["meetnet:geluid-1/laeq"])
    assert list(levels.values())[:8] == [48.5 + i % 7 for i in range(8)]
    assert found["meetnet:lucht-1/temperature"][0][0].startswith("2025-11-23T18:00:00")


WRITE = """
import datetime, json, sys
import frost_sta_client as fsc, geojson
from frost_sta_client.model.ext.data_array_document import DataArrayDocument
from frost_sta_client.model.ext.data_array_value import DataArrayValue
service = fsc.SensorThingsService(sys.argv[1])
found = {}
for stream in service.datastreams().query().list():
    rows = list(stream.get_observations().query().orderby("phenomenonTime", "DESC").list())
    found[stream.name] = [row.result for row in rows]
thing = fsc.Thing(name="T", description="d", properties={"a": 1})
thing.locations = [fsc.Location(name="L", description="d", location=geojson.Point((4.4, 51.2)),
                                encoding_type="application/geo+json")]
service.create(thing)
series = fsc.Datastream(
    name="D", description="d", thing=thing,
    observation_type="http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
    unit_of_measurement=fsc.UnitOfMeasurement(name="c", symbol="C", definition="ucum:Cel"),
    sensor=fsc.Sensor(name="S", description="d", encoding_type="application/pdf", metadata="m"),
    observed_property=fsc.ObservedProperty(name="P", definition="http://x", description="d"))
service.create(series)
value = DataArrayValue()
value.datastream = series
value.components = {DataArrayValue.Property.PHENOMENON_TIME, DataArrayValue.Property.RESULT}
start = datetime.datetime(2024, 1, 1)
for minute in range(500):
    at = start + datetime.timedelta(minutes=minute)
    value.add_observation(fsc.Observation(phenomenon_time=at.isoformat() + "Z", result=minute))
document = DataArrayDocument()
document.add_data_array_value(value)
service.observations().create(document)
mine = service.observations().query().filter(f"Datastream/id eq {series.id}")
found["written"] = [mine.count().list().count]
again = service.things().find(thing.id)
again.description = "new"
service.update(again)
found["updated"] = [service.things().find(thing.id).description]
service.delete(again)
print(json.dumps(found))
"""


async def test_a_client_of_others_reads_and_writes_our_server(tmp_path: Path) -> None:
    table = {"writable": True, "anonymous_writing": True}
    config = Config(
        {"data.directory": str(tmp_path), "web.port": 0, "broker.port": 0, "semtech_udp.port": 0},
        {"sensorthings_server": table},
        tmp_path,
    )
    gateway = Gateway(config, SetClock(T0_MS + 3_600_000))
    await gateway.start()
    try:
        fill_registry(gateway.registry)
        for number in range(250):
            record = a_record(number, T0_MS + number * 1000, pm2_5=8.5 + number)
            await gateway.log.accept(an_uplink(record, dev_eui=AIR, f_cnt=number))
        await gateway.drained()
        url = f"http://127.0.0.1:{gateway.ports['web']}/sta/v1.1"
        run = [PYTHON, "-c", WRITE, url]
        done = await asyncio.to_thread(subprocess.run, run, capture_output=True, text=True, timeout=60)
    finally:
        await gateway.stop()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["PM2.5 at Plein-1"] == [8.5 + number for number in range(249, -1, -1)]
    assert found["written"] == [500]
    assert found["updated"] == ["new"]

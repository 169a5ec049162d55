"""SensorThings 1.1 over our store: the points of OGC 18-088 and of the conformance suite's habits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.publish.sensorthings_server import SensorThingsServer, SensorThingsServerSettings
from gateway.publish.sensorthings_server.grammar import parse
from gateway.publish.sensorthings_server.model import TYPES, Refused
from gateway.publish.sensorthings_server.options import read_options
from gateway.store import SqlitePublicReader
from tests.gateway.house import AIR, T0_MS, SetClock, a_house, a_record, an_uplink, fill_registry

ROOT = "http://127.0.0.1/sta/v1.1"
RECORDS = 30
MINUTE_MS = 60_000


class Client:
    def __init__(self, server: SensorThingsServer, clock: SetClock) -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(server))
        self.clock = clock

    async def get(self, path: str, status: int = 200) -> Any:
        address = path if path.startswith("http") else ROOT + path
        answer = await self.http.get(address, headers={"accept": "text/html, image/gif, */*; q=.2"})
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def all(self, path: str) -> list[Any]:
        found: list[Any] = []
        while path:
            page = await self.get(path)
            found += page["value"]
            path = page.get("@iot.nextLink", "")
        return found

    async def send(self, method: str, path: str, body: Any, status: int) -> httpx.Response:
        address = path if path.startswith("http") else ROOT + path
        answer = await self.http.request(method, address, json=body)
        assert answer.status_code == status, answer.text
        self.clock.ms += 1
        return answer


async def serve(path: Path, **changes: Any) -> AsyncIterator[Client]:
    async with a_house(path) as house:
        fill_registry(house.registry)
        clock = SetClock(T0_MS + RECORDS * MINUTE_MS)
        for number in range(RECORDS):
            values = {"pm2_5": 10.0 + number, "temperature": -2.5, "pm10": 60.0}
            record = a_record(number, T0_MS + number * MINUTE_MS, **values)
            await house.log.accept(an_uplink(record, dev_eui=AIR, f_cnt=number))
        await house.pipeline.drained()
        reader = SqlitePublicReader(house.store, lambda: house.registry.consenting_sites("public", clock.ms))
        server = SensorThingsServer(reader, clock, SensorThingsServerSettings(**changes), path)
        client = Client(server, clock)
        yield client
        await client.http.aclose()
        server.close()


@pytest.fixture
async def sta(tmp_path: Path) -> AsyncIterator[Client]:
    async for client in serve(tmp_path):
        yield client


@pytest.fixture
async def open_sta(tmp_path: Path) -> AsyncIterator[Client]:
    async for client in serve(tmp_path, writable=True, anonymous_writing=True):
        yield client


async def stream(sta: Client, quantity: str = "pm2_5") -> dict[str, Any]:
    (found,) = (await sta.get(f"/Datastreams?$filter=properties/quantity eq '{quantity}'"))["value"]
    return found


async def test_the_root_without_a_slash_names_every_collection_and_each_answers(sta: Client) -> None:
    root = await sta.get("")
    assert [one["name"] for one in root["value"]] == list(TYPES)
    for one in root["value"]:
        page = await sta.get(one["url"])
        for entity in page["value"]:
            assert type(entity["@iot.id"]) is int
            assert (await sta.get(entity["@iot.selfLink"])) == entity
            for name, link in entity.items():
                if name.endswith("@iot.navigationLink"):
                    await sta.get(link)


async def test_mandatory_properties_of_table_8_to_15_are_there(sta: Client) -> None:
    for kind in TYPES.values():
        for entity in (await sta.get(f"/{kind.name}"))["value"]:
            assert kind.required <= entity.keys()
    (observation,) = (await sta.get("/Observations?$top=1"))["value"]
    assert observation["phenomenonTime"].endswith("Z")
    assert observation["resultQuality"] == {"quality": "good"}


async def test_ids_are_the_same_after_a_restart_and_name_no_device(sta: Client, tmp_path: Path) -> None:
    text = json.dumps(await sta.get("/Things?$expand=Locations,Datastreams/Sensor"))
    assert AIR not in text
    assert "4.899431" not in text
    assert "52.379189" not in text
    from gateway.publish.sensorthings_server.catalogue import stable_id

    ids = {one["@iot.id"] for one in (await sta.get("/Things"))["value"]}
    assert stable_id("Things", "plein-1") in ids
    assert all(one < 2**53 for one in ids)


async def test_paging_follows_next_links_through_every_observation_once(sta: Client) -> None:
    one = await stream(sta)
    path = f"/Datastreams({one['@iot.id']})/Observations"
    for order, top in (
        ("", 7),
        ("&$orderby=phenomenonTime desc", 7),
        ("&$orderby=phenomenonTime+DESC", 7),
        ("&$orderby=result desc", 11),
    ):
        found = await sta.all(f"{path}?$top={top}{order}")
        values = [row["result"] for row in found]
        expected = [10.0 + number for number in range(RECORDS)]
        assert values == (expected[::-1] if order else expected)
    assert (await sta.get(f"{path}?$top=0&$count=true")) == {"@iot.count": RECORDS, "value": []}
    assert len((await sta.get(f"{path}?$top=1000000"))["value"]) == RECORDS  # clamped, never refused
    assert [row["result"] for row in await sta.all(f"{path}?$skip=28&$top=1")] == [38.0, 39.0]
    assert (await sta.get("/Observations?$count=true&$top=1"))["@iot.count"] == 3 * RECORDS


FILTERS = {
    "result gt 35": 4,
    "result gt '35'": 4,
    "35 lt result": 4,
    "result ge 35 and result lt 37": 2,
    "result eq 10 or result eq 39": 2,
    "not (result gt 10)": 1,
    "result add 1 eq 11": 1,
    "result sub 1 eq 10 or result mul 2 eq 20 or result div 2 eq 6 or result mod 20 eq 3": 4,
    "result eq -1": 0,
    "result in (10, 11, 99)": 2,
    "not (result in (10))": 29,
    "Datastream/Thing/name in ('Plein-1', 'x')": 30,
    "time(phenomenonTime) eq 11:06:40": 1,
    "time(phenomenonTime) lt 11:07:00 and date(phenomenonTime) eq 2026-11-18": 1,
    "phenomenonTime ge 2026-11-18T11:06:40.000Z": 30,
    f"phenomenonTime lt {'2026-11-18T11:08:40Z'}": 2,
    "phenomenonTime gt 2026-11-18T12:35:40+01:00": 0,
    "phenomenonTime eq 2026-11-18T11:07:40Z": 1,
    "during(phenomenonTime, 2026-11-18T11:07:00Z/2026-11-18T11:09:00Z)": 2,
    "overlaps(phenomenonTime, 2026-11-18T11:07:00Z/2026-11-18T11:09:00Z)": 2,
    "before(phenomenonTime, 2026-11-18T11:07:40Z)": 1,
    "after(phenomenonTime, 2026-11-18T11:34:40Z)": 1,
    "phenomenonTime lt 2026-11-18T11:06:40Z add duration'PT1M30S'": 2,
    "phenomenonTime gt now() sub duration'PT2M30S'": 2,
    "year(phenomenonTime) eq 2026 and month(phenomenonTime) eq 11 and day(resultTime) eq 18": 30,
    "hour(phenomenonTime) eq 11 and minute(phenomenonTime) eq 6 and second(phenomenonTime) eq 40": 1,
    "date(phenomenonTime) eq date(2026-11-18T00:00:00Z)": 30,
    "totaloffsetminutes(phenomenonTime) eq 0": 30,
    "fractionalseconds(phenomenonTime) eq 0": 30,
    "resultTime lt maxdatetime() and resultTime gt mindatetime()": 30,
    "round(result div 10) eq 2": 10,
    "floor(result div 10) eq 1 and ceiling(result div 10) eq 2": 9,
    "Datastream/Thing/properties/site eq 'plein-1'": 30,
    "Datastream/ObservedProperty/name eq 'PM2.5' and FeatureOfInterest/name ne null": 30,
    "startswith(Datastream/name, 'PM') and endswith(Datastream/name, '1')": 30,
    "length(Datastream/name) gt 3": 30,
    "substringof('lein', Datastream/Thing/name) and indexof(Datastream/name, 'M') eq 1": 30,
    "contains(tolower(Datastream/name), 'pm2') and toupper(Datastream/Thing/name) eq 'PLEIN-1'": 30,
    "trim(concat(' ', substring(Datastream/Thing/name, 0, 5))) eq 'Plein'": 30,
    "parameters/method eq 'none' and resultQuality/quality eq 'good'": 30,
}


@pytest.mark.parametrize(("text", "count"), FILTERS.items(), ids=range(len(FILTERS)))
async def test_filters_of_clause_9_3_3_5(sta: Client, text: str, count: int) -> None:
    # T0_MS is 2026-11-18T11:06:40Z.
    path = f"{ROOT}/Datastreams({(await stream(sta))['@iot.id']})/Observations"
    answer = await sta.http.get(path, params={"$filter": text, "$count": "true"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["value"]) == count
    assert answer.json()["@iot.count"] == count


async def test_geography_filters_use_the_public_place(sta: Client) -> None:
    (place,) = (await sta.get("/Locations?$filter=name eq 'Plein-1'"))["value"]
    x, y = place["location"]["coordinates"]
    box = f"POLYGON(({x - 1} {y - 1},{x + 1} {y - 1},{x + 1} {y + 1},{x - 1} {y + 1},{x - 1} {y - 1}))"
    for text, count in {
        f"geo.distance(location, geography'POINT({x + 3} {y})') lt 3.1": 1,
        f"geo.intersects(location, geography'{box}')": 1,
        f"st_within(location, geography'{box}')": 1,
        f"st_disjoint(location, geography'{box}')": 0,
        f"st_equals(location, geography'POINT({x} {y})')": 1,
        f"st_touches(location, geography'LINESTRING({x} {y},{x + 1} {y})')": 1,
        f"st_crosses(location, geography'{box}')": 0,
    }.items():
        found = await sta.get(f"/Locations?$filter={text} and name eq 'Plein-1'")
        assert len(found["value"]) == count, text


async def test_expand_nests_with_options_and_a_slash(sta: Client) -> None:
    inner = (
        "$select=name;$expand=Observations($orderby=phenomenonTime desc;$top=1;$select=result;$count=true)"
    )
    (thing,) = (await sta.get(f"/Things?$filter=properties/site eq 'plein-1'&$expand=Datastreams({inner})"))[
        "value"
    ]
    pm = next(one for one in thing["Datastreams"] if one["name"].startswith("PM2.5"))
    assert pm["Observations"] == [{"result": 39.0}]
    assert pm["Observations@iot.count"] == RECORDS
    rest = await sta.all(pm["Observations@iot.nextLink"])
    assert [row["result"] for row in rest] == [10.0 + n for n in range(RECORDS - 2, -1, -1)]
    (one,) = (await sta.get("/Observations?$top=1&$expand=Datastream/Thing/Locations,FeatureOfInterest"))[
        "value"
    ]
    assert one["Datastream"]["Thing"]["Locations"][0]["location"]["type"] == "Point"
    assert one["FeatureOfInterest"]["feature"]["type"] == "Point"


async def test_paths_properties_values_references_and_counts(sta: Client) -> None:
    one = (await stream(sta))["@iot.id"]
    assert await sta.get(f"/Datastreams({one})/unitOfMeasurement/symbol") == {"symbol": "µg/m³"}
    answer = await sta.http.get(f"{ROOT}/Datastreams({one})/name/$value")
    assert answer.text == "PM2.5 at Plein-1"
    assert (await sta.http.get(f"{ROOT}/Datastreams({one})/Observations/$count")).text == str(RECORDS)
    (reference, *_) = (await sta.get(f"/Datastreams({one})/Observations/$ref"))["value"]
    assert list(reference) == ["@iot.selfLink"]
    assert (await sta.get(reference["@iot.selfLink"] + "/Datastream/Thing"))["name"] == "Plein-1"
    await sta.get("/Things(1)", 404)
    await sta.get(f"/Datastreams({one})/Thing/Nothing", 404)


async def test_data_arrays_hold_rows_a_datastream(sta: Client) -> None:
    query = "$resultFormat=dataArray&$select=phenomenonTime,result&$orderby=phenomenonTime&$top=6"
    found = (await sta.get(f"/Observations?{query}"))["value"]
    assert {one["dataArray@iot.count"] for one in found} == {2}
    assert all(one["components"] == ["phenomenonTime", "result"] for one in found)
    assert sorted(row[1] for one in found for row in one["dataArray"]) == [-2.5, -2.5, 10.0, 11.0, 60.0, 60.0]


BAD = (
    "$filter=", "$filter=result gt", "$filter=nothing eq 1", "$filter=result eq 'a", "$filter=((result eq 1)",
    "$filter=foo(result)", "$filter=substring(result)", "$top=-1", "$top=x", "$skip=1.5", "$count=ja",
    "$select=nothing", "$expand=Nothing", "$expand=Datastream($top=1", "$expand=Datastream($nonsense=1)",
    "$orderby=nothing", "$orderby=", "$resultFormat=csv", "$skiptoken=abc", "$unknown=1", "$top=1&$top=2",
    "$filter=" + "(" * 100 + "1 eq 1" + ")" * 100, "$filter=geo.distance(result, geography'POINT(1)') lt 1",
)  # fmt: skip


@pytest.mark.parametrize("query", BAD, ids=range(len(BAD)))
async def test_a_bad_option_is_400_and_named(sta: Client, query: str) -> None:
    found = await sta.get(f"/Observations?{query}", 400)
    assert found["code"] == 400
    assert found["message"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="result()'eqandortn 0123456789.-,/$;=<>\"\\é", max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    for read in (lambda: parse(text), lambda: read_options([("$expand", text)], TYPES["Things"])):
        try:
            read()
        except Refused as error:
            assert error.status == 400


async def test_reading_only_is_the_default(sta: Client) -> None:
    await sta.send("POST", "/Things", {"name": "a", "description": "b"}, 405)
    await sta.send("DELETE", "/Things(1)", None, 405)


THING = {
    "name": "Room",
    "description": "A room",
    "properties": {"floor": 3},
    "Locations": [
        {
            "name": "Here",
            "description": "Here",
            "encodingType": "application/vnd.geo+json",
            "location": {"type": "Point", "coordinates": [-117.05, 51.05]},
        }
    ],
    "Datastreams": [
        {
            "name": "Temperature",
            "description": "Of the air",
            "unitOfMeasurement": {"name": "Celsius", "symbol": "C", "definition": "ucum:Cel"},
            "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
            "ObservedProperty": {"name": "T", "definition": "http://x/T", "description": "T"},
            "Sensor": {"name": "S", "description": "S", "encodingType": "application/pdf", "metadata": "m"},
            "Observations": [{"phenomenonTime": "2015-03-03T00:00:00Z", "result": 3}],
        }
    ],
}


async def test_writing_as_the_conformance_suite_does(open_sta: Client) -> None:
    sta = open_sta
    answer = await sta.send("POST", "/Things", THING, 201)
    thing = answer.headers["location"]
    assert (await sta.get(thing + "/Locations"))["value"][0]["encodingType"] == "application/vnd.geo+json"
    assert len((await sta.get(thing + "/HistoricalLocations"))["value"]) == 1
    (series,) = (await sta.get(thing + "/Datastreams"))["value"]
    (first,) = (await sta.get(series["@iot.selfLink"] + "/Observations?$expand=FeatureOfInterest"))["value"]
    assert first["FeatureOfInterest"]["feature"] == THING["Locations"][0]["location"]  # type: ignore[index]
    await sta.send("POST", series["@iot.selfLink"] + "/Observations", {"result": 5}, 201)
    link = {"Datastream": {"@iot.id": series["@iot.id"]}}
    interval = "2015-03-03T00:00:00+01:00/2015-03-03T01:00:00+01:00"
    answer = await sta.send("POST", "/Observations", {"phenomenonTime": interval, "result": "x", **link}, 201)
    assert answer.json()["phenomenonTime"] == "2015-03-02T23:00:00Z/2015-03-03T00:00:00Z"
    assert answer.json()["resultTime"] is None
    rows = [["2016-01-01T00:00:00Z", 1], ["nonsense", 2], ["2016-01-01T00:00:01Z", 3]]
    array = {**link, "components": ["phenomenonTime", "result"], "dataArray@iot.count": 3, "dataArray": rows}
    said = (await sta.send("POST", "/CreateObservations", [array], 201)).json()
    assert [one.split(":")[0] for one in said] == ["http", "error", "http"]
    assert (await sta.get(series["@iot.selfLink"] + "/Observations?$count=true"))["@iot.count"] == 5
    # invalid: 400, and nothing of it stays
    for path, body in (
        ("/Things", {"name": "a"}),
        ("/Datastreams", {**THING["Datastreams"][0]}),  # type: ignore[index]
        ("/Observations", {"phenomenonTime": "2015-03-03T00:00:00Z", **link}),
        ("/Observations", {"result": 1}),
        ("/Observations", {"result": 1, "Datastream": {"@iot.id": 999}}),
        ("/Things", {"name": "a", "description": "b", "Datastreams": [{"name": "x"}]}),
        ("/Things", {"name": 1, "description": "b"}),
        ("/Things", []),
    ):
        await sta.send("POST", path, body, 400)
    assert len((await sta.get("/Things?$filter=name eq 'a'"))["value"]) == 0
    # PATCH keeps, PUT replaces, both 200; an inline entity in PATCH is 400
    changed = await sta.send("PATCH", thing, {"description": "Other"}, 200)
    assert changed.json()["properties"] == {"floor": 3}
    assert "properties" not in (await sta.send("PUT", thing, {"name": "N", "description": "D"}, 200)).json()
    await sta.send("PATCH", thing, {"Datastreams": [THING["Datastreams"][0]]}, 400)  # type: ignore[index]
    await sta.send(
        "PATCH", series["@iot.selfLink"] + f"/Observations({first['@iot.id']})", {"result": 9}, 200
    )
    assert (await sta.get(f"/Observations({first['@iot.id']})"))["result"] == 9
    # DELETE is 200 and takes along what cannot be alone
    await sta.send("DELETE", thing, None, 200)
    await sta.get(series["@iot.selfLink"], 404)
    await sta.get(f"/Observations({first['@iot.id']})", 404)
    assert len((await sta.get("/Sensors?$filter=name eq 'S'"))["value"]) == 1


async def test_a_new_location_of_a_thing_takes_the_place_of_the_old_one(open_sta: Client) -> None:
    sta = open_sta
    thing = (await sta.send("POST", "/Things", THING, 201)).headers["location"]
    place = {**THING["Locations"][0], "name": "There"}  # type: ignore[index]
    await sta.send("POST", f"{thing}/Locations", place, 201)
    assert [one["name"] for one in (await sta.get(f"{thing}/Locations"))["value"]] == ["There"]
    history = (await sta.get(f"{thing}/HistoricalLocations?$expand=Locations&$orderby=time,id"))["value"]
    assert [[place["name"] for place in one["Locations"]] for one in history] == [["Here"], ["There"]]
    assert len((await sta.get("/Locations?$filter=name eq 'Here'"))["value"]) == 1  # it exists, empty


async def test_counts_hold_ours_and_those_of_others(open_sta: Client) -> None:
    sta = open_sta
    await sta.send("POST", "/Things", THING, 201)
    assert (await sta.get("/Observations?$count=true&$top=0"))["@iot.count"] == 3 * RECORDS + 1
    (series,) = (await sta.get("/Datastreams?$filter=name eq 'Temperature'"))["value"]
    answer = await sta.http.get(f"{ROOT}/Datastreams({series['@iot.id']})/Observations/$count")
    assert answer.text == "1"


async def test_paths_through_observations_are_bounded(sta: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    found = (await sta.get("/Things?$filter=Datastreams/Observations/result gt 50"))["value"]
    assert [one["properties"]["site"] for one in found] == ["plein-1"]
    monkeypatch.setattr("gateway.publish.sensorthings_server.evaluate.MOST_BEHIND_PATHS", 50)
    said = await sta.get("/Things?$filter=Datastreams/Observations/result gt 50", 400)
    assert "/Observations" in said["message"]


async def test_result_time_orders_as_quickly_as_phenomenon_time(
    sta: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.publish.sensorthings_server.service.SORTED_MOST", 10)
    one = await stream(sta)
    path = f"/Datastreams({one['@iot.id']})/Observations?$orderby=resultTime desc&$top=9"
    assert [row["result"] for row in await sta.all(path)] == [39.0 - n for n in range(RECORDS)]


async def test_ours_cannot_be_written(open_sta: Client) -> None:
    one = await stream(open_sta)
    await open_sta.send("DELETE", one["@iot.selfLink"], None, 403)
    await open_sta.send("PATCH", one["@iot.selfLink"], {"name": "x"}, 403)
    await open_sta.send("POST", one["@iot.selfLink"] + "/Observations", {"result": 1}, 403)


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    for is_first in (True, False):
        async for sta in serve(tmp_path, writable=True, anonymous_writing=True):
            if is_first:
                await sta.send("POST", "/Things", THING, 201)
            (found,) = (await sta.get("/Observations?$filter=result eq 3"))["value"]
            assert found["phenomenonTime"] == "2015-03-03T00:00:00Z"

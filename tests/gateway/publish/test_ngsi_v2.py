"""NGSI-v2 against a sink that behaves as Orion does: one error a request, signs refused, append.

Source: FIWARE-NGSI v2 specification (op/update, general syntax and identifier restrictions).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import gateway.publish.ngsi_v2
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.exports import iso_utc
from gateway.publish import FileSideList, Follower
from gateway.publish.ngsi_v2 import NgsiV2Publisher, NgsiV2Settings
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, MemoryReader
from tests.gateway.publish.broker import Broker
from tests.gateway.publish.conftest import MemoryPositions
from tests.gateway.publish.test_ngsi_ld_delivery import FAST, day, drain
from tests.gateway.publish.test_ngsi_ld_models import EXPECTED, KINDS, UNIT_OF, VALUES, registry

assert registry  # a fixture

SIGNS = set("<>\"'=;()")


class Orion(Broker):
    """Answers 204, or 400 for a request in which something is wrong; what stood before it is done."""

    def _answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Any:
        assert (method, path, body["actionType"]) == ("POST", "/v2/op/update", "append")
        for entity in body["entities"]:
            if entity["id"] in self.refused_ids or any(
                SIGNS & set(text) or not isinstance(text, str) for text in texts_of(entity)
            ):
                return (
                    400,
                    {},
                    {"error": "BadRequest", "description": "Invalid characters in attribute value"},
                )
            self.entities.setdefault(entity["id"], {}).update(entity)
            for name, attribute in entity.items():
                if isinstance(attribute, dict) and attribute["type"] == "Number" and "metadata" in attribute:
                    when = attribute["metadata"]["TimeInstant"]["value"]
                    self.history.append((entity["id"], name, when, attribute["value"]))
        return 204, {}, None


def texts_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_of(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts_of(inner)]
    return [value] if isinstance(value, str) else []


@pytest.fixture
async def orion() -> AsyncIterator[Orion]:
    found = Orion()
    await found.start()
    yield found
    await found.kill()


def following(orion: Orion, reader: MemoryReader, folder: Path, positions: Any, **settings: Any) -> Follower:
    publisher = NgsiV2Publisher(NgsiV2Settings(url=orion.url, **settings), Counters())
    return Follower(
        publisher, reader, positions, FileSideList(folder), Counters(), backoff=FAST, dice=random.Random(1)
    )


async def test_every_reading_arrives_once_in_time_order(
    orion: Orion, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=5, records=12)
    await drain(following(orion, reader, tmp_path, positions, max_entities=3))
    expected = [
        (f"urn:ngsi-ld:AirQualityObserved:meetnet:{r.site_id}", "pm25", iso_utc(r.observed_at_ms), r.value)
        for r in reader.rows
    ]
    assert sorted(orion.history) == sorted(expected)
    for entity in {name for name, *_ in orion.history}:
        moments = [moment for name, _, moment, _ in orion.history if name == entity]
        assert moments == sorted(moments)
    for _, _, body in orion.requests:
        names = [entity["id"] for entity in body["entities"]]
        assert len(names) == len(set(names)) <= 3


async def test_a_poison_entity_goes_aside_alone(
    orion: Orion, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=5, records=1)
    orion.refused_ids["urn:ngsi-ld:AirQualityObserved:meetnet:lucht-3"] = 400
    await drain(following(orion, reader, tmp_path, positions))
    assert {name[-7:] for name, *_ in orion.history} == {"lucht-0", "lucht-1", "lucht-2", "lucht-4"}
    (rejection,) = FileSideList(tmp_path).read("ngsi_v2")
    assert rejection.row.site_id == "lucht-3"
    assert "HTTP 400" in rejection.reason


async def test_an_outage_loses_nothing(orion: Orion, positions: MemoryPositions, tmp_path: Path) -> None:
    orion.script = ["die", (503, {}, None), "take and die", (429, {"retry-after": "0"}, None)]
    reader = day(sites=2, records=3)
    await drain(following(orion, reader, tmp_path, positions))
    assert {(name, moment) for name, _, moment, _ in orion.history} == {
        (f"urn:ngsi-ld:AirQualityObserved:meetnet:{r.site_id}", iso_utc(r.observed_at_ms))
        for r in reader.rows
    }


async def test_headers_name_service_path_and_token(
    orion: Orion, positions: MemoryPositions, tmp_path: Path
) -> None:
    settings = {"service": "gent", "service_path": "/milieu/lucht", "token": "geheim"}
    await drain(following(orion, day(1, 1), tmp_path, positions, **settings))
    _, headers, _ = orion.requests[0]
    assert headers["fiware-service"] == "gent"
    assert headers["fiware-servicepath"] == "/milieu/lucht"
    assert headers["x-auth-token"] == "geheim"
    assert "geheim" not in repr(NgsiV2Settings(url="http://x", token="geheim"))


async def test_forbidden_signs_are_taken_out(
    orion: Orion, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = MemoryReader()
    reader.add_site("a", "air", "Bakkerij <b>\"Bol\"</b>; 'x' (y=1)", licence="CC BY (4.0)")
    reader.add("a", "pm10", "ug/m3", 1.0)
    await drain(following(orion, reader, tmp_path, positions))
    assert (
        orion.entities["urn:ngsi-ld:AirQualityObserved:meetnet:a"]["name"]["value"]
        == "Bakkerij b Bol /b x y 1"
    )


@pytest.mark.parametrize(("late", "sent"), [("aside", 1), ("send", 2)])
async def test_what_comes_late_is_put_aside_unless_it_is_wanted(
    orion: Orion, positions: MemoryPositions, tmp_path: Path, late: str, sent: int
) -> None:
    reader = MemoryReader()
    reader.add_site("a", "air")
    reader.add("a", "pm10", "ug/m3", 1.0, NOW_MS)
    reader.add("a", "pm10", "ug/m3", 2.0, NOW_MS - MINUTE_MS)
    publisher = following(orion, reader, tmp_path, positions, late=late)
    await drain(publisher)
    assert len(orion.history) == sent
    assert len(list(FileSideList(tmp_path).read("ngsi_v2"))) == 2 - sent


@pytest.mark.parametrize("kind", list(KINDS))
def test_key_values_validate(kind: str, registry: Any, shared: Any) -> None:
    reader = MemoryReader()
    reader.add_site("hier", kind, "Hier")
    for quantity, value in VALUES[kind].items():
        reader.add("hier", quantity, UNIT_OF[quantity], value, raw=value + 1, method="m", version=1)
    publisher = NgsiV2Publisher(NgsiV2Settings(url="http://b"), Counters())
    (parcel,) = publisher.pack(reader.rows, reader).parcels
    entity = json.loads(parcel.content[0].text)
    plain = {name: value["value"] if isinstance(value, dict) else value for name, value in entity.items()}
    assert {name: plain[name] for name in EXPECTED[kind]} == EXPECTED[kind]
    assert f"{next(iter(EXPECTED[kind]))}Raw" in plain
    path = shared(f"vectors/platforms/smart-data-models/schemas/{KINDS[kind]}.schema.json")
    schema = json.loads(path.read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(
        schema, registry=registry, format_checker=jsonschema.FormatChecker()
    )
    assert list(validator.iter_errors(plain)) == []


def test_the_recorded_case_is_what_is_sent() -> None:
    reader = MemoryReader()
    reader.add_site("plein-1", "air", "Plein", longitude=3.72, latitude=51.05)
    at = NOW_MS
    reader.add("plein-1", "pm2_5", "ug/m3", 8.2, at, raw=11.5, method="koehler", version=1, flags=("range",))
    reader.add("plein-1", "relative_humidity", "%", 81.0, at)
    publisher = NgsiV2Publisher(NgsiV2Settings(url="http://b", provider="Stad"), Counters())
    (parcel,) = publisher.pack(reader.rows, reader).parcels
    sample = Path(gateway.publish.ngsi_v2.__file__).with_name("sample.json")
    recorded = json.loads(sample.read_text("utf-8"))
    assert recorded["entities"] == [json.loads(parcel.content[0].text)]


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "orion"},
        {"url": "http://u:p@orion"},
        {"url": "http://o", "service": "Gent"},
        {"url": "http://o", "service_path": "milieu"},
        {"url": "http://o", "late": "x"},
        {"url": "http://o", "max_entities": 0},
        {"url": "http://o", "network": "a b"},
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        NgsiV2Settings(**settings)
    assert "publish.ngsi_v2." in str(caught.value)


async def test_a_silent_broker_is_tried_again(
    orion: Orion, positions: MemoryPositions, tmp_path: Path
) -> None:
    orion.script = ["hang"]
    await asyncio.wait_for(drain(following(orion, day(1, 1), tmp_path, positions, timeout_s=0.1)), 30)
    assert len(orion.history) == 1

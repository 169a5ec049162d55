"""Device and DeviceModel, and brokers that take one entity at a time.

Judges: the official schemas Device 0.0.9 and DeviceModel 0.0.3, PyLD. Brokers without batches: diwise
(GS CIM 009 clauses 5.6.1 to 5.6.3 are what every broker has).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.counters import Counters
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.publish.ngsi_ld.contexts import body_context
from gateway.publish.ngsi_ld.devices import DEVICE, TITLES
from tests.gateway.memory_reader import MemoryReader, street
from tests.gateway.publish.broker import Broker
from tests.gateway.publish.conftest import MemoryPositions
from tests.gateway.publish.test_ngsi_ld_delivery import AIR, day, drain, everything, follower, in_time_order
from tests.gateway.publish.test_ngsi_ld_models import jsonld, offline, registry, simplified

assert registry  # a fixture


def device_entities(reader: MemoryReader, settings: NgsiLdSettings) -> list[dict[str, Any]]:
    packed = NgsiLdPublisher(settings, Counters()).pack(reader.rows, reader)
    return [item.entity for parcel in packed.parcels if not parcel.rows for item in parcel.content.items]


def test_devices_and_models_validate(registry: Any, shared: Callable[[str], Path]) -> None:
    found = device_entities(street(), NgsiLdSettings(url="http://b"))
    assert {entity["type"] for entity in found} == {"Device", "DeviceModel"}
    for entity in found:
        path = shared(f"vectors/platforms/smart-data-models/schemas/{entity['type']}.schema.json")
        schema = json.loads(path.read_text("utf-8"))
        validator = jsonschema.Draft202012Validator(
            schema, registry=registry, format_checker=jsonschema.FormatChecker()
        )
        assert list(validator.iter_errors(simplified(entity))) == []
        assert list(validator.iter_errors({**simplified(entity), "controlledProperty": ["nonsense"]}))


def test_a_device_expands_without_default_context_and_its_id_follows_from_the_site(
    shared: Callable[[str], Path],
) -> None:
    settings = NgsiLdSettings(url="http://b", network="gent", provider="Stad")
    entity = next(e for e in device_entities(street(), settings) if e["type"] == "Device")
    document = {**entity, "@context": body_context(DEVICE, settings)}
    (expanded,) = jsonld.expand(document, {"documentLoader": offline(shared, settings)})
    text = json.dumps(expanded)
    assert "default-context" not in text
    assert "https://smartdatamodels.org/dataModel.Device/controlledProperty" in text
    assert entity["id"] == "urn:ngsi-ld:Device:gent:bak-1"


def test_every_kind_has_a_model() -> None:
    assert set(TITLES) == {"air", "noise", "bin", "garden"}


def test_observations_refer_to_the_device_that_was_sent() -> None:
    reader = day(sites=1, records=1)
    packed = NgsiLdPublisher(NgsiLdSettings(url="http://b"), Counters()).pack(reader.rows, reader)
    models, devices, values = packed.parcels
    (device,) = devices.content.items
    assert values.content.items[0].entity["refDevice"]["object"] == device.id
    assert device.entity["refDeviceModel"]["object"] == models.content.items[0].id


async def test_devices_are_sent_once_and_again_when_they_change(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=2, records=3)
    following = follower(broker, reader, positions, tmp_path, devices=True)
    await following.step()
    reader.add("lucht-0", "pm2_5", "ug/m3", 5.0, reader.rows[-1].observed_at_ms + 1000)
    await following.step()
    assert posts_of(broker, "Device") == 1
    reader.add_site("lucht-0", "air", "Andere naam")
    reader.add("lucht-0", "pm2_5", "ug/m3", 5.0, reader.rows[-1].observed_at_ms + 1000)
    await following.step()
    assert posts_of(broker, "Device") == 2
    assert broker.entities["urn:ngsi-ld:Device:meetnet:lucht-0"]["name"]["value"] == "Andere naam"
    await drain(following)


async def test_a_refused_device_holds_up_no_value(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    broker.refused_ids["urn:ngsi-ld:DeviceModel:meetnet:air"] = 400
    reader = day(sites=1, records=3)
    await drain(follower(broker, reader, positions, tmp_path, devices=True))
    assert sorted(broker.history) == everything(reader)


@pytest.mark.parametrize(("status", "can_append"), [(404, True), (405, True), (501, False)])
async def test_a_broker_without_batches_gets_every_value_one_entity_at_a_time(
    broker: Broker, positions: MemoryPositions, tmp_path: Path, status: int, can_append: bool
) -> None:
    broker.has_batch, broker.without_batch, broker.can_append = False, status, can_append
    reader = day(sites=2, records=5)
    await drain(follower(broker, reader, positions, tmp_path))
    assert sorted(broker.history) == everything(reader)
    assert in_time_order(broker)
    batches = [path for path, _, _ in broker.requests if "entityOperations" in path]
    assert len(batches) == 1  # it asked once
    assert set(broker.entities) == {AIR + "lucht-0", AIR + "lucht-1"}


async def test_a_wrong_address_does_not_look_like_a_broker_without_batches(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=1, records=1)
    # Three 404 (batch, attributes, creation), as a wrong tenant gives them, and then the tenant is there.
    broker.script = [(404, {}, None)] * 3
    following = follower(broker, reader, positions, tmp_path)
    await drain(following)
    assert sorted(broker.history) == everything(reader)
    assert broker.requests[-1][0].startswith("/ngsi-ld/v1/entityOperations")


def posts_of(broker: Broker, type_name: str) -> int:
    return sum(
        body[0]["type"] == type_name
        for path, _, body in broker.requests
        if isinstance(body, list) and "upsert" in path
    )

"""Entities against the judges: the official Smart Data Models schemas, and JSON-LD expansion by PyLD.

Schemas and contexts: smart-data-models (CC BY 4.0) and ETSI's core context 1.9, in the shared vectors.
The simplified form is made here, by GS CIM 009 clause 4.5.4 (the default instance of each attribute).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from referencing import Registry, Resource

from gateway.counters import Counters
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings, context_documents
from gateway.publish.ngsi_ld.contexts import VOCABULARY, body_context, bundled
from gateway.publish.ngsi_ld.devices import DEVICE, DEVICE_MODEL
from gateway.publish.ngsi_ld.entities import RAW_DATASET
from gateway.publish.ngsi_ld.models import HOUSEKEEPING, MODELS
from gateway.publish.quantities import quantity_units
from gateway.units import UNITS
from tests.gateway.memory_reader import NOW_MS, MemoryReader
from wire.measurements import MEASUREMENTS

with pytest.MonkeyPatch.context() as patch:
    # MicroPython's stubs put an empty package `requests` in the way; documents come from files here anyway.
    patch.setitem(sys.modules, "requests", None)
    from pyld import jsonld

NQUADS = {"format": "application/n-quads"}
NGSI = "https://uri.etsi.org/ngsi-ld/"
KINDS = {
    "air": "AirQualityObserved",
    "noise": "NoiseLevelObserved",
    "bin": "WasteContainer",
    "garden": "WeatherObserved",
}
# One value a quantity, away from 0 and 1 so that a wrong scale shows; and what the model must say.
VALUES = {
    "air": {
        "pm1": 7.1,
        "pm2_5": 8.2,
        "pm4": 9.3,
        "pm10": 10.4,
        "temperature": -3.25,
        "relative_humidity": 81.0,
        "pressure": 1013.2,
        "co2": 431.0,
        "voc_index": 101.5,
        "pm2_5_max": 12.5,
        "dew_point": -4.5,
    },
    "noise": {
        "laeq": 55.1,
        "lafmax": 71.2,
        "lafmin": 41.3,
        "la10": 58.4,
        "la50": 52.5,
        "la90": 45.6,
        "lceq": 63.7,
        "lcpeak": 92.8,
        "la1": 68.5,
        "la95": 44.5,
        "la99": 43.5,
        "lasmax": 69.5,
        "lzeq": 64.5,
        "laeq_1s": 54.5,
        "lzeq_31_5hz": 57.0,
        "temperature": 12.5,
    },
    "bin": {
        "filling_level": 37.5,
        "distance": 640.0,
        "events": 17.0,
        "fill_volume": 420.0,
        "lid_openings": 31.0,
        "tilt": 2.5,
    },
    "garden": {
        "temperature": 21.5,
        "relative_humidity": 55.5,
        "precipitation": 0.279,
        "pressure": 1004.5,
        "dew_point": 12.25,
        "soil_temperature": 14.75,
        "soil_moisture": 31.5,
    },
}
EXPECTED = {
    "air": {
        "pm1": 7.1,
        "pm25": 8.2,
        "pm4": 9.3,
        "pm10": 10.4,
        "temperature": -3.25,
        "relativeHumidity": 0.81,
        "pressure": 1013.2,
        "co2": 431.0,
        "vocIndex": 101.5,
        "pm25Max": 12.5,
        "dewPoint": -4.5,
    },
    "noise": {
        "LAeq": 55.1,
        "LAmax": 71.2,
        "LAmin": 41.3,
        "LA10": 58.4,
        "LA50": 52.5,
        "LA90": 45.6,
        "LCeq": 63.7,
        "LCpeak": 92.8,
        "LA1": 68.5,
        "LA95": 44.5,
        "LA99": 43.5,
        "LASmax": 69.5,
        "LZeq": 64.5,
        "LAeq1s": 54.5,
        "LZeq_31_5Hz": 57.0,
        "temperature": 12.5,
    },
    "bin": {
        "fillingLevel": 0.375,
        "distanceToContent": 640.0,
        "status": "lidOpen",
        "contentVolume": 420.0,
        "lidOpenings": 31.0,
        "tilt": 2.5,
    },
    "garden": {
        "temperature": 21.5,
        "relativeHumidity": 0.555,
        "precipitation": 0.279,
        "atmosphericPressure": 1004.5,
        "dewPoint": 12.25,
        "soilTemperature": 14.75,
        "soilMoisture": 31.5,
    },
}
OURS = {
    "air": {"vocIndex", "pm25Max", "dewPoint"},
    "noise": {
        "LAmin", "LA10", "LA50", "LA90", "LCeq", "LCpeak", "LA1", "LA95", "LA99", "LASmax", "LZeq", "LAeq1s",
        "LZeq_31_5Hz",
    },
    "bin": {"distanceToContent", "contentVolume", "lidOpenings", "tilt"},
    "garden": {"soilTemperature", "soilMoisture"},
}  # fmt: skip
UNIT_OF = quantity_units()


def entities(kind: str, settings: NgsiLdSettings, **row: Any) -> list[dict[str, Any]]:
    reader = MemoryReader()
    reader.add_site("plek 1/ä", kind, "Hoek Kaai", longitude=3.7188, latitude=51.0488)
    for quantity, value in VALUES[kind].items():
        reader.add("plek 1/ä", quantity, UNIT_OF[quantity], value, NOW_MS + 250, **row)
    packed = NgsiLdPublisher(settings, Counters()).pack(reader.rows, reader)
    assert not packed.rejections
    return [item.entity for parcel in packed.parcels for item in parcel.content.items]


def simplified(entity: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, attribute in entity.items():
        if name in ("id", "type", "@context"):
            found[name] = attribute
            continue
        if isinstance(attribute, list):
            (attribute,) = (one for one in attribute if "datasetId" not in one)
        value = attribute.get("value", attribute.get("object"))
        found[name] = value["@value"] if isinstance(value, dict) and "@value" in value else value
    return found


@pytest.fixture(scope="module")
def registry(shared: Callable[[str], Path]) -> Registry[Any]:
    def retrieve(uri: str) -> Resource[Any]:
        name = uri.split("#")[0].rsplit("/", 1)[1]
        folder = shared("vectors/platforms/smart-data-models/schemas")
        return Resource.from_contents(json.loads((folder / name).read_text("utf-8")))

    return Registry(retrieve=retrieve)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    "row", [{}, {"flags": ("range", "step"), "state": "degraded"}, {"raw": 9.5, "method": "m", "version": 2}]
)
def test_the_simplified_form_validates_with_formats(
    kind: str, row: dict[str, Any], registry: Registry[Any], shared: Callable[[str], Path]
) -> None:
    schema = json.loads(
        shared(f"vectors/platforms/smart-data-models/schemas/{KINDS[kind]}.schema.json").read_text("utf-8")
    )
    checker = jsonschema.FormatChecker()
    assert "date-time" in checker.checkers, "without rfc3339-validator the format is silently not checked"
    validator = jsonschema.Draft202012Validator(schema, registry=registry, format_checker=checker)
    (entity,) = entities(kind, NgsiLdSettings(url="http://broker", devices=False, noise_average_s=60), **row)
    plain = simplified(entity)
    assert [error.message for error in validator.iter_errors(plain)] == []
    assert {name: plain[name] for name in EXPECTED[kind]} == EXPECTED[kind]
    # The judge is awake: a wrong form of the same entity fails.
    assert list(validator.iter_errors({**plain, "location": "here"}))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("context_url", ["", "https://gateway.test/contexts"])
def test_expansion_loses_no_value_and_sends_none_to_the_default_context(
    kind: str, context_url: str, shared: Callable[[str], Path]
) -> None:
    settings = NgsiLdSettings(url="http://broker", devices=False, context_url=context_url)
    model = MODELS[kind]
    (entity,) = entities(kind, settings, raw=9.5, method="m", version=2, flags=("range", "step"))
    document = {**entity, "@context": body_context(model, settings)}
    (expanded,) = jsonld.expand(document, {"documentLoader": offline(shared, settings)})
    assert "default-context" not in json.dumps(expanded)
    assert expanded["@type"] == [f"https://smartdatamodels.org/dataModel.{model.subject}/{model.type}"]
    for name, value in EXPECTED[kind].items():
        iri = (
            VOCABULARY + name
            if name in OURS[kind]
            else f"https://smartdatamodels.org/dataModel.{model.subject}/{name}"
        )
        if name == "status":  # the core context has the word
            iri = NGSI + name
        if name == "temperature":
            iri = next(key for key in expanded if key.endswith("/temperature"))
            assert iri.startswith("https://smartdatamodels.org/") and "Device" not in iri
        instances = expanded[iri]
        default = next(one for one in instances if NGSI + "datasetId" not in one)
        raw = next(one for one in instances if NGSI + "datasetId" in one)
        assert default[NGSI + "hasValue"] == [{"@value": value}]
        assert raw[NGSI + "datasetId"] == [{"@id": RAW_DATASET}]
        for one in (default, raw):
            assert one["@type"] == [NGSI + "Property"]
            assert one[NGSI + "observedAt"] == [
                {"@type": NGSI + "DateTime", "@value": "2025-11-23T18:00:00.250Z"}
            ]
            if name != "status":
                codes = {"GQ", "CEL", "C62", "2N", "MMT", "A97", "59", "LTR", "DD", "P1"}
                assert one[NGSI + "unitCode"][0]["@value"] in codes
        assert default[VOCABULARY + "quality"][0][NGSI + "hasValue"] == [{"@value": "doubtful"}]
        assert default[VOCABULARY + "method"][0][NGSI + "hasValue"] == [{"@value": "m"}]
        assert raw[VOCABULARY + "method"][0][NGSI + "hasValue"] == [{"@value": "none"}]
    location = expanded["https://uri.etsi.org/ngsi-ld/location"][0]
    assert location["@type"] == [NGSI + "GeoProperty"]
    assert "3.7188" in json.dumps(location)
    # Every name of ours in the entity means something to a JSON-LD reader.
    assert set(names_of(entity)) <= set(names_understood(document, shared, settings))


def test_the_core_context_alone_would_not_do(shared: Callable[[str], Path]) -> None:
    """The judge of the test above is awake: this is the trap of a missing subject context."""
    settings = NgsiLdSettings(url="http://broker", devices=False)
    (entity,) = entities("air", settings)
    (expanded,) = jsonld.expand(
        {**entity, "@context": settings.core_context}, {"documentLoader": offline(shared, settings)}
    )
    assert NGSI + "default-context/pm25" in expanded


def test_the_times_of_noise_say_only_what_is_known() -> None:
    (silent,) = entities("noise", NgsiLdSettings(url="http://b", devices=False))
    assert silent["dateObservedFrom"] == silent["dateObservedTo"]
    (told,) = entities("noise", NgsiLdSettings(url="http://b", devices=False, noise_average_s=60))
    assert told["dateObservedFrom"]["value"]["@value"] == "2025-11-23T17:59:00.250Z"
    assert told["dateObservedTo"]["value"]["@value"] == "2025-11-23T18:00:00.250Z"


def test_a_derived_value_has_no_raw_twin() -> None:
    reader = MemoryReader()
    reader.add_site("bak", "bin")
    row = reader.add("bak", "filling_level", "%", 50.0, method="bin_geometry", version=1)
    row = msgspec.structs.replace(row, raw_value=None)
    (parcel,) = (
        NgsiLdPublisher(NgsiLdSettings(url="http://b", devices=False), Counters()).pack([row], reader).parcels
    )
    attribute = parcel.content.items[0].entity["fillingLevel"]
    assert attribute["value"] == 0.5
    assert attribute["method"]["value"] == "bin_geometry"


def test_the_raw_twin_can_be_left_out_for_readers_that_know_one_instance() -> None:
    (entity,) = entities(
        "air", NgsiLdSettings("http://b", devices=False, raw_twin=False), raw=9.5, method="m", version=2
    )
    assert not any(isinstance(attribute, list) for attribute in entity.values())
    assert entity["pm25"]["value"] == 8.2
    assert entity["pm25"]["method"]["value"] == "m"


def test_ids_are_uris_of_the_network_and_hold_no_device() -> None:
    (entity,) = entities("bin", NgsiLdSettings(url="http://b", devices=False, network="gent"))
    assert entity["id"] == "urn:ngsi-ld:WasteContainer:gent:plek%201%2F%C3%A4"
    assert re.fullmatch(r"urn:ngsi-ld:[A-Za-z]+:[\w.%~-]+:[\w.%~-]+", entity["id"])
    assert "refDevice" not in entity


def test_every_unit_of_the_measurement_table_has_codes() -> None:
    assert {row[2] for row in MEASUREMENTS} <= set(UNITS)


def test_unit_codes_follow_the_list_of_qudt(shared: Callable[[str], Path]) -> None:
    lines = shared("vectors/platforms/units/qudt-unece-ucum.txt").read_text("utf-8").splitlines()
    listed = {
        code: re.findall(r"'([^']*)'", line.split("ucum")[1].split("sym")[0])
        for line in lines
        for code in re.findall(r"\('(\w+)', ''\)", line)
    }
    same = {"ug.m-3": "ug/m3", "mm.h-1": "mm/h"}
    for unit in UNITS.values():
        if unit.unece in ("4K", "OHM"):  # not in the extract; the codes are Recommendation 20's
            continue
        codes = [same.get(code, code) for code in listed[unit.unece]]
        assert unit.ucum in codes or unit.unece == "C62"
    for model in MODELS.values():
        for attribute in model.attributes.values():
            if attribute.unit_code not in ("", "4K", "OHM"):
                assert attribute.unit_code in listed


def test_every_quantity_of_the_table_has_a_place_in_every_model_or_is_housekeeping() -> None:
    for model in MODELS.values():
        left = set(quantity_units()) - set(model.attributes) - HOUSEKEEPING
        assert left <= {"events"}
        names = [attribute.name for attribute in model.attributes.values()]
        assert len(names) == len(set(names))
        for attribute in model.attributes.values():
            assert re.fullmatch(r"[A-Za-z]\w*", attribute.name), "NGSI-LD: a name is a letter and word signs"


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_served_context_says_what_the_official_ones_say_and_refers_to_none(
    kind: str, shared: Callable[[str], Path]
) -> None:
    settings = NgsiLdSettings(url="http://b", provider="Stad", noise_average_s=60)
    load = offline(shared, settings)
    found = entities(kind, settings, raw=9.5, method="m", version=2, flags=("range", "step"))
    assert {one["type"] for one in found} == {KINDS[kind], "Device", "DeviceModel"}
    for entity in found:
        model = {"Device": DEVICE, "DeviceModel": DEVICE_MODEL}.get(entity["type"], MODELS[kind])
        official = jsonld.expand(
            {**entity, "@context": body_context(model, settings)}, {"documentLoader": load}
        )

        def refuse(url: str, options: Any) -> Any:
            raise AssertionError(f"{url} is fetched")

        served = json.loads(context_documents(settings)[f"/contexts/{model.type}.jsonld"][1])["@context"]
        assert served == bundled(model)
        ours = jsonld.expand({**entity, "@context": served}, {"documentLoader": refuse})
        assert jsonld.normalize(ours, NQUADS) == jsonld.normalize(official, NQUADS)
        assert len(jsonld.normalize(ours, NQUADS).splitlines()) > 20


def test_what_a_bin_tells_of_itself_becomes_status_and_emptying() -> None:
    reader = MemoryReader()
    reader.add_site("bak", "bin")
    for number, bits in enumerate((0, 1, 2, 4, 8, 16, 9 + 16)):
        reader.add("bak", "events", "1", float(bits), NOW_MS + number * 60_000)
    packed = NgsiLdPublisher(NgsiLdSettings("http://b", devices=False), Counters()).pack(reader.rows, reader)
    found = [item.entity for parcel in packed.parcels for item in parcel.content.items]
    words = ["ok", "ok", "moved", "dropped", "burning", "lidOpen", "burning"]
    assert [one["status"]["value"] for one in found] == words
    assert ["dateLastEmptying" in one for one in found] == [False, True, False, False, False, False, True]
    assert found[1]["dateLastEmptying"]["value"]["@value"] == "2025-11-23T18:01:00Z"


def offline(shared: Callable[[str], Path], settings: NgsiLdSettings) -> Callable[..., dict[str, Any]]:
    folder = shared("vectors/platforms")
    known: dict[str, Any] = {
        settings.core_context: folder / "ngsi-ld/ngsi-ld-core-context-v1.9.jsonld",
        # Referred to inside `ngsildproof` of the core context; no term of it is used here.
        "https://w3id.org/security/data-integrity/v2": {"@context": {}},
    }
    for model in (*MODELS.values(), DEVICE):
        known[settings.subject_context.format(subject=model.subject)] = (
            folder / f"smart-data-models/contexts/dataModel.{model.subject}.context.jsonld"
        )
    for path, (_, content) in context_documents(settings).items():
        known[f"https://gateway.test{path}"] = json.loads(content)

    def load(url: str, options: dict[str, Any]) -> dict[str, Any]:
        found = known[url]
        document = json.loads(found.read_text("utf-8")) if isinstance(found, Path) else found
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": document,
        }

    return load


def names_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not name.startswith("@"):
                yield name
            yield from names_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_of(inner)


def names_understood(
    document: dict[str, Any], shared: Callable[[str], Path], settings: NgsiLdSettings
) -> set[str]:
    """Names whose removal changes the expansion: what a JSON-LD reader sees of them."""
    load = offline(shared, settings)
    terms: set[str] = {"id", "type"}
    stack = list(document["@context"])
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            inner = load(one, {})["document"]["@context"]
            stack.extend(inner if isinstance(inner, list) else [inner])
        else:
            terms |= set(one)
    return terms

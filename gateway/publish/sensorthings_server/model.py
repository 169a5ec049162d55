"""The eight entity types of SensorThings 1.1 (OGC 18-088, clause 8.2): properties and relations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Relation:
    """A navigation property: the type it leads to, to one or to many, and its name on the other side."""

    name: str
    type: str
    is_many: bool
    back: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class EntityType:
    """A collection: its name, the name of one, properties (required ones marked), relations."""

    name: str
    one: str
    properties: tuple[str, ...]
    required: frozenset[str]
    relations: dict[str, Relation]
    times: frozenset[str] = frozenset()


@dataclass(slots=True)
class Entity:
    """One entity: its properties, and ids of related entities by navigation property.

    Observations are in no list of a Datastream or FeatureOfInterest: they are looked up.
    """

    type: EntityType
    id: int
    fields: Fields
    links: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


def _type(
    name: str, one: str, properties: str, required: str, *relations: Relation, times: str = ""
) -> EntityType:
    return EntityType(
        name,
        one,
        tuple(properties.split()),
        frozenset(required.split()),
        {relation.name: relation for relation in relations},
        frozenset(times.split()),
    )


TYPES: dict[str, EntityType] = {
    found.name: found
    for found in (
        _type(
            "Things", "Thing", "name description properties", "name description",
            Relation("Locations", "Locations", True, "Things"),
            Relation("HistoricalLocations", "HistoricalLocations", True, "Thing"),
            Relation("Datastreams", "Datastreams", True, "Thing"),
        ),
        _type(
            "Locations", "Location", "name description encodingType location properties",
            "name description encodingType location",
            Relation("Things", "Things", True, "Locations"),
            Relation("HistoricalLocations", "HistoricalLocations", True, "Locations"),
        ),
        _type(
            "HistoricalLocations", "HistoricalLocation", "time", "time",
            Relation("Thing", "Things", False, "HistoricalLocations", True),
            Relation("Locations", "Locations", True, "HistoricalLocations"),
            times="time",
        ),
        _type(
            "Datastreams", "Datastream",
            "name description observationType unitOfMeasurement observedArea phenomenonTime resultTime "
            "properties",
            "name description observationType unitOfMeasurement",
            Relation("Thing", "Things", False, "Datastreams", True),
            Relation("Sensor", "Sensors", False, "Datastreams", True),
            Relation("ObservedProperty", "ObservedProperties", False, "Datastreams", True),
            Relation("Observations", "Observations", True, "Datastream"),
            times="phenomenonTime resultTime",
        ),
        _type(
            "Sensors", "Sensor", "name description encodingType metadata properties",
            "name description encodingType metadata",
            Relation("Datastreams", "Datastreams", True, "Sensor"),
        ),
        _type(
            "ObservedProperties", "ObservedProperty", "name definition description properties",
            "name definition description",
            Relation("Datastreams", "Datastreams", True, "ObservedProperty"),
        ),
        _type(
            "Observations", "Observation",
            "phenomenonTime result resultTime resultQuality validTime parameters", "result",
            Relation("Datastream", "Datastreams", False, "Observations", True),
            Relation("FeatureOfInterest", "FeaturesOfInterest", False, "Observations"),
            times="phenomenonTime resultTime validTime",
        ),
        _type(
            "FeaturesOfInterest", "FeatureOfInterest", "name description encodingType feature properties",
            "name description encodingType feature",
            Relation("Observations", "Observations", True, "FeatureOfInterest"),
        ),
    )
}  # fmt: skip
OBSERVATIONS = TYPES["Observations"]


class Refused(Exception):  # noqa: N818 - it is an answer
    """A request that cannot be answered: status and a sentence that names the place."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

"""Our sites as entities: Things, Locations, Datastreams and the rest, made anew from the public reader.

Ids are numbers that only depend on names (48 bits of SHA-256), so they are the same after a restart, a
restore, or on another computer. They are above those of entities that others write here (from 1 on), and
tell nothing of a device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from gateway.exports import iso_utc
from gateway.model import PublicSite
from gateway.publish.sensorthings.vocabulary import (
    OM_MEASUREMENT,
    Stream,
    observed_property,
    results,
    unit_of_measurement,
)
from gateway.publish.sensorthings_server.model import TYPES, Entity, Fields

LEAST_ID = 1 << 40


@dataclass(slots=True)
class Catalogue:
    """All entities but observations, by type name and id; streams by Datastream id and back."""

    entities: dict[str, dict[int, Entity]]
    streams: dict[int, Stream] = field(default_factory=dict[int, Stream])
    datastreams: dict[Stream, int] = field(default_factory=dict[Stream, int])
    features: dict[str, int] = field(default_factory=dict[str, int])  # by site
    last_ms: dict[Stream, int] = field(default_factory=dict[Stream, int])


def stable_id(kind: str, name: str) -> int:
    """Return a number for a name, from 2**40 up to 2**49: exact also where numbers are doubles."""
    digest = sha256(f"{kind}:{name}".encode()).digest()
    return LEAST_ID + int.from_bytes(digest[:6], "big")


def empty() -> dict[str, dict[int, Entity]]:
    """Return collections without entities."""
    return {name: {} for name in TYPES if name != "Observations"}


def house_catalogue(
    reader: Any, first_ms: Callable[[Stream, int], int | None], encoding: str, attribution: str
) -> Catalogue:
    """Return our entities now. first_ms: the first observed time of a series, given its last."""
    found = Catalogue(empty())
    sites = {site.site_id: site for site in reader.sites()}
    for site in sites.values():
        _site(found, site, encoding, attribution)
    for row in reader.latest():
        site = sites.get(row.site_id)
        if site is None:
            continue
        streams = [stream for stream, _ in results(row)] or [Stream(row.site_id, row.quantity, False)]
        for stream in streams:
            _datastream(found, site, stream, row.unit, row.observed_at_ms, first_ms)
    for site in sites.values():
        times = [
            found.entities["Datastreams"][found.datastreams[stream]].fields["phenomenonTime"]
            for stream in found.datastreams
            if stream.site_id == site.site_id
        ]
        if times:
            _history(found, site, min(times).split("/")[0])
    return found


def _put(found: Catalogue, kind: str, name: str, fields: Fields) -> Entity:
    entity_id = stable_id(kind, name)
    known = found.entities[kind].get(entity_id)
    if known is None:
        known = found.entities[kind][entity_id] = Entity(TYPES[kind], entity_id, fields)
    return known


def link(entities: dict[str, dict[int, Entity]], entity: Entity, relation_name: str, other: Entity) -> None:
    """Relate two entities both ways."""
    relation = entity.type.relations[relation_name]
    back = other.type.relations[relation.back]
    for one, name, is_many, target in (
        (entity, relation_name, relation.is_many, other.id),
        (other, relation.back, back.is_many, entity.id),
    ):
        if not is_many:
            one.links[name] = [target]
        elif target not in one.links.setdefault(name, []):
            one.links[name].append(target)


def _site(found: Catalogue, site: PublicSite, encoding: str, attribution: str) -> None:
    title = site.name or site.site_id
    point: dict[str, Any] = {"type": "Point", "coordinates": [site.longitude, site.latitude]}
    terms = {"licence": site.licence, "attribution": attribution, "precision_m": site.precision_m}
    place: Fields = {
        "name": title,
        "description": f"Place of {title}, to {site.precision_m} m",
        "encodingType": encoding,
    }
    thing = _put(found, "Things", site.site_id, {
        "name": title,
        "description": f"Measuring place of kind {site.kind}",
        "properties": {"site": site.site_id, "kind": site.kind, **terms},
    })  # fmt: skip
    location = _put(found, "Locations", site.site_id, {**place, "location": point, "properties": terms})
    feature = _put(
        found, "FeaturesOfInterest", site.site_id, {**place, "feature": point, "properties": terms}
    )
    found.features[site.site_id] = feature.id
    link(found.entities, thing, "Locations", location)


def _history(found: Catalogue, site: PublicSite, since: str) -> None:
    history = _put(found, "HistoricalLocations", site.site_id, {"time": since})
    link(found.entities, history, "Thing", found.entities["Things"][stable_id("Things", site.site_id)])
    location = found.entities["Locations"][stable_id("Locations", site.site_id)]
    link(found.entities, history, "Locations", location)


def _datastream(
    found: Catalogue,
    site: PublicSite,
    stream: Stream,
    unit: str,
    last_ms: int,
    first_ms: Callable[[Stream, int], int | None],
) -> None:
    about = observed_property(stream.quantity)
    first = first_ms(stream, last_ms)
    span = iso_utc(last_ms) if first is None else f"{iso_utc(first)}/{iso_utc(last_ms)}"
    raw = ", as measured, before correction" if stream.is_raw else ""
    datastream = _put(found, "Datastreams", stream.key, {
        "name": f"{about['name']} at {site.name or site.site_id}{raw}",
        "description": about["description"] + raw,
        "observationType": OM_MEASUREMENT,
        "unitOfMeasurement": unit_of_measurement(unit),
        "observedArea": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
        "phenomenonTime": span,
        "resultTime": span,
        "properties": {"quantity": stream.quantity, "raw": stream.is_raw, "licence": site.licence},
    })  # fmt: skip
    sensor = _put(found, "Sensors", f"{site.kind}/{stream.quantity}", {
        "name": f"{about['name']} sensor of a node of kind {site.kind}",
        "description": f"Measures {about['description'][0].lower() + about['description'][1:]}",
        "encodingType": "text/html",
        "metadata": "Meetnet open hardware node",
        "properties": {"kind": site.kind, "quantity": stream.quantity},
    })  # fmt: skip
    prop = _put(
        found, "ObservedProperties", stream.quantity, {**about, "properties": {"quantity": stream.quantity}}
    )
    things = found.entities["Things"]
    link(found.entities, datastream, "Thing", things[stable_id("Things", site.site_id)])
    link(found.entities, datastream, "Sensor", sensor)
    link(found.entities, datastream, "ObservedProperty", prop)
    found.streams[datastream.id] = stream
    found.datastreams[stream] = datastream.id
    found.last_ms[stream] = last_ms

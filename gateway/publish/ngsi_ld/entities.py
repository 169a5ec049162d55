"""Entities in the normalized form: one a site and moment, each value with time, unit, quality and method.

A value that was corrected is published as the attribute itself, and the raw one beside it under the
dataset RAW_DATASET: a simple reader sees the corrected value, a careful one both. A value that is not there
is left out: no 0, no null. observedAt stands inside each attribute, in UTC with Z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicSite
from gateway.publish.ngsi_ld.models import Attribute, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings

RAW_DATASET = "urn:ngsi-ld:Dataset:meetnet:raw"
DOUBTFUL_STATES = frozenset({"warmup", "overload", "degraded", "gap"})

Entity = dict[str, Any]


def entity_id(model: Model, site_id: str, settings: NgsiLdSettings) -> str:
    """Return the entity's id: a URN that only depends on network and site."""
    return f"urn:ngsi-ld:{model.type}:{settings.network}:{quote(site_id, safe='-._~')}"


def refusal(row: PublicObservation, attribute: Attribute) -> str:
    """Return why a value cannot stand in its model, "" when it can."""
    for value in (row.value, row.raw_value if row.method != "none" else None):
        if value is not None and not math.isfinite(value):
            return f"{attribute.name} is not a finite number"
        if value is not None and not attribute.low <= _scaled(value, attribute) <= attribute.high:
            scaled = _scaled(value, attribute)
            return f"{attribute.name} {scaled} is outside of {attribute.low} to {attribute.high}"
    return ""


def entity(
    site: PublicSite, model: Model, rows: Sequence[PublicObservation], settings: NgsiLdSettings
) -> Entity:
    """Return an entity of a site's rows of one moment, without @context. Each row has a value."""
    observed_at_ms = rows[0].observed_at_ms
    found: Entity = {
        "id": entity_id(model, site.site_id, settings),
        "type": model.type,
        "name": _property(site.name or site.site_id),
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
        },
        "positionPrecision": {**_property(site.precision_m), "unitCode": "MTR"},
        "license": _property(site.licence),
        **_times(model, observed_at_ms, settings),
    }
    if settings.provider:
        found["dataProvider"] = _property(settings.provider)
    for row in rows:
        attribute = model.attributes[row.quantity]
        found[attribute.name] = _values(row, attribute)
    return found


def temporal(entity_now: Entity, model: Model) -> Entity:
    """Return the temporal form of an entity (EntityTemporal): measured attributes as lists of instances."""
    names = {attribute.name for attribute in model.attributes.values()}
    found: Entity = {}
    for name, value in entity_now.items():
        if name in ("id", "type", "@context"):
            found[name] = value
        elif name in names:
            found[name] = value if isinstance(value, list) else [value]
    return found


def _times(model: Model, observed_at_ms: int, settings: NgsiLdSettings) -> Entity:
    if model.type == "WasteContainer":  # has no time of its own: the attributes' observedAt says it
        return {}
    if model.type == "NoiseLevelObserved":
        return {
            "dateObservedFrom": _moment(observed_at_ms - settings.noise_average_s * 1000),
            "dateObservedTo": _moment(observed_at_ms),
        }
    return {"dateObserved": _moment(observed_at_ms)}


def _values(row: PublicObservation, attribute: Attribute) -> Any:
    shown = _value(row, row.value, attribute, row.method, row.method_version)
    if row.method == "none" or row.raw_value is None:
        return shown
    raw = _value(row, row.raw_value, attribute, "none", 0)
    return [shown, {**raw, "datasetId": RAW_DATASET}]


def _value(
    row: PublicObservation, value: float | None, attribute: Attribute, method: str, version: int
) -> Entity:
    assert value is not None
    is_doubtful = bool(row.flags) or row.state in DOUBTFUL_STATES
    found = {
        **_property(_scaled(value, attribute)),
        "observedAt": iso_utc(row.observed_at_ms),
        "unitCode": attribute.unit_code,
        "quality": _property("doubtful" if is_doubtful else "good"),
        "sensorState": _property(row.state),
        "method": _property(method),
        "methodVersion": _property(version),
    }
    if row.flags:
        first, *others = row.flags  # JSON-LD knows no difference between one and a list of one
        found["qualityFlags"] = _property([first, *others] if others else first)
    return found


def _scaled(value: float, attribute: Attribute) -> float:
    if attribute.scale == 1.0:
        return value
    return round(value * attribute.scale, 6)  # 0.01 is no binary fraction: 81 % is 0.81, not 0.81...01


def _property(value: Any) -> Entity:
    return {"type": "Property", "value": value}


def _moment(ms: int) -> Entity:
    return _property({"@type": "DateTime", "@value": iso_utc(ms)})

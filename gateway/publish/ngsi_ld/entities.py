"""Entities in the normalized form: one a site and moment, each value with time, unit, quality and method.

A value that was corrected is published as the attribute itself, and the raw one beside it under the
dataset RAW_DATASET: a simple reader sees the corrected value, a careful one both. A value that is not there
is left out: no 0, no null. observedAt stands inside each attribute, in UTC with Z.

Entities are written as JSON text right away. What two values have in common (everything but the number and
the moment) and what two entities of a site have in common is written once and kept, which spares the tree of
dictionaries that a general encoder wants.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicSite
from gateway.publish.ngsi_ld.models import Attribute, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.shapes import Form
from wire import measurements

RAW_DATASET = "urn:ngsi-ld:Dataset:meetnet:raw"
DOUBTFUL_STATES = frozenset({"warmup", "overload", "degraded", "gap"})
MOST_KEPT = 20_000  # pieces of text; more than any network has, so that memory stays bounded

Entity = dict[str, Any]
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


def entity_id(type_name: str, local: str, settings: NgsiLdSettings) -> str:
    """Return an entity's id: a URN that only depends on network and site (or kind)."""
    name = local if _PLAIN.fullmatch(local) else quote(local, safe="-._~")
    return f"urn:ngsi-ld:{type_name}:{settings.network}:{name}"


def refusal(row: PublicObservation, attribute: Attribute) -> str:
    """Return why a value cannot stand in its model, "" when it can."""
    for value in (row.value, row.raw_value if row.method != "none" else None):
        if value is None:
            continue
        if not math.isfinite(value):
            return f"{attribute.name} is not a finite number"
        shown = scaled(value, attribute)
        if not attribute.low <= shown <= attribute.high:
            return f"{attribute.name} {shown} is outside of {attribute.low} to {attribute.high}"
    return ""


class EntityWriter:
    """Writes the entities of one publisher. Belongs to one thread at a time."""

    def __init__(self, settings: NgsiLdSettings) -> None:
        self._settings = settings
        self.has_twins = settings.raw_twin
        self._heads: dict[tuple[Any, ...], str] = {}
        self._tails: dict[tuple[Any, ...], tuple[str, str]] = {}

    def write(
        self, site: PublicSite, model: Model, rows: Sequence[PublicObservation], added: str = ""
    ) -> tuple[str, str]:
        """Return (id, JSON text without @context) of a site's rows of one moment. Each row has a value.

        added: JSON text of further attributes, with a comma before each.
        """
        observed_at_ms = rows[0].observed_at_ms
        moment = iso_utc(observed_at_ms)
        name = entity_id(model.type, site.site_id, self._settings)
        parts = [self._head(name, site, model), self.times(model, observed_at_ms, moment)]
        for row in rows:
            parts.append(self._attribute(row, model, moment))
            if row.quantity == "events" and int(row.value or 0) & measurements.EVENT_EMPTIED:
                parts.append(f',"dateLastEmptying":{_MOMENT % moment}')
        parts.append(added + "}")
        return name, "".join(parts)

    def times(self, model: Model, observed_at_ms: int, moment: str) -> str:
        """Return the attributes of an entity that say when; moment: the same as text."""
        if model.type == "NoiseLevelObserved":
            since = iso_utc(observed_at_ms - self._settings.noise_average_s * 1000)
            return f',"dateObservedFrom":{_MOMENT % since},"dateObservedTo":{_MOMENT % moment}'
        if model.type == "WasteContainer":  # has no time of its own: the attributes' observedAt says it
            return ""
        return f',"dateObserved":{_MOMENT % moment}'

    def head(self, name: str, site: PublicSite, model: Model) -> str:
        """Return what an entity says of its site, as JSON text that is not closed."""
        return dumps(_common(name, site, model, self._settings))[:-1]

    def tails(self, attribute: Attribute, form: Form) -> tuple[str, str]:
        """Return what follows number and moment, of the shown value and of the raw one."""
        return _tails(form, attribute)

    def about(self, site: PublicSite, model: Model) -> tuple[str, str]:
        """Return (id, JSON text) of what an entity says of its site, without any value."""
        name = entity_id(model.type, site.site_id, self._settings)
        return name, self._head(name, site, model) + "}"

    def _head(self, name: str, site: PublicSite, model: Model) -> str:
        key = (name, site.name, site.longitude, site.latitude, site.precision_m, site.licence)
        found = self._heads.get(key)
        if found is None:
            found = _bounded(self._heads)[key] = self.head(name, site, model)
        return found

    def _attribute(self, row: PublicObservation, model: Model, moment: str) -> str:
        attribute = model.attributes[row.quantity]
        key = (attribute, row.state, row.flags, row.method, row.method_version)
        found = self._tails.get(key)
        if found is None:
            found = _bounded(self._tails)[key] = _tails(row, attribute)
        tail, raw_tail = found
        value: Any = row.value
        text = f'"{word_of(value, attribute)}"' if attribute.words else repr(scaled(value, attribute))
        shown = f'{{"type":"Property","value":{text},"observedAt":"{moment}"{tail}'
        if row.method == "none" or row.raw_value is None or not self._settings.raw_twin:
            return f',"{attribute.name}":{shown}'
        raw = scaled(row.raw_value, attribute)
        return (
            f',"{attribute.name}":[{shown},{{"type":"Property","value":{raw!r},"observedAt":"{moment}"'
            f"{raw_tail}]"
        )


def word_of(value: float, attribute: Attribute) -> str:
    """Return the word for a set of bits."""
    return next((word for bit, word in attribute.words if int(value) & bit), "ok")


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


def dumps(content: Any) -> str:
    """Return JSON without spaces. NaN is no JSON: it is refused here, not at the broker."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_property(value: Any) -> Entity:
    """Return a Property."""
    return {"type": "Property", "value": value}


_MOMENT = '{"type":"Property","value":{"@type":"DateTime","@value":"%s"}}'


def _common(name: str, site: PublicSite, model: Model, settings: NgsiLdSettings) -> Entity:
    found: Entity = {
        "id": name,
        "type": model.type,
        "name": as_property(site.name or site.site_id),
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
        },
        "positionPrecision": {**as_property(site.precision_m), "unitCode": "MTR"},
        "license": as_property(site.licence),
    }
    if settings.provider:
        found["dataProvider"] = as_property(settings.provider)
    # WasteContainer wants a list here, which brokers before GS CIM 009 1.8 refuse in a Relationship.
    if settings.devices and model.type != "WasteContainer":
        found["refDevice"] = {
            "type": "Relationship",
            "object": entity_id("Device", site.site_id, settings),
        }
    return found


def _tails(row: PublicObservation | Form, attribute: Attribute) -> tuple[str, str]:
    """Return what follows number and moment, of the shown value and of the raw one."""
    is_doubtful = bool(row.flags) or row.state in DOUBTFUL_STATES
    shared: Entity = {
        **({"unitCode": attribute.unit_code} if attribute.unit_code else {}),
        "quality": as_property("doubtful" if is_doubtful else "good"),
        "sensorState": as_property(row.state),
    }
    flags: Entity = {}
    if row.flags:
        first, *others = row.flags  # JSON-LD knows no difference between one and a list of one
        flags["qualityFlags"] = as_property([first, *others] if others else first)
    shown = shared | _method(row.method, row.method_version) | flags
    raw = shared | _method("none", 0) | flags | {"datasetId": RAW_DATASET}
    return "," + dumps(shown)[1:], "," + dumps(raw)[1:]


def _method(name: str, version: int) -> Entity:
    return {"method": as_property(name), "methodVersion": as_property(version)}


def scaled(value: float, attribute: Attribute) -> float:
    """Return a value in the scale of its attribute."""
    if attribute.scale == 1.0:
        return value
    return round(value * attribute.scale, 6)  # 0.01 is no binary fraction: 81 % is 0.81, not 0.81...01


def _bounded(kept: dict[Any, Any]) -> dict[Any, Any]:
    if len(kept) >= MOST_KEPT:
        kept.clear()
    return kept

"""Smart Data Models in the normalized form of NGSI-v2: {value, type, metadata} an attribute.

NGSI-v2 knows no datasets: a corrected value's raw one is an attribute of its own, `<name>Raw`. TimeInstant is
the convention by which FIWARE's history components date a notification. The API forbids some signs in all
texts (injection into other systems): they become spaces, because a name that is shown escaped helps nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicSite
from gateway.publish.ngsi_ld.entities import DOUBTFUL_STATES, word_of
from gateway.publish.ngsi_ld.models import Attribute, Model
from gateway.publish.ngsi_v2.settings import NgsiV2Settings

FORBIDDEN = "<>\"'=;()"  # NGSI-v2 specification, "General syntax restrictions"
_FORBIDDEN = re.compile(f"[{re.escape(FORBIDDEN)}\\x00-\\x1f\\x7f]+")

Entity = dict[str, Any]


def clean(text: str) -> str:
    """Return a text without the signs that NGSI-v2 forbids."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def entity_id(model: Model, site_id: str, settings: NgsiV2Settings) -> str:
    """Return the entity's id; the API allows no blank, & ? / # in it, and at most 256 signs."""
    return f"urn:ngsi-ld:{model.type}:{settings.network}:{quote(site_id, safe='-._~')}"


def about(site: PublicSite, model: Model, settings: NgsiV2Settings) -> Entity:
    """Return what an entity says of its site, without any value."""
    found: Entity = {
        "id": entity_id(model, site.site_id, settings),
        "type": model.type,
        "name": _text(site.name or site.site_id),
        "location": {
            "type": "geo:json",
            "value": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
        },
        "positionPrecision": {"type": "Number", "value": site.precision_m},
        "license": _text(site.licence),
    }
    if settings.provider:
        found["dataProvider"] = _text(settings.provider)
    return found


def entity(
    site: PublicSite, model: Model, rows: Sequence[PublicObservation], settings: NgsiV2Settings
) -> Entity:
    """Return the entity of a site's rows of one moment. Each row has a value."""
    observed_at_ms = rows[0].observed_at_ms
    moment = _moment(observed_at_ms)
    found = about(site, model, settings)
    found["TimeInstant"] = moment
    if model.type == "NoiseLevelObserved":
        found["dateObservedFrom"] = _moment(observed_at_ms - settings.noise_average_s * 1000)
        found["dateObservedTo"] = moment
    elif model.type != "WasteContainer":
        found["dateObserved"] = moment
    for row in rows:
        attribute = model.attributes[row.quantity]
        found[attribute.name] = _value(row, row.value, attribute, row.method, row.method_version)
        if row.method != "none" and row.raw_value is not None:
            found[f"{attribute.name}Raw"] = _value(row, row.raw_value, attribute, "none", 0)
    return found


def _value(
    row: PublicObservation, value: float | None, attribute: Attribute, method: str, version: int
) -> Entity:
    assert value is not None
    is_doubtful = bool(row.flags) or row.state in DOUBTFUL_STATES
    metadata = {
        "TimeInstant": _moment(row.observed_at_ms),
        **({"unitCode": _text(attribute.unit_code)} if attribute.unit_code else {}),
        "quality": _text("doubtful" if is_doubtful else "good"),
        "sensorState": _text(row.state),
        "method": _text(method),
        "methodVersion": {"type": "Number", "value": version},
    }
    if row.flags:
        metadata["qualityFlags"] = _text(" ".join(row.flags))
    if attribute.words:
        return {"type": "Text", "value": word_of(value, attribute), "metadata": metadata}
    scaled = value if attribute.scale == 1.0 else round(value * attribute.scale, 6)
    return {"type": "Number", "value": scaled, "metadata": metadata}


def _text(text: str) -> Entity:
    return {"type": "Text", "value": clean(text)}


def _moment(ms: int) -> Entity:
    return {"type": "DateTime", "value": iso_utc(ms)}

"""JSON-LD contexts: one subject context an entity type, our own terms, and the ETSI core context.

A Smart Data Models context alone leaves `value`, `unitCode` and `observedAt` undefined, and a JSON-LD
reader drops every measured value; the core context alone sends pm25 to the default vocabulary. So both are
always named, with one subject only: two subjects silently redefine terms of one another.

The contexts that this gateway serves hold every term that its entities use, so that nobody who reads them
fetches anything from elsewhere; they expand to the same as the official ones (a test compares). Terms are
those of Smart Data Models' context.jsonld and of ETSI's core context 1.9.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from gateway.publish.ngsi_ld.devices import DEVICE, DEVICE_MODEL
from gateway.publish.ngsi_ld.models import MODELS, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.publish.ngsi_ld.sounddays import DAY_TERMS

VOCABULARY = "urn:x-meetnet:def:"
_MODELS = "https://smartdatamodels.org/"
_NGSI = "https://uri.etsi.org/ngsi-ld/"

# What a value is worth, as sub-properties of each value; what holds for the entity as a whole.
_OWN_EVERYWHERE = (
    "quality", "qualityFlags", "sensorState", "method", "methodVersion", "coverage", "positionPrecision",
)  # fmt: skip
_CORE: dict[str, Any] = {
    "id": "@id",
    "type": "@type",
    "Property": _NGSI + "Property",
    "GeoProperty": _NGSI + "GeoProperty",
    "Relationship": _NGSI + "Relationship",
    "DateTime": _NGSI + "DateTime",
    "value": _NGSI + "hasValue",
    "object": {"@id": _NGSI + "hasObject", "@type": "@id"},
    "observedAt": {"@id": _NGSI + "observedAt", "@type": "DateTime"},
    "unitCode": _NGSI + "unitCode",
    "datasetId": {"@id": _NGSI + "datasetId", "@type": "@id"},
    "location": _NGSI + "location",
    "status": _NGSI + "status",
    "Point": "https://purl.org/geojson/vocab#Point",
    "coordinates": {"@container": "@list", "@id": "https://purl.org/geojson/vocab#coordinates"},
}
# Beside the measured attributes: of each subject, and of all of them.
_SUBJECTS = {
    "Environment": ("dateObservedFrom", "dateObservedTo", "refDevice"),
    "Weather": ("refDevice",),
    "WasteManagement": ("dateLastEmptying",),
    "Device": (
        "deviceCategory", "controlledProperty", "refDeviceModel", "provider", "category", "function",
        "supportedUnits", "manufacturerName", "brandName", "modelName",
    ),
}  # fmt: skip
_SHARED = ("name", "dataProvider", "dateObserved")


def own_terms(model: Model, used: Collection[str] | None = None) -> dict[str, str]:
    """Return our own terms in entities of a model. used: names of measured attributes; None: of all."""
    names = {attribute.name for attribute in model.attributes.values() if attribute.is_own}
    if used is not None:
        names.intersection_update(used)
    names |= {*_OWN_EVERYWHERE, *(DAY_TERMS if model.type == "NoiseLevelObserved" else ())}
    return {
        **{name: VOCABULARY + name for name in sorted(names)},
        "license": "http://purl.org/dc/terms/license",
    }


def bundled(model: Model) -> dict[str, Any]:
    """Return a context of all terms in entities of a model, which refers to no other document."""
    subject = f"{_MODELS}dataModel.{model.subject}/"
    official = [one.name for one in model.attributes.values() if not one.is_own and one.name not in _CORE]
    return {
        **_CORE,
        **{name: _MODELS + name for name in _SHARED},
        **{name: subject + name for name in (model.type, *_SUBJECTS[model.subject], *official)},
        **own_terms(model),
    }


def body_context(model: Model, settings: NgsiLdSettings, used: Collection[str] | None = None) -> list[Any]:
    """Return the @context for application/ld+json. used: see `own_terms`."""
    if settings.context_url:
        return [context_address(model, settings)]
    subject = settings.subject_context.format(subject=model.subject)
    return [subject, own_terms(model, used), settings.core_context]


def context_address(model: Model, settings: NgsiLdSettings) -> str:
    """Return the address of this gateway's combined context of a model."""
    return f"{settings.context_url.rstrip('/')}/{model.type}.jsonld"


def context_documents(settings: NgsiLdSettings) -> dict[str, tuple[str, bytes]]:
    """Return the combined contexts by path, for WebSettings.documents."""
    return {
        f"/contexts/{model.type}.jsonld": (
            "application/ld+json",
            json.dumps({"@context": bundled(model)}, indent=1).encode(),
        )
        for model in (*MODELS.values(), DEVICE, DEVICE_MODEL)
    }

"""JSON-LD contexts: one subject context an entity type, our own terms, and the ETSI core context.

A Smart Data Models context alone leaves `value`, `unitCode` and `observedAt` undefined, and a JSON-LD
reader drops every measured value; the core context alone sends pm25 to the default vocabulary. So both are
always named, with one subject only: two subjects silently redefine terms of one another.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.publish.ngsi_ld.devices import DEVICE, DEVICE_MODEL
from gateway.publish.ngsi_ld.models import MODELS, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings

VOCABULARY = "urn:x-meetnet:def:"

OWN_TERMS: dict[str, Any] = {
    # Levels that NoiseLevelObserved lacks; decibels, weighting in the name (IEC 61672-1).
    "LA10": VOCABULARY + "LA10",
    "LA50": VOCABULARY + "LA50",
    "LA90": VOCABULARY + "LA90",
    "LA1": VOCABULARY + "LA1",
    "LA95": VOCABULARY + "LA95",
    "LA99": VOCABULARY + "LA99",
    "LASmax": VOCABULARY + "LASmax",
    "LZeq": VOCABULARY + "LZeq",
    "LAmin": VOCABULARY + "LAmin",
    "LCeq": VOCABULARY + "LCeq",
    "LCpeak": VOCABULARY + "LCpeak",
    "distanceToContent": VOCABULARY + "distanceToContent",
    # What a value is worth, as sub-properties of each value.
    "quality": VOCABULARY + "quality",
    "qualityFlags": VOCABULARY + "qualityFlags",
    "sensorState": VOCABULARY + "sensorState",
    "method": VOCABULARY + "method",
    "methodVersion": VOCABULARY + "methodVersion",
    # What holds for the entity as a whole.
    "positionPrecision": VOCABULARY + "positionPrecision",
    "license": "http://purl.org/dc/terms/license",
}


def body_context(model: Model, settings: NgsiLdSettings) -> list[Any]:
    """Return the @context for application/ld+json."""
    if settings.context_url:
        return [context_address(model, settings)]
    return _combined(model, settings)


def context_address(model: Model, settings: NgsiLdSettings) -> str:
    """Return the address of this gateway's combined context of a model."""
    return f"{settings.context_url.rstrip('/')}/{model.type}.jsonld"


def context_documents(settings: NgsiLdSettings) -> dict[str, tuple[str, bytes]]:
    """Return the combined contexts by path, for WebSettings.documents."""
    return {
        f"/contexts/{model.type}.jsonld": (
            "application/ld+json",
            json.dumps({"@context": _combined(model, settings)}, indent=1).encode(),
        )
        for model in (*MODELS.values(), DEVICE, DEVICE_MODEL)
    }


def _combined(model: Model, settings: NgsiLdSettings) -> list[Any]:
    return [settings.subject_context.format(subject=model.subject), OWN_TERMS, settings.core_context]

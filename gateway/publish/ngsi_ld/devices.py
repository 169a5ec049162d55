"""Device and DeviceModel: what stands at a site, without saying which one it is.

A Device is "the device at this site": its id follows from the site, never from the DevEUI, stays the same
when a node is swapped, and changes with the host because the site does. A DeviceModel is one of our four
kinds of node. Source: Smart Data Models Device 0.0.9 and DeviceModel 0.0.3 (schema.json).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model import PublicSite
from gateway.publish.ngsi_ld.entities import Entity, as_property, entity_id
from gateway.publish.ngsi_ld.models import MODELS, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings

DEVICE = Model("Device", "Device", {})
DEVICE_MODEL = Model("DeviceModel", "Device", {})

# Our quantity -> controlledProperty, by the model's list.
CONTROLLED = {
    "pm1": "airPollution", "pm2_5": "airPollution", "pm4": "airPollution", "pm10": "airPollution",
    "co2": "airPollution", "voc_index": "airPollution", "nox_index": "airPollution",
    "temperature": "temperature", "relative_humidity": "humidity", "pressure": "atmosphericPressure",
    "laeq": "noiseLevel", "lafmax": "noiseLevel", "lafmin": "noiseLevel", "la10": "noiseLevel",
    "la50": "noiseLevel", "la90": "noiseLevel", "lceq": "noiseLevel", "lcpeak": "noiseLevel",
    "la1": "noiseLevel", "la95": "noiseLevel", "la99": "noiseLevel", "lasmax": "noiseLevel",
    "lzeq": "noiseLevel",
    "filling_level": "fillingLevel", "distance": "fillingLevel", "precipitation": "precipitation",
    "rain_tips": "precipitation", "soil_moisture": "soilMoisture", "battery": "batteryLife",
}  # fmt: skip
ALWAYS = {"air": "airPollution", "noise": "noiseLevel", "bin": "fillingLevel", "garden": "weatherConditions"}
TITLES = {
    "air": "Meetnet air node",
    "noise": "Meetnet noise node",
    "bin": "Meetnet bin node",
    "garden": "Meetnet garden node",
}


def device(site: PublicSite, settings: NgsiLdSettings) -> Entity:
    """Return the Device at a site, without @context."""
    found: Entity = {
        "id": entity_id("Device", site.site_id, settings),
        "type": "Device",
        "name": as_property(site.name or site.site_id),
        "deviceCategory": as_property(["sensor"]),
        "controlledProperty": as_property(_controlled(site.kind, site.quantities)),
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
        },
        "positionPrecision": {**as_property(site.precision_m), "unitCode": "MTR"},
        "refDeviceModel": {
            "type": "Relationship",
            "object": entity_id("DeviceModel", site.kind, settings),
        },
        "license": as_property(site.licence),
    }
    if settings.provider:
        found["provider"] = as_property(settings.provider)
    return found


def device_model(kind: str, settings: NgsiLdSettings) -> Entity:
    """Return the DeviceModel of a kind of site."""
    attributes = MODELS[kind].attributes
    return {
        "id": entity_id("DeviceModel", kind, settings),
        "type": "DeviceModel",
        "name": as_property(TITLES[kind]),
        "category": as_property(["sensor"]),
        "controlledProperty": as_property(_controlled(kind, tuple(attributes))),
        "function": as_property(["sensing"]),
        "supportedUnits": as_property(sorted({attribute.unit_code for attribute in attributes.values()})),
        "manufacturerName": as_property("Meetnet"),
        "brandName": as_property("Meetnet"),
        "modelName": as_property(kind),
    }


def _controlled(kind: str, quantities: Sequence[str]) -> list[str]:
    return sorted({ALWAYS[kind]} | {CONTROLLED[name] for name in quantities if name in CONTROLLED})

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

# Our quantity -> controlledProperty, by the model's list; levels of sound are found by their names.
CONTROLLED = {
    "pm1": "airPollution", "pm2_5": "airPollution", "pm4": "airPollution", "pm10": "airPollution",
    "co2": "airPollution", "voc_index": "airPollution", "nox_index": "airPollution",
    "temperature": "temperature", "dew_point": "temperature", "relative_humidity": "humidity",
    "pressure": "atmosphericPressure", "filling_level": "fillingLevel", "distance": "fillingLevel",
    "distance_light": "fillingLevel", "fill_volume": "fillingLevel", "precipitation": "precipitation",
    "rain_tips": "precipitation", "soil_moisture": "soilMoisture", "battery": "batteryLife",
}  # fmt: skip
_LEVELS = ("la", "lc", "lz")
ALWAYS = {"air": "airPollution", "noise": "noiseLevel", "bin": "fillingLevel", "garden": "weatherConditions"}
# What a node of each kind is for.
TYPICAL = {
    "air": ("pm2_5", "pm10", "temperature", "relative_humidity"),
    "noise": ("laeq",),
    "bin": ("filling_level", "distance", "temperature"),
    "garden": ("temperature", "relative_humidity", "precipitation", "soil_temperature", "soil_moisture"),
}
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
    attributes = [MODELS[kind].attributes[name] for name in TYPICAL[kind]]
    return {
        "id": entity_id("DeviceModel", kind, settings),
        "type": "DeviceModel",
        "name": as_property(TITLES[kind]),
        "category": as_property(["sensor"]),
        "controlledProperty": as_property(_controlled(kind, TYPICAL[kind])),
        "function": as_property(["sensing"]),
        "supportedUnits": as_property(sorted({one.unit_code for one in attributes if one.unit_code})),
        "manufacturerName": as_property("Meetnet"),
        "brandName": as_property("Meetnet"),
        "modelName": as_property(kind),
    }


def _controlled(kind: str, quantities: Sequence[str]) -> list[str]:
    found = {CONTROLLED[name] for name in quantities if name in CONTROLLED}
    if any(name.startswith(_LEVELS) for name in quantities):
        found.add("noiseLevel")
    return sorted({ALWAYS[kind]} | found)

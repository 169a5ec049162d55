"""Which sensor a quantity is in Home Assistant: device class, state class, unit (components/sensor/const.py).

Units use the micro sign U+00B5; `dBA` is the A-weighted unit of sound_pressure. A share (filling level) has
no class. Precipitation is the rain since midnight, as state class total_increasing wants a sum that only
starts again. Sound pressure without weighting or with C weighting is in plain dB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of sensor. digits: suggested display precision."""

    name: str
    device_class: str | None
    unit: str | None
    digits: int = 1
    state_class: str = "measurement"


_LEVEL = "sound_pressure"
COMPONENTS: dict[str, Component] = {
    "pm1": Component("PM1", "pm1", "µg/m³"),
    "pm2_5": Component("PM2.5", "pm25", "µg/m³"),
    "pm4": Component("PM4", None, "µg/m³"),  # a class pm4 exists from 2026 on only
    "pm10": Component("PM10", "pm10", "µg/m³"),
    "temperature": Component("Temperatuur", "temperature", "°C"),
    "relative_humidity": Component("Luchtvochtigheid", "humidity", "%", 0),
    "pressure": Component("Luchtdruk", "atmospheric_pressure", "hPa"),
    "laeq": Component("LAeq", _LEVEL, "dBA"),
    "lafmax": Component("LAFmax", _LEVEL, "dBA"),
    "lafmin": Component("LAFmin", _LEVEL, "dBA"),
    "la10": Component("LA10", _LEVEL, "dBA"),
    "la50": Component("LA50", _LEVEL, "dBA"),
    "la90": Component("LA90", _LEVEL, "dBA"),
    "la1": Component("LA1", _LEVEL, "dBA"),
    "la95": Component("LA95", _LEVEL, "dBA"),
    "la99": Component("LA99", _LEVEL, "dBA"),
    "lasmax": Component("LASmax", _LEVEL, "dBA"),
    "lzeq": Component("LZeq", _LEVEL, "dB"),
    "lceq": Component("LCeq", _LEVEL, "dB"),
    "lcpeak": Component("LCpeak", _LEVEL, "dB"),
    "filling_level": Component("Vulgraad", None, "%", 0),
    "distance": Component("Afstand tot inhoud", "distance", "mm", 0),
    "distance_light": Component("Afstand tot inhoud (licht)", "distance", "mm", 0),
    "fill_volume": Component("Inhoud", None, "L", 0),
    "precipitation": Component("Neerslag vandaag", "precipitation", "mm", 2, "total_increasing"),
    "dew_point": Component("Dauwpunt", "temperature", "°C"),
    "voc_index": Component("VOC-index", None, None, 0),
    "nox_index": Component("NOx-index", None, None, 0),
    "co2": Component("CO2", "carbon_dioxide", "ppm", 0),
    "soil_temperature": Component("Bodemtemperatuur", "temperature", "°C"),
    "soil_moisture": Component("Bodemvocht", "moisture", "%", 0),
    "battery": Component("Batterij", "voltage", "mV", 0),
}
TOTALS = frozenset(name for name, one in COMPONENTS.items() if one.state_class == "total_increasing")


def component(quantity: str, unique_id: str) -> dict[str, Any]:
    """Return a component of a device document, for a quantity in COMPONENTS."""
    found = COMPONENTS[quantity]
    content: dict[str, Any] = {
        "p": "sensor",
        "name": found.name,
        "unique_id": unique_id,
        "state_class": found.state_class,
        "value_template": "{{ value_json." + quantity + " }}",
        "suggested_display_precision": found.digits,
    }
    if found.device_class:
        content["device_class"] = found.device_class
    if found.unit:
        content["unit_of_measurement"] = found.unit
    return content

"""Which Smart Data Model a kind of site becomes, and which attribute a quantity.

Scales differ between models and from ours: relativeHumidity and fillingLevel are 0..1, LAmax is a level.
`low` and `high` are the bounds that the model's schema sets; a value outside is refused here with a reason,
rather than by the broker without one. Terms that no model has are ours (contexts.OWN_TERMS).
Source: Smart Data Models AirQualityObserved 0.1.4, NoiseLevelObserved 0.2.1, WasteContainer 0.3.0,
WeatherObserved 0.3.4 (schema.json); unit codes UN/CEFACT Recommendation 20.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: published value = value * scale, in unit_code."""

    name: str
    unit_code: str
    scale: float = 1.0
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, slots=True)
class Model:
    """An entity type. subject: the data model repository whose context defines it."""

    type: str
    subject: str
    attributes: dict[str, Attribute]


_TEMPERATURE = Attribute("temperature", "CEL")
_HUMIDITY = Attribute("relativeHumidity", "C62", 0.01, 0.0, 1.0)

MODELS: dict[str, Model] = {
    "air": Model(
        "AirQualityObserved",
        "Environment",
        {
            "pm1": Attribute("pm1", "GQ"),
            "pm2_5": Attribute("pm25", "GQ", low=0.0),
            "pm4": Attribute("pm4", "GQ", low=0.0),
            "pm10": Attribute("pm10", "GQ", low=0.0),
            "temperature": _TEMPERATURE,
            "relative_humidity": _HUMIDITY,
            "pressure": Attribute("pressure", "A97", low=0.0),
            "co2": Attribute("co2", "59", low=0.0),
        },
    ),
    "noise": Model(
        "NoiseLevelObserved",
        "Environment",
        {
            "laeq": Attribute("LAeq", "2N"),
            "lafmax": Attribute("LAmax", "2N"),
            "lafmin": Attribute("LAmin", "2N"),
            "la10": Attribute("LA10", "2N"),
            "la50": Attribute("LA50", "2N"),
            "la90": Attribute("LA90", "2N"),
            "lceq": Attribute("LCeq", "2N"),
            "lcpeak": Attribute("LCpeak", "2N"),
            "la1": Attribute("LA1", "2N"),
            "la95": Attribute("LA95", "2N"),
            "la99": Attribute("LA99", "2N"),
            "lasmax": Attribute("LASmax", "2N"),
            "lzeq": Attribute("LZeq", "2N"),
        },
    ),
    "bin": Model(
        "WasteContainer",
        "WasteManagement",
        {
            "filling_level": Attribute("fillingLevel", "C62", 0.01, 0.0, 1.0),
            "distance": Attribute("distanceToContent", "MMT"),
            "temperature": _TEMPERATURE,
        },
    ),
    "garden": Model(
        "WeatherObserved",
        "Weather",
        {
            "temperature": _TEMPERATURE,
            "relative_humidity": _HUMIDITY,
            "precipitation": Attribute("precipitation", "MMT", low=0.0),
            "pressure": Attribute("atmosphericPressure", "A97", low=0.0),
        },
    ),
}

"""Which Smart Data Model a kind of site becomes, and which attribute a quantity.

Scales differ between models and from ours: relativeHumidity and fillingLevel are 0..1, LAmax is a level.
`low` and `high` are the bounds that the model's schema sets; a value outside is refused here with a reason,
rather than by the broker without one. A quantity that no model has is published all the same, under a term
of our own (contexts.py) and with its own unit; only what a node tells of itself stays at home.
Source: Smart Data Models AirQualityObserved 0.1.4, NoiseLevelObserved 0.2.1, WasteContainer 0.3.0,
WeatherObserved 0.3.4 (schema.json); unit codes UN/CEFACT Recommendation 20.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.publish.quantities import quantity_units
from gateway.units import unit
from wire import measurements


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: published value = value * scale, in unit_code ("" for none).

    is_own: a term of ours. words: the value is a set of bits, of which the first that is set is the word to
    publish, "ok" when none is.
    """

    name: str
    unit_code: str
    scale: float = 1.0
    low: float = float("-inf")
    high: float = float("inf")
    is_own: bool = False
    words: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """An entity type. subject: the data model repository whose context defines it."""

    type: str
    subject: str
    attributes: dict[str, Attribute]


# What a node tells of itself, and what is published as something else (rain_tips as precipitation).
HOUSEKEEPING = frozenset(
    "battery solar current samples health sraw_voc sraw_nox rain_tips sound_notes gas_resistance".split()
)
# WasteContainer's status is one word; the gravest goes first.
STATUS = (
    (measurements.EVENT_FIRE, "burning"),
    (measurements.EVENT_KNOCKED_OVER, "dropped"),
    (measurements.EVENT_TILTED, "moved"),
    (measurements.EVENT_LID_OPEN, "lidOpen"),
)
_OWN_NAMES = {
    "pm2_5_min": "pm25Min",
    "pm2_5_max": "pm25Max",
    "pm2_5_deviation": "pm25StandardDeviation",
    "pm2_5": "pm25",
    "lafmax": "LAFmax",
    "lafmin": "LAmin",
    "distance": "distanceToContent",
    "distance_light": "distanceToContentLight",
    "fill_volume": "contentVolume",
}


def own_name(quantity: str) -> str:
    """Return our term for a quantity: levels as acousticians write them, the rest in camel case."""
    if quantity in _OWN_NAMES:
        return _OWN_NAMES[quantity]
    if quantity.startswith("lzeq_"):
        return f"LZeq_{quantity[5:-2]}Hz"
    if quantity[:2] in ("la", "lc", "lz"):
        return quantity[:2].upper() + quantity[2:].replace("smax", "Smax").replace("eq_", "eq")
    first, *others = quantity.split("_")
    return first + "".join(word.capitalize() for word in others)


def _model(type_name: str, subject: str, official: dict[str, Attribute]) -> Model:
    own = {
        quantity: Attribute(own_name(quantity), unit(unit_name).unece, is_own=True)
        for quantity, unit_name in quantity_units().items()
        if quantity not in official and quantity not in HOUSEKEEPING and quantity != "events"
    }
    return Model(type_name, subject, official | own)


_TEMPERATURE = Attribute("temperature", "CEL")
_HUMIDITY = Attribute("relativeHumidity", "C62", 0.01, 0.0, 1.0)
_AIR = {
    "pm1": Attribute("pm1", "GQ"),
    "pm2_5": Attribute("pm25", "GQ", low=0.0),
    "pm4": Attribute("pm4", "GQ", low=0.0),
    "pm10": Attribute("pm10", "GQ", low=0.0),
    "temperature": _TEMPERATURE,
    "relative_humidity": _HUMIDITY,
    "pressure": Attribute("pressure", "A97", low=0.0),
    "precipitation": Attribute("precipitation", "MMT", low=0.0),
    "co2": Attribute("co2", "59", low=0.0),
}

MODELS: dict[str, Model] = {
    "air": _model("AirQualityObserved", "Environment", _AIR),
    "noise": _model(
        "NoiseLevelObserved",
        "Environment",
        # The same repository: air measured beside the microphone has its usual names.
        {"laeq": Attribute("LAeq", "2N"), "lafmax": Attribute("LAmax", "2N"), **_AIR},
    ),
    "bin": _model(
        "WasteContainer",
        "WasteManagement",
        {
            "filling_level": Attribute("fillingLevel", "C62", 0.01, 0.0, 1.0),
            "temperature": _TEMPERATURE,
            "events": Attribute("status", "", words=STATUS),
        },
    ),
    "garden": _model(
        "WeatherObserved",
        "Weather",
        {
            "temperature": _TEMPERATURE,
            "relative_humidity": _HUMIDITY,
            "precipitation": Attribute("precipitation", "MMT", low=0.0),
            "pressure": Attribute("atmosphericPressure", "A97", low=0.0),
            "dew_point": Attribute("dewPoint", "CEL"),
        },
    ),
}

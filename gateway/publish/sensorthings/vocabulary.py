"""What a quantity is called in SensorThings: observed property, unit of measurement, data streams.

Definitions are the CF standard names (vocab.nerc.ac.uk) where there is one that fits, else a name of our own
under `urn:x-meetnet:def:`. A corrected series and its raw twin are two Datastreams.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.model import PublicObservation
from gateway.units import unit

OM_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_CF = "http://vocab.nerc.ac.uk/standard_name/"
_OWN = "urn:x-meetnet:def:"

# quantity: (name, definition, description)
_PROPERTIES: dict[str, tuple[str, str, str]] = {
    "pm1": (
        "PM1",
        _CF + "mass_concentration_of_pm1_ambient_aerosol_particles_in_air/",
        "Particles up to 1 um",
    ),
    "pm2_5": (
        "PM2.5",
        _CF + "mass_concentration_of_pm2p5_ambient_aerosol_particles_in_air/",
        "Particles up to 2.5 um",
    ),
    "pm4": ("PM4", _OWN + "pm4", "Particles up to 4 um"),
    "pm10": (
        "PM10",
        _CF + "mass_concentration_of_pm10_ambient_aerosol_particles_in_air/",
        "Particles up to 10 um",
    ),
    "temperature": ("Air temperature", _CF + "air_temperature/", "Temperature of the air"),
    "relative_humidity": ("Relative humidity", _CF + "relative_humidity/", "Relative humidity of the air"),
    "pressure": ("Air pressure", _CF + "air_pressure/", "Air pressure at the sensor itself"),
    "laeq": ("LAeq", _OWN + "laeq", "Equivalent continuous A-weighted sound level (IEC 61672-1)"),
    "lafmax": ("LAFmax", _OWN + "lafmax", "Highest A-weighted sound level, time weighting fast"),
    "lafmin": ("LAFmin", _OWN + "lafmin", "Lowest A-weighted sound level, time weighting fast"),
    "la10": ("LA10", _OWN + "la10", "A-weighted sound level exceeded for 10 % of the time"),
    "la50": ("LA50", _OWN + "la50", "A-weighted sound level exceeded for 50 % of the time"),
    "la90": ("LA90", _OWN + "la90", "A-weighted sound level exceeded for 90 % of the time"),
    "lceq": ("LCeq", _OWN + "lceq", "Equivalent continuous C-weighted sound level"),
    "la1": ("LA1", _OWN + "la1", "A-weighted sound level exceeded for 1 % of the time"),
    "la95": ("LA95", _OWN + "la95", "A-weighted sound level exceeded for 95 % of the time"),
    "la99": ("LA99", _OWN + "la99", "A-weighted sound level exceeded for 99 % of the time"),
    "lasmax": ("LASmax", _OWN + "lasmax", "Highest A-weighted sound level, time weighting slow"),
    "lzeq": ("LZeq", _OWN + "lzeq", "Equivalent continuous sound level without weighting"),
    "laeq_1s": ("LAeq,1s", _OWN + "laeq_1s", "A-weighted sound level of one second"),
    "lcpeak": ("LCpeak", _OWN + "lcpeak", "C-weighted peak sound level"),
    "filling_level": ("Filling level", _OWN + "filling_level", "Share of a bin that is full"),
    "distance": ("Distance to content", _OWN + "distance", "From the sensor down to what lies in the bin"),
    "precipitation": (
        "Precipitation",
        _CF + "lwe_thickness_of_precipitation_amount/",
        "Rain since the last value",
    ),
    "co2": ("CO2", _CF + "mole_fraction_of_carbon_dioxide_in_air/", "Carbon dioxide in the air"),
    "soil_temperature": ("Soil temperature", _CF + "soil_temperature/", "Temperature of the soil"),
}  # fmt: skip


class Stream(NamedTuple):
    """A series as a Datastream: of a site, a quantity, and either what is shown or what was measured."""

    site_id: str
    quantity: str
    is_raw: bool

    @property
    def key(self) -> str:
        """Return a stable name within the network."""
        return f"{self.site_id}/{self.quantity}" + ("/raw" if self.is_raw else "")


def observed_property(quantity: str) -> dict[str, Any]:
    """Return name, definition and description of a quantity."""
    name, definition, description = _PROPERTIES.get(quantity) or (
        quantity.replace("_", " "), _OWN + quantity, f"Quantity {quantity} of the measurement table",
    )  # fmt: skip
    return {"name": name, "definition": definition, "description": description}


def unit_of_measurement(name: str) -> dict[str, str]:
    """Return a unit as SensorThings writes it; the definition is the UCUM code."""
    found = unit(name)
    return {"name": found.name, "symbol": found.symbol or "1", "definition": f"ucum:{found.ucum}"}


def results(row: PublicObservation) -> list[tuple[Stream, float]]:
    """Return an observation as results of its Datastreams; none where there is no value."""
    found: list[tuple[Stream, float]] = []
    if row.value is not None:
        found.append((Stream(row.site_id, row.quantity, False), row.value))
    if row.method != "none" and row.raw_value is not None:
        found.append((Stream(row.site_id, row.quantity, True), row.raw_value))
    return found


def quality(row: PublicObservation) -> dict[str, str]:
    """Return what a value is worth: flags and sensor states that weaken it make it doubtful.

    An object, as DQ_Element is one: django-ogc-sensorthings takes a bare word and then cannot read it back.
    """
    return {"quality": "doubtful" if row.flags or row.state != "ok" else "good"}


def parameters(row: PublicObservation, is_raw: bool) -> dict[str, Any]:
    """Return how a value came about."""
    return {
        "method": "none" if is_raw else row.method,
        "methodVersion": 0 if is_raw else row.method_version,
        "sensorState": row.state,
        "flags": list(row.flags),
    }

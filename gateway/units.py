"""Units: the measurement table's ASCII names, and what the world calls them.

UCUM: the Unified Code for Units of Measure. UN/CEFACT: Recommendation 20 common codes, which NGSI-LD
writes as `unitCode`. The pairs follow QUDT's vocabulary (qudt.org, units with both codes). There is no
UN/CEFACT code for dB(A): the code is plain decibel and the weighting stands in the attribute's name.
Symbols for people use the micro sign U+00B5, as Home Assistant does; QUDT prints Greek mu instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. `name` is the measurement table's, `symbol` is for people ("" where none is written)."""

    name: str
    ucum: str
    unece: str
    symbol: str


_ROWS = (
    Unit("ug/m3", "ug/m3", "GQ", "µg/m³"),
    Unit("Cel", "Cel", "CEL", "°C"),
    Unit("%", "%", "P1", "%"),
    Unit("dB(A)", "dB", "2N", "dB(A)"),
    Unit("dB(C)", "dB", "2N", "dB(C)"),
    Unit("dB", "dB", "2N", "dB"),
    Unit("mm", "mm", "MMT", "mm"),
    Unit("mm/h", "mm/h", "H67", "mm/h"),
    Unit("mV", "mV", "2Z", "mV"),
    Unit("mA", "mA", "4K", "mA"),
    Unit("hPa", "hPa", "A97", "hPa"),
    Unit("ppm", "[ppm]", "59", "ppm"),
    Unit("deg", "deg", "DD", "°"),
    Unit("L", "L", "LTR", "L"),
    Unit("Ohm", "Ohm", "OHM", "Ω"),
    Unit("1", "1", "C62", ""),
)

UNITS: dict[str, Unit] = {unit.name: unit for unit in _ROWS}


def unit(name: str) -> Unit:
    """Return the unit of a name; an unknown name is shown as it is, without codes."""
    return UNITS.get(name) or Unit(name, name, "", name)

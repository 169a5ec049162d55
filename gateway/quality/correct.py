"""Which correction a value gets, and the value after it. The raw value always stays beside it.

A device's own correction (a co-location, say) goes before the method that a quantity has by default. Every
method is a row with name, version, parameters and the time from which it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from gateway.errors import QualityError
from gateway.model import Reading, Readings
from gateway.quality import particulate
from gateway.quality.table import ALWAYS_MS, FOREVER_MS, Method

HUMIDITY = "relative_humidity"
FOG = "fog"

_FINE = ("pm1", "pm2_5")
_PARAMETERS = MappingProxyType({"kappa_fine": 0.22, "kappa_coarse": 0.09})
_KOEHLER_TEXT = (
    "dry mass by kappa-Köhler with the humidity of the same record: pm / (1 + kappa/1.65 / (1/a_w - 1)); "
    "what is above 2.5 µm with kappa_coarse. The kappas are the middle of those fitted to low-cost sensors, "
    "0.15 to 0.29 and 0.05 to 0.13 (AMT 17, 6073). At 95 % humidity and above the factor of 95 % is used "
    "and the value is flagged `fog`. Not corrected where the record has no good humidity."
)
# PM4 is between the two fractions that kappas were fitted to, and no reference measures it: it stays raw.
KOEHLER: tuple[Method, ...] = tuple(
    Method("kappa_koehler", 1, quantity, "ug/m3", needs, _KOEHLER_TEXT, _PARAMETERS)
    for quantity, needs in (
        ("pm1", ("pm1", HUMIDITY)),
        ("pm2_5", ("pm2_5", HUMIDITY)),
        ("pm10", ("pm10", "pm2_5", HUMIDITY)),
    )
)


@dataclass(frozen=True, slots=True)
class Default:
    """The method that a quantity gets where its device has none of its own, for observed times [from, to)."""

    method: Method
    from_ms: int = ALWAYS_MS
    to_ms: int = FOREVER_MS


DEFAULTS: tuple[Default, ...] = tuple(Default(method) for method in KOEHLER)


class Assigned(Protocol):
    """A correction on record for a device (gateway.registry.Correction is one)."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, float]: ...  # noqa: D102


# (dev_eui, quantity, observed_at_ms) -> what is on record for it, or None
Corrections = Callable[[str, str, int], Assigned | None]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A value after a correction."""

    value: float
    method: str
    version: int


Formula = Callable[[float, Mapping[str, float], Mapping[str, float]], float | None]


def _koehler(value: float, inputs: Mapping[str, float], parameters: Mapping[str, float]) -> float | None:
    rh = inputs.get(HUMIDITY)
    return None if rh is None else particulate.koehler_fine(value, rh, parameters["kappa_fine"])


def _koehler_10(value: float, inputs: Mapping[str, float], parameters: Mapping[str, float]) -> float | None:
    rh, fine = inputs.get(HUMIDITY), inputs.get("pm2_5")
    if rh is None or fine is None:
        return None
    kappas = parameters["kappa_fine"], parameters["kappa_coarse"]
    return particulate.koehler_coarse(value, fine, rh, *kappas)


def _linear(value: float, inputs: Mapping[str, float], parameters: Mapping[str, float]) -> float | None:
    per_rh = parameters.get("per_rh", 0.0)
    rh = inputs.get(HUMIDITY, 0.0 if per_rh == 0 else None)
    if rh is None:
        return None
    return particulate.linear(value, rh, parameters["slope"], per_rh, parameters["intercept"])


def _offset(value: float, _: Mapping[str, float], parameters: Mapping[str, float]) -> float | None:
    return parameters["slope"] * value + parameters["intercept"]


def _epa(value: float, inputs: Mapping[str, float], _: Mapping[str, float]) -> float | None:
    rh = inputs.get(HUMIDITY)
    return None if rh is None else particulate.epa_extended(value, rh)


@dataclass(frozen=True, slots=True)
class Assignable:
    """A method that can be put on record for a device: its quantities and the parameters it takes.

    Each parameter has the smallest and largest value that makes sense, and whether it must be given.
    """

    name: str
    version: int
    quantities: tuple[str, ...]
    parameters: Mapping[str, tuple[float, float, bool]]
    text: str


PM = ("pm1", "pm2_5", "pm4", "pm10")
ASSIGNABLE: tuple[Assignable, ...] = (
    Assignable("none", 0, (*PM, "temperature", HUMIDITY, "no2", "o3", "co2"), {}, "the raw value is shown"),
    Assignable(
        "linear_rh",
        1,
        PM,
        {"slope": (0.01, 100, True), "per_rh": (-10, 10, False), "intercept": (-1000, 1000, True)},
        "slope * raw + per_rh * relative humidity + intercept, never below zero; from a co-location",
    ),
    Assignable(
        "linear",
        1,
        ("temperature", HUMIDITY, "no2", "o3", "co2"),
        {"slope": (0.01, 100, True), "intercept": (-1000, 1000, True)},
        "slope * raw + intercept; from a co-location",
    ),
    Assignable(
        "epa_extended",
        1,
        ("pm2_5",),
        {},
        "US EPA for Plantower sensors (PMS5003, PMS7003) with its smoke ranges",
    ),
    Assignable(
        "kappa_koehler",
        1,
        ("pm1", "pm2_5", "pm10"),
        {"kappa_fine": (0.0, 1.4, True), "kappa_coarse": (0.0, 1.4, True)},
        "kappa-Köhler with kappas of this place",
    ),
)
_FORMULAS: Mapping[tuple[str, int], Formula] = {
    ("linear_rh", 1): _linear,
    ("linear", 1): _offset,
    ("epa_extended", 1): _epa,
    ("kappa_koehler", 1): _koehler,
}
_DEFAULTS_OF: dict[str, tuple[Default, ...]] = {
    name: tuple(default for default in DEFAULTS if default.method.quantity == name)
    for name in {default.method.quantity for default in DEFAULTS}
}
_MAY_BE = frozenset(quantity for row in ASSIGNABLE for quantity in row.quantities)


def assignment(name: str, quantity: str, parameters: Mapping[str, float]) -> int:
    """Return the version of a method that may be put on record with these parameters; raise QualityError."""
    row = next((row for row in ASSIGNABLE if row.name == name), None)
    if row is None:
        names = ", ".join(row.name for row in ASSIGNABLE)
        raise QualityError("method", f"{name!r} cannot be put on record; allowed: {names}")
    if quantity not in row.quantities:
        raise QualityError(
            "quantity", f"{name} does not suit {quantity!r}; it suits {', '.join(row.quantities)}"
        )
    for key in parameters:
        if key not in row.parameters:
            raise QualityError(key, f"{name} takes {', '.join(row.parameters) or 'no parameters'}")
    for key, (low, high, needed) in row.parameters.items():
        if key not in parameters:
            if needed:
                raise QualityError(key, f"{name} needs it, {low:g} to {high:g}")
        elif not low <= parameters[key] <= high:
            raise QualityError(key, f"{parameters[key]:g} is not within {low:g} to {high:g}")
    return row.version


def no_corrections(dev_eui: str, quantity: str, observed_at_ms: int) -> None:
    """Stand for a registry in which no device has a correction of its own."""


def inputs_of(readings: Readings, is_good: Sequence[bool]) -> dict[str, float]:
    """Return the values of a record that a correction may lean on: those that nothing speaks against."""
    return {
        reading.quantity: reading.value
        for reading, good in zip(readings, is_good, strict=True)
        if good and reading.value is not None and reading.state == "ok"
    }


def correct(
    dev_eui: str,
    reading: Reading,
    observed_at_ms: int,
    inputs: Mapping[str, float],
    corrections: Corrections,
) -> Corrected | None:
    """Return the value after the correction that holds for it, or None where it is shown as it is."""
    quantity, value = reading.quantity, reading.value
    if value is None or quantity not in _MAY_BE:
        return None
    own = corrections(dev_eui, quantity, observed_at_ms)
    if own is not None:
        return _apply(own.method, own.version, own.parameters, quantity, value, inputs)
    for default in _DEFAULTS_OF.get(quantity, ()):
        if default.from_ms <= observed_at_ms < default.to_ms:
            method = default.method
            return _apply(method.name, method.version, method.parameters, quantity, value, inputs)
    return None


def _apply(
    name: str,
    version: int,
    parameters: Mapping[str, float],
    quantity: str,
    value: float,
    inputs: Mapping[str, float],
) -> Corrected | None:
    formula = _FORMULAS.get((name, version))
    if formula is _koehler and quantity not in _FINE:
        formula = _koehler_10
    found = None if formula is None else formula(value, inputs, parameters)
    return None if found is None else Corrected(round(found, 2), name, version)

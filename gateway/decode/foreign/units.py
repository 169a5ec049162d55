"""Units of strangers to the measurement table's: which may stand for which, by factor and offset.

value in ours = value in theirs * factor + offset. Names are those of SenML's registry (RFC 8428 section 12.1,
RFC 8798) and what manuals write. A unit that is in no row of a quantity's is wrong, and is named.
"""

from __future__ import annotations

from typing import cast

from gateway.errors import GatewayError
from wire import measurements

# ours: {theirs: (factor, offset)}
_SAME = {
    "Cel": {"C": (1, 0), "degC": (1, 0), "°C": (1, 0), "K": (1, -273.15), "degF": (5 / 9, -160 / 9)},
    "%": {"%RH": (1, 0), "/100": (1, 0), "/": (100, 0), "/1000": (0.1, 0), "ratio": (100, 0)},
    "hPa": {"mbar": (1, 0), "Pa": (0.01, 0), "kPa": (10, 0), "bar": (1000, 0)},
    "ug/m3": {"µg/m³": (1, 0), "mg/m3": (1000, 0), "kg/m3": (1e9, 0)},
    "mV": {"V": (1000, 0)},
    "mA": {"A": (1000, 0), "uA": (0.001, 0)},
    "mm": {"cm": (10, 0), "m": (1000, 0)},
    "dB(A)": {"dBA": (1, 0), "dB": (1, 0)},  # the weighting is said by the quantity
    "dB(C)": {"dBC": (1, 0), "dB": (1, 0)},
    "L": {"l": (1, 0), "m3": (1000, 0)},
    "deg": {"rad": (57.29577951308232, 0)},
    "ppm": {"/1000000": (1, 0)},
    "Ohm": {"kOhm": (1000, 0)},
    "1": {"": (1, 0), "count": (1, 0)},
}


class UnitError(GatewayError):
    """A quantity that is not in the measurement table, or a unit that is none of its."""


def row_of(quantity: str) -> tuple[int, str, str, int, int, int]:
    """Return the row of a quantity; raise UnitError naming near ones."""
    row = cast("tuple[int, str, str, int, int, int] | None", measurements.by_name(quantity))
    if row is None:
        raise UnitError(
            f"quantity {quantity[:40]!r} is not in the measurement table (firmware/wire/measurements.py): "
            f"take one of {', '.join(names())}"
        )
    return row


def names() -> list[str]:
    """Return all quantities of the table but the third octaves."""
    return [row[1] for row in measurements.MEASUREMENTS]


def units_of(quantity: str) -> list[str]:
    """Return the units in which a quantity may be given, ours first."""
    unit = row_of(quantity)[2]
    return [unit, *(name for name in _SAME.get(unit, {}) if name)]


def conversion(quantity: str, unit: str) -> tuple[float, float]:
    """Return (factor, offset) from a unit to the table's; raise UnitError naming what is allowed."""
    ours = row_of(quantity)[2]
    if unit == ours:
        return 1, 0
    found = _SAME.get(ours, {}).get(unit)
    if found is None:
        raise UnitError(
            f"unit {unit[:20]!r} is none of {quantity}, which is kept in {ours!r}: "
            f"give {' or '.join(units_of(quantity))}"
        )
    return found

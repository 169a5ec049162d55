"""The checks and methods, one row each. Raw values are never touched: a check adds its name as a flag.

A change of parameters is a new row with a higher version and a validity that begins where the old one
ends, so that an old value can always be explained by the row that judged it. The sensor's own word (warm-up,
overload, worn fan, ...) is the reading's state and stands beside the flags, not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ALWAYS_MS = -(2**62)
FOREVER_MS = 2**62
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one quantity. `name` is the flag it raises; valid for observed times in [from, to)."""

    name: str
    version: int
    quantity: str
    parameters: Mapping[str, float]
    source: str
    valid_from_ms: int = ALWAYS_MS
    valid_to_ms: int = FOREVER_MS


@dataclass(frozen=True, slots=True)
class Method:
    """How a derived quantity comes about. `name` and `version` stand beside every value it made."""

    name: str
    version: int
    quantity: str
    unit: str
    inputs: tuple[str, ...]
    text: str
    parameters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


RANGE, STEP, STUCK, ORDER = "range", "step", "stuck", "order"
FUTURE, TIME_UNSET, GEOMETRY, COUNTER_RESET = "future", "time_unset", "geometry", "counter_reset"

_SC_MAP = "plausibility limits of the sensor.community map"
_METOBS = "MetObs toolkit defaults (made for the VLINDER network, Ghent)"
_OWN = "own proposal, to be judged by false-alarm rates"


def _range(quantity: str, low: float, high: float, source: str) -> Check:
    return Check(RANGE, 1, quantity, MappingProxyType({"low": low, "high": high}), source)


def _stuck(
    quantity: str,
    tolerance: float,
    records: int,
    hours: float,
    source: str,
    rest_below: float = -1e9,
    rest_above: float = 1e9,
) -> Check:
    """Return a check; a series may rest at or beyond rest_below and rest_above, the ends of its scale."""
    parameters = {
        "tolerance": tolerance,
        "records": records,
        "window_ms": hours * HOUR_MS,
        "rest_below": rest_below,
        "rest_above": rest_above,
    }
    return Check(STUCK, 1, quantity, MappingProxyType(parameters), source)


def _step(quantity: str, up_per_h: float, down_per_h: float, allowance: float, source: str) -> Check:
    parameters = {"up_per_h": up_per_h, "down_per_h": down_per_h, "allowance": allowance}
    return Check(STEP, 1, quantity, MappingProxyType(parameters), source)


CHECKS: tuple[Check, ...] = (
    _range("pm1", 0, 900, _SC_MAP),
    _range("pm2_5", 0, 900, _SC_MAP),
    _range("pm4", 0, 1900, _SC_MAP),
    _range("pm10", 0, 1900, _SC_MAP),
    _range("temperature", -50, 70, _SC_MAP),
    _range("relative_humidity", 0, 100, _SC_MAP),
    *(_range(level, 25, 130, _OWN) for level in ("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq")),
    *(_range(level, 25, 130, _OWN) for level in ("la1", "la95", "la99", "lasmax", "lzeq", "laeq_1s")),
    _range("lcpeak", 25, 150, _OWN),
    _range("distance", 30, 4500, "A02YYUW datasheet: 30 to 4500 mm"),
    _range("battery", 2000, 6000, _OWN),
    _range("filling_level", 0, 100, "definition"),
    # More than `records` records in at least the window whose values differ by no more than the tolerance.
    _stuck("temperature", 0.0, 5, 1, _METOBS),
    # Humidity sensors rest at their ceiling through a wet night: 99.9 % in 23 % of a recording of three
    # sensors that follow the reference otherwise (sensortoolkit, Burdens Creek 2019).
    _stuck("relative_humidity", 0.0, 5, 2, _OWN, rest_above=99.0),
    _stuck("pm2_5", 0.0, 24, 6, _OWN, rest_below=0.1),
    _stuck("pm10", 0.0, 24, 6, _OWN, rest_below=0.1),
    _stuck("laeq", 0.3, 6, 6, _OWN),
    # The allowance lets sensor noise pass where two records are close together in time.
    _step("temperature", 8, 10, 2.0, _METOBS + "; allowance: " + _OWN),
    _step("relative_humidity", 60, 60, 20.0, _OWN),
)

# In one record, each quantity may not be above the next.
ORDERS: tuple[tuple[str, ...], ...] = (
    ("pm1", "pm2_5", "pm4", "pm10"),
    ("lafmin", "laeq", "lafmax"),
    ("la99", "la95", "la90", "la50", "la10", "la1"),
)
ORDER_TOLERANCE = 0.05  # half a step of these quantities on the wire

FUTURE_TOLERANCE_MS = 120_000

# Flags that a record raises on its own sound levels: bits of sound_notes (wire.measurements).
SOUND_FLAGS: tuple[tuple[int, str], ...] = ((1, "wind"), (2, "rain"), (4, "clock_drift"))

FILLING_LEVEL = Method(
    "bin_geometry",
    1,
    "filling_level",
    "%",
    ("distance",),
    "100 * (empty_mm - distance) / (empty_mm - full_mm), clamped to 0..100; flagged `geometry` when more "
    "than `slack_percent` outside. The distance counts with the speed of sound that the sensor itself "
    "assumes (A02YYUW: compensated by its own thermistor): 0.17 % a kelvin if that is off.",
    MappingProxyType({"slack_percent": 10.0}),
)
PRECIPITATION = Method(
    "tip_difference",
    1,
    "precipitation",
    "mm",
    ("rain_tips",),
    "(tips - tips of the newest record before) * rain_mm_per_tip, over the time between the two; the 16-bit "
    "counter wraps. No value for a first record, for one that comes late (the next one already counted it), "
    "and flagged `counter_reset` without value when the difference means more than `most_mm_per_h`.",
    MappingProxyType({"most_mm_per_h": 300.0, "wrap": 65536}),
)
METHODS: tuple[Method, ...] = (FILLING_LEVEL, PRECIPITATION)


def checks_of(quantity: str) -> tuple[Check, ...]:
    """Return the checks of a quantity, of all validities."""
    return _BY_QUANTITY.get(quantity, ())


_BY_QUANTITY: dict[str, tuple[Check, ...]] = {
    quantity: tuple(check for check in CHECKS if check.quantity == quantity)
    for quantity in {check.quantity for check in CHECKS}
}

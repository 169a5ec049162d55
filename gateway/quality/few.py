"""The checks and default corrections of a few records, number by number.

The same as `checks` and `defaults` give for many at once: for four records arrays cost five times as much as
what is done with them. tests/gateway/quality/test_few.py holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.quality import table
from gateway.quality.checks import ORDER_BIT, RANGE_BIT, STEP_BIT, STUCK_BIT
from gateway.quality.defaults import COARSE, Defaults
from gateway.quality.memory import COLUMN, TOLERANCE, Floats
from gateway.quality.particulate import FOG_RH_PERCENT, PARTICLE_DENSITY
from gateway.shapes import Head, Value

MOST = 12  # records of a head: for more, arrays are quicker
_SLACK = 1e-9
_Limits = tuple[int, float, float, int, int]  # column of the head, low, high, valid from, valid to


class Few:
    """The checks of one head. flags: of its values, bit by bit as in `checks.NAMES`."""

    def __init__(self, head: Head, defaults: Defaults) -> None:
        self._width = len(head)
        self._defaults = defaults
        self._ranges: list[_Limits] = []
        self._moved: list[tuple[int, int, float, list[table.Check], list[table.Check]]] = []
        for at, quantity in enumerate(head.quantities):
            checks = table.checks_of(quantity)
            for check in checks:
                if check.name == table.RANGE:
                    low, high = check.parameters["low"], check.parameters["high"]
                    self._ranges.append((at, low, high, check.valid_from_ms, check.valid_to_ms))
            if quantity in COLUMN:
                column = COLUMN[quantity]
                stuck = [check for check in checks if check.name == table.STUCK]
                steps = [check for check in checks if check.name == table.STEP]
                self._moved.append((at, column, float(TOLERANCE[column]), stuck, steps))
        places = {quantity: at for at, quantity in enumerate(head.quantities)}
        orders = [[places[name] for name in names if name in places] for names in table.ORDERS]
        self._orders = [order for order in orders if len(order) > 1]

    def flags(self, series: Floats, row: int, values: Sequence[Value], at_ms: int) -> bytes:
        """Return the flags of the values of a record, and remember them in its row of the series."""
        found = bytearray(self._width)
        for at, low, high, from_ms, to_ms in self._ranges:
            value = values[at]
            if value is not None and not low <= value <= high and from_ms <= at_ms < to_ms:
                found[at] |= RANGE_BIT
        if self._moved:
            self._remember(found, series, row, values, at_ms)
        for order in self._orders:
            present = [at for at in order if values[at] is not None]
            for lower, upper in pairwise(present):
                if values[lower] > values[upper] + table.ORDER_TOLERANCE:  # type: ignore[operator]
                    found[lower] |= ORDER_BIT
                    found[upper] |= ORDER_BIT
        return bytes(found)

    def _remember(
        self, found: bytearray, series: Floats, row: int, values: Sequence[Value], at_ms: int
    ) -> None:
        before: list[list[float]] = series[row].tolist()
        fields = before.copy()
        moment = float(at_ms)
        for at, column, tolerance, stuck, steps in self._moved:
            value = values[at]
            newest_ms, newest, run_from_ms, run_records, run_low, run_high = before[column]
            is_first = newest_ms != newest_ms
            if value is None or not (is_first or moment > newest_ms):
                fields[column] = before[column]  # a quantity may stand twice in a record: the last one counts
                continue
            low = value if not run_low <= value else run_low
            high = value if not run_high >= value else run_high
            if is_first or high - low > tolerance + _SLACK:
                run_from_ms, run_records, low, high = moment, 1.0, value, value
            else:
                run_records += 1
            fields[column] = [moment, value, run_from_ms, run_records, low, high]
            for check in stuck:
                p = check.parameters
                if (
                    run_records > p["records"]
                    and moment - run_from_ms >= p["window_ms"]
                    and p["rest_below"] < value < p["rest_above"]
                    and check.valid_from_ms <= at_ms < check.valid_to_ms
                ):
                    found[at] |= STUCK_BIT
            if is_first:
                continue
            for check in steps:
                p = check.parameters
                change = value - newest
                rate = p["up_per_h"] if change > 0 else p["down_per_h"]
                most = max(p["allowance"], rate * ((moment - newest_ms) / table.HOUR_MS))
                if abs(change) > most and check.valid_from_ms <= at_ms < check.valid_to_ms:
                    found[at] |= STEP_BIT
        series[row] = fields

    def is_foggy(self, values: Sequence[Value], is_good: Sequence[bool]) -> bool:
        """Tell whether the air is too damp to correct for."""
        at = self._defaults.humidity
        return at is not None and is_good[at] and values[at] >= FOG_RH_PERCENT  # type: ignore[operator]

    def better(self, values: Sequence[Value], is_good: Sequence[bool]) -> list[float | None]:
        """Return what is shown of each of `Defaults.columns`, None where it is not corrected."""
        defaults = self._defaults
        at = defaults.humidity
        if at is None:
            return []
        humidity = values[at]
        if humidity is None or not is_good[at]:
            return [None] * len(defaults.columns)
        activity = min(max(humidity, 0.0), FOG_RH_PERCENT) / 100
        found: list[float | None] = []
        for column, method in defaults.columns:
            raw, p = values[column], method.parameters
            if raw is None:
                found.append(None)
            elif method.quantity == COARSE:
                assert defaults.fine is not None
                fine = values[defaults.fine]
                if fine is None or not is_good[defaults.fine]:
                    found.append(None)
                    continue
                fine = min(fine, raw)
                corrected = fine / _growth(p["kappa_fine"], activity)
                corrected = corrected + (raw - fine) / _growth(p["kappa_coarse"], activity)
                found.append(round(corrected, 2))
            else:
                found.append(round(raw / _growth(p["kappa_fine"], activity), 2))
        return found


def _growth(kappa: float, activity: float) -> float:
    return 1 + kappa / PARTICLE_DENSITY * activity / (1 - activity)

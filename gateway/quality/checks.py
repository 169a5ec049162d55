"""The rows of the table as arrays for one head: which check holds which column of a matrix of values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gateway.quality import table
from gateway.quality.memory import (
    COLUMN,
    NEWEST,
    NEWEST_MS,
    RUN_FROM_MS,
    RUN_RECORDS,
    Floats,
    push,
)
from gateway.shapes import Head

# Flags of a value, in the order in which they are named: the bits of `flags`.
NAMES = (table.RANGE, table.STUCK, table.STEP, table.ORDER)
RANGE_BIT, STUCK_BIT, STEP_BIT, ORDER_BIT = 1, 2, 4, 8


class _Layer:
    """One check of a kind for each column at most; NaN parameters where there is none."""

    def __init__(self, name: str, rows: dict[int, table.Check], width: int) -> None:
        self.name = name
        names = sorted({key for check in rows.values() for key in check.parameters})
        self.from_ms = np.full(width, np.inf)
        self.to_ms = np.full(width, -np.inf)
        self.p = {key: np.full(width, np.nan) for key in names}
        for column, check in rows.items():
            self.from_ms[column], self.to_ms[column] = check.valid_from_ms, check.valid_to_ms
            for key, value in check.parameters.items():
                self.p[key][column] = value
        self._always = all(
            check.valid_from_ms == table.ALWAYS_MS and check.valid_to_ms == table.FOREVER_MS
            for check in rows.values()
        )
        self._there = np.isfinite(self.from_ms)

    def holds(self, at_ms: Floats) -> NDArray[np.bool_]:
        """Tell where the check is valid, by record and column."""
        if self._always:
            return self._there[None, :]
        return (self.from_ms <= at_ms[:, None]) & (at_ms[:, None] < self.to_ms)


def _layers(name: str, quantities: tuple[str, ...]) -> list[_Layer]:
    stacks = [[c for c in table.checks_of(quantity) if c.name == name] for quantity in quantities]
    deepest = max((len(stack) for stack in stacks), default=0)
    return [
        _Layer(name, {at: stack[n] for at, stack in enumerate(stacks) if n < len(stack)}, len(quantities))
        for n in range(deepest)
    ]


class Checks:
    """The checks of one head. `values` of its methods: a row a record, a column a reading, NaN for none."""

    def __init__(self, head: Head) -> None:
        self._ranges = _layers(table.RANGE, head.quantities)
        places_in = [at for at, quantity in enumerate(head.quantities) if quantity in COLUMN]
        self._at = np.array(places_in, np.int64)
        remembered = tuple(head.quantities[at] for at in places_in)
        self._columns = np.array([COLUMN[quantity] for quantity in remembered], np.int64)
        self._stuck = _layers(table.STUCK, remembered)
        self._steps = _layers(table.STEP, remembered)
        places = {quantity: at for at, quantity in enumerate(head.quantities)}
        self._orders = [
            [places[name] for name in names if name in places]
            for names in table.ORDERS
            if sum(name in places for name in names) > 1
        ]

    def flags(
        self, series: Floats, rows: NDArray[np.int64], values: Floats, at_ms: Floats
    ) -> NDArray[np.uint8]:
        """Return the flags of each value, and remember the values. Each record is of another site."""
        found = np.zeros(values.shape, np.uint8)
        for layer in self._ranges:
            beyond = (values < layer.p["low"]) | (values > layer.p["high"])
            found[beyond & layer.holds(at_ms)] |= RANGE_BIT
        if len(self._at):
            found[:, self._at] |= self._moved(series, rows, values[:, self._at], at_ms)
        for places in self._orders:
            _order(found, values, places)
        return found

    def _moved(
        self, series: Floats, rows: NDArray[np.int64], values: Floats, at_ms: Floats
    ) -> NDArray[np.uint8]:
        before, after, taken = push(series, rows, self._columns, values, at_ms)
        found = np.zeros(values.shape, np.uint8)
        for layer in self._stuck:
            p = layer.p
            rests = (
                (after[..., RUN_RECORDS] > p["records"])
                & (at_ms[:, None] - after[..., RUN_FROM_MS] >= p["window_ms"])
                & (p["rest_below"] < values)
                & (values < p["rest_above"])
            )
            found[rests & taken & layer.holds(at_ms)] |= STUCK_BIT
        for layer in self._steps:
            p = layer.p
            change = values - before[..., NEWEST]
            rate = np.where(change > 0, p["up_per_h"], p["down_per_h"])
            hours = (at_ms[:, None] - before[..., NEWEST_MS]) / table.HOUR_MS
            jumps = np.abs(change) > np.fmax(p["allowance"], rate * hours)
            found[jumps & taken & layer.holds(at_ms)] |= STEP_BIT
        return found


def _order(found: NDArray[np.uint8], values: Floats, places: list[int]) -> None:
    """Flag both of two values that contradict one another; what is absent is passed over."""
    if np.isnan(values[:, places]).any():
        for row in range(len(values)):
            present = [at for at in places if values[row, at] == values[row, at]]
            _order_pairs(found[row : row + 1], values[row : row + 1], present)
    else:
        _order_pairs(found, values, places)


def _order_pairs(found: NDArray[np.uint8], values: Floats, places: list[int]) -> None:
    for low, high in pairwise(places):
        wrong = values[:, low] > values[:, high] + table.ORDER_TOLERANCE
        found[wrong, low] |= ORDER_BIT
        found[wrong, high] |= ORDER_BIT

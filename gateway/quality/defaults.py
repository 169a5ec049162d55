"""The corrections that hold where a device has none of its own, for all records of a head at once.

The same formulas as `correct`, on columns instead of numbers: tests/gateway/quality/test_defaults.py holds
the two against each other, value for value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.quality.correct import DEFAULTS, HUMIDITY
from gateway.quality.particulate import FOG_RH_PERCENT, PARTICLE_DENSITY
from gateway.quality.table import ALWAYS_MS, FOREVER_MS, Method
from gateway.shapes import Head

Floats = NDArray[np.float64]
COARSE, _FINE = "pm10", "pm2_5"


class Defaults:
    """The default methods of one head. `columns`: of the readings that have one, with it."""

    def __init__(self, head: Head) -> None:
        is_ok = [state == "ok" for state in head.states]
        places = {quantity: at for at, quantity in enumerate(head.quantities) if is_ok[at]}
        self.humidity = places.get(HUMIDITY)
        self.fine = places.get(_FINE)
        self.columns: list[tuple[int, Method]] = []
        self.is_plain = True  # False: a default that holds for some time only; `correct` knows that
        if self.humidity is None:
            return
        for default in DEFAULTS:
            quantity = default.method.quantity
            if quantity not in head.quantities:
                continue
            self.is_plain &= default.from_ms == ALWAYS_MS and default.to_ms == FOREVER_MS
            if quantity != COARSE or self.fine is not None:
                self.columns.append((head.quantities.index(quantity), default.method))

    def is_foggy(self, values: Floats, is_good: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell in which records the air is too damp to correct for. is_good: in range, by value."""
        if self.humidity is None:
            return np.zeros(len(values), bool)
        return is_good[:, self.humidity] & (values[:, self.humidity] >= FOG_RH_PERCENT)

    def apply(
        self, values: Floats, is_good: NDArray[np.bool_]
    ) -> list[tuple[int, Method, list[float | None]]]:
        """Return (column, method, shown value of each record or None where it is not corrected)."""
        if self.humidity is None:
            return []
        damp = is_good[:, self.humidity]
        activity = np.clip(values[:, self.humidity], 0.0, FOG_RH_PERCENT) / 100
        found: list[tuple[int, Method, list[float | None]]] = []
        for column, method in self.columns:
            raw, p = values[:, column], method.parameters
            corrected = raw / _growth(p["kappa_fine"], activity)
            may = damp & ~np.isnan(raw)
            if method.quantity == COARSE:
                assert self.fine is not None
                fine = np.minimum(values[:, self.fine], raw)
                corrected = fine / _growth(p["kappa_fine"], activity)
                corrected = corrected + (raw - fine) / _growth(p["kappa_coarse"], activity)
                may &= is_good[:, self.fine]
            shown = [
                round(value, 2) if good else None
                for value, good in zip(corrected.tolist(), may.tolist(), strict=True)
            ]
            found.append((column, method, shown))
        return found


def _growth(kappa: float, activity: Floats) -> Floats:
    return 1 + kappa / PARTICLE_DENSITY * activity / (1 - activity)

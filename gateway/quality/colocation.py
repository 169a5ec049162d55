"""What a time beside a reference instrument says of a sensor: a correction, and how sure it is.

The correction is fitted to some of the days and judged on the others, in turn, so that the uncertainty is
that of days the fit has not seen. The uncertainty is the expanded one (k = 2) of the European guide to the
demonstration of equivalence of ambient air monitoring methods (2010, section 9.5.3), at a limit value:

    u² = RSS / (n - 2) - u_ref² + (a + (b - 1) * limit)²,   W = 2 * u / limit

with a and b of an orthogonal regression of the sensor against the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import QualityError

Floats = NDArray[np.float64]
FOLDS = 5
FEWEST_PAIRS = 30
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Objective:
    """A data-quality objective: the largest expanded uncertainty, in percent of the limit value."""

    name: str
    percent: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a quantity is judged, and by which objectives, strictest first. Directive 2008/50/EC, Annex I."""

    limit: float
    unit: str
    objectives: tuple[Objective, ...]
    source: str


_PM = (Objective("indicative measurement", 50), Objective("objective estimation", 100))
_GAS = (Objective("indicative measurement", 25), Objective("objective estimation", 75))
_OZONE = (Objective("indicative measurement", 30), Objective("objective estimation", 75))
LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "pm2_5": Limits(25, "ug/m3", _PM, "2008/50/EC: 25 µg/m³ (year); indicative 50 %, estimation 100 %"),
        "pm10": Limits(50, "ug/m3", _PM, "2008/50/EC: 50 µg/m³ (day); indicative 50 %, estimation 100 %"),
        "no2": Limits(200, "ug/m3", _GAS, "2008/50/EC: 200 µg/m³ (hour); indicative 25 %, estimation 75 %"),
        "o3": Limits(120, "ug/m3", _OZONE, "2008/50/EC: 120 µg/m³ (8 h); indicative 30 %, estimation 75 %"),
    }
)


@dataclass(frozen=True, slots=True)
class Fit:
    """reference = slope * raw + per_rh * humidity + intercept."""

    slope: float
    per_rh: float
    intercept: float

    def apply(self, raw: Floats, rh: Floats | None) -> Floats:
        """Return corrected values, as the correction `linear_rh` would: never below zero."""
        found = self.slope * raw + self.intercept + (0 if rh is None else self.per_rh * rh)
        return np.maximum(found, 0.0)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a series follows a reference. Orthogonal regression: sensor = slope * reference + intercept."""

    pairs: int
    slope: float
    intercept: float
    r_squared: float
    rmse: float
    bias: float
    uncertainty: float
    uncertainty_percent: float


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a co-location. objectives: whether each is met by the corrected values."""

    quantity: str
    unit: str
    limit: float
    days: float
    fit: Fit
    raw: Agreement
    corrected: Agreement
    objectives: Mapping[str, bool]
    source: str
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"objectives": dict(self.objectives)}


def orthogonal(reference: Floats, sensor: Floats) -> tuple[float, float]:
    """Return slope and intercept of sensor against reference, errors in both alike (guide, Annex B)."""
    sxx, syy = float(np.var(reference)), float(np.var(sensor))
    sxy = _covariance(reference, sensor)
    if sxy == 0:
        raise QualityError(
            "sensor", "does not move with the reference at all: check that both are of one place"
        )
    slope = (syy - sxx + math.hypot(syy - sxx, 2 * sxy)) / (2 * sxy)
    return slope, float(sensor.mean() - slope * reference.mean())


def agreement(reference: Floats, sensor: Floats, limit: float, reference_uncertainty: float) -> Agreement:
    """Return how a sensor follows a reference, and its uncertainty at a limit value (same unit)."""
    slope, intercept = orthogonal(reference, sensor)
    rss = float(np.sum((sensor - intercept - slope * reference) ** 2))
    random = max(0.0, rss / (len(reference) - 2) - reference_uncertainty**2)
    uncertainty = 2 * float(np.sqrt(random + (intercept + (slope - 1) * limit) ** 2))
    return Agreement(
        pairs=len(reference),
        slope=slope,
        intercept=intercept,
        r_squared=_correlation(reference, sensor) ** 2,
        rmse=float(np.sqrt(np.mean((sensor - reference) ** 2))),
        bias=float(np.mean(sensor - reference)),
        uncertainty=uncertainty,
        uncertainty_percent=100 * uncertainty / limit,
    )


def _covariance(one: Floats, other: Floats) -> float:
    products: Floats = (one - one.mean()) * (other - other.mean())
    return float(products.mean())


def _correlation(one: Floats, other: Floats) -> float:
    return _covariance(one, other) / (float(np.std(one)) * float(np.std(other)))


def fit(raw: Floats, reference: Floats, rh: Floats | None) -> Fit:
    """Return the least-squares correction of raw values, with a humidity term where there is humidity."""
    ones = np.ones_like(raw)
    columns = [raw, ones] if rh is None else [raw, ones, rh]
    solution = np.linalg.lstsq(np.column_stack(columns), reference, rcond=None)[0]
    return Fit(float(solution[0]), 0.0 if rh is None else float(solution[2]), float(solution[1]))


def report(
    quantity: str,
    times_ms: Sequence[int],
    raw: Sequence[float],
    reference: Sequence[float],
    rh: Sequence[float] | None = None,
    reference_uncertainty: float = 0.0,
) -> Report:
    """Judge a co-location from pairs of hourly (or longer) means.

    times_ms, raw, reference, rh: of the same length; reference_uncertainty: standard uncertainty of the
    reference between two of its kind, in the unit. Raise QualityError naming what is missing.
    """
    limits = LIMITS.get(quantity)
    if limits is None:
        raise QualityError(
            "quantity", f"{quantity!r} has no objective on record; allowed: {', '.join(LIMITS)}"
        )
    times, x, y = (
        np.asarray(times_ms, np.int64),
        np.asarray(raw, np.float64),
        np.asarray(reference, np.float64),
    )
    humidity = None if rh is None else np.asarray(rh, np.float64)
    if len(x) < FEWEST_PAIRS:
        raise QualityError("pairs", f"{len(x)} pairs of good values; at least {FEWEST_PAIRS} are needed")
    for name, series in (("raw", x), ("reference", y)):
        if float(np.ptp(series)) == 0:
            raise QualityError(name, "never changes: nothing can be fitted to it")
    unseen = _held_out(times, lambda train: fit(x[train], y[train], _part(humidity, train)), x, humidity)
    corrected = agreement(y, unseen, limits.limit, reference_uncertainty)
    return Report(
        quantity=quantity,
        unit=limits.unit,
        limit=limits.limit,
        days=float(times.max() - times.min()) / DAY_MS,
        fit=fit(x, y, humidity),
        raw=agreement(y, x, limits.limit, reference_uncertainty),
        corrected=corrected,
        objectives={o.name: corrected.uncertainty_percent <= o.percent for o in limits.objectives},
        source=limits.source,
        remarks=tuple(_remarks(times, y, humidity, limits.limit)),
    )


def _part(values: Floats | None, chosen: NDArray[np.bool_]) -> Floats | None:
    return None if values is None else values[chosen]


def _held_out(
    times: NDArray[np.int64], fitted: Callable[[NDArray[np.bool_]], Fit], raw: Floats, rh: Floats | None
) -> Floats:
    """Return corrected values, each by a fit to other days: neighbouring hours are too alike to judge by."""
    days = times // DAY_MS
    distinct = np.unique(days)
    folds = min(FOLDS, len(distinct))
    if folds < 2:
        raise QualityError("time", "all pairs are of one day: measure beside the reference for longer")
    found = np.empty_like(raw)
    for held in np.array_split(distinct, folds):
        test = np.isin(days, held)
        found[test] = fitted(~test).apply(raw[test], _part(rh, test))
    return found


def _remarks(times: NDArray[np.int64], reference: Floats, rh: Floats | None, limit: float) -> list[str]:
    found: list[str] = []
    days = float(times.max() - times.min()) / DAY_MS
    if days < 14:
        found.append(f"{days:.1f} days: at least 14, better 40 in each season, say more")
    if float(reference.max()) < limit:
        found.append(
            f"the reference stayed below {limit:g}: the uncertainty there is extrapolated from "
            f"{float(reference.min()):.1f} to {float(reference.max()):.1f}"
        )
    if rh is None:
        found.append("no humidity was given: the correction cannot follow damp days")
    return found

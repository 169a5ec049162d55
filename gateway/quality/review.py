"""The second look: what a value is worth beside those of the network, an hour or a month later.

Checks are rows, as in gateway.quality.table. What they find is an Assessment: a flag on a series from-to,
with the version of the row and its reason in numbers. A row that changes gets a higher version; what the
old one found stays on record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gateway.model import Assessment
from gateway.quality import neighbours
from gateway.quality.neighbours import Floats, Indices
from gateway.quality.table import HOUR_MS

BUDDIES, NETWORK, OFTEN_OUT, UNLIKE, DRIFT = "neighbours", "network", "often_out", "unlike", "drift"
MONTH_MS = 30 * 24 * HOUR_MS
_FLOOR = 1.0  # µg/m³: below it, ratios of particulate matter are those of noise


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """One check of one quantity. ratio: judged on logarithms, for what scales. period: on a month."""

    name: str
    version: int
    quantity: str
    parameters: Mapping[str, float]
    source: str
    ratio: bool = False
    period: bool = False


def _row(
    name: str,
    quantity: str,
    source: str,
    *parameters: Mapping[str, float],
    ratio: bool = False,
    period: bool = False,
) -> NetworkCheck:
    merged = {key: value for group in parameters for key, value in group.items()}
    return NetworkCheck(name, 1, quantity, MappingProxyType(merged), source, ratio, period)


_METOBS = "MetObs toolkit defaults (Ghent): 10 km, 4 buddies, z 3.1, least spread 1 K, 2 rounds"
_CROWD = "CrowdQC+ (Fenner et al. 2021)"
_OWN = "own proposal, judged in tests/bench/quality.py"
_Z = {"low_z": -2.326, "high_z": 1.645, "fewest": 20}  # quantiles 0.01 and 0.95 of the normal distribution
_NEAR = {"radius_m": 10_000, "fewest": 4, "threshold": 3.1}
_MONTH = {"fewest_times": 240}
_SPREAD_PM = math.log(1.5)
NETWORK_CHECKS: tuple[NetworkCheck, ...] = (
    _row(BUDDIES, "temperature", _METOBS, _NEAR, {"least_spread": 1.0}),
    _row(BUDDIES, "relative_humidity", _OWN, _NEAR, {"least_spread": 5.0}),
    _row(BUDDIES, "pm2_5", _OWN, _NEAR, {"least_spread": _SPREAD_PM}, ratio=True),
    _row(BUDDIES, "pm10", _OWN, _NEAR, {"least_spread": _SPREAD_PM}, ratio=True),
    _row(NETWORK, "temperature", _CROWD + " m2", _Z),
    _row(OFTEN_OUT, "temperature", _CROWD + " m3: over 20 % of a month", _Z, {"share": 0.2}, period=True),
    _row(UNLIKE, "temperature", _CROWD + " m4", _MONTH, {"least_correlation": 0.9}, period=True),
    _row(DRIFT, "pm2_5", _OWN, _NEAR, _MONTH, {"low": 0.7, "high": 1.4}, period=True),
    _row(DRIFT, "pm10", _OWN, _NEAR, _MONTH, {"low": 0.7, "high": 1.4}, period=True),
)
QUANTITIES: tuple[str, ...] = tuple(dict.fromkeys(check.quantity for check in NETWORK_CHECKS))
FLAGS = (BUDDIES, NETWORK, OFTEN_OUT, UNLIKE, DRIFT)


class Reviewer:
    """Judges sites beside one another."""

    def __init__(
        self, site_ids: Sequence[str], near: Callable[[float], Indices], judged: int | None = None
    ) -> None:
        """Take the sites in the order in which values are given; only the first `judged` of them are judged.

        near: the nearest others of each within metres, as `neighbours.nearest` gives them.
        """
        self.site_ids = site_ids
        self._near = near
        self.judged = len(site_ids) if judged is None else judged

    def hours(self, quantity: str, start_ms: int, values: Floats) -> list[Assessment]:
        """Judge hourly means from start_ms on (hours x members, NaN = none) by the checks of an hour."""
        found: list[Assessment] = []
        for check in _checks(quantity, period=False):
            for row, site, detail in self._hourly(check, values):
                from_ms = start_ms + row * HOUR_MS
                member = self.site_ids[site]
                found.append(
                    Assessment(
                        member, quantity, from_ms, from_ms + HOUR_MS, check.name, check.version, detail
                    )
                )
        return found

    def period(self, quantity: str, start_ms: int, values: Floats) -> list[Assessment]:
        """Judge a month of hourly means by the checks of a month."""
        end_ms = start_ms + len(values) * HOUR_MS
        return [
            Assessment(self.site_ids[site], quantity, start_ms, end_ms, check.name, check.version, detail)
            for check in _checks(quantity, period=True)
            for site, detail in self._monthly(check, values)
        ]

    def _hourly(self, check: NetworkCheck, values: Floats) -> Iterator[tuple[int, int, str]]:
        p = check.parameters
        scaled = np.log(np.maximum(values, _FLOOR)) if check.ratio else values
        if check.name == BUDDIES:
            buddies = self._near(p["radius_m"])
            out = neighbours.buddy_outliers(
                scaled, buddies, int(p["fewest"]), p["threshold"], p["least_spread"]
            )
        else:
            out = neighbours.network_outliers(scaled, p["low_z"], p["high_z"], int(p["fewest"]))
            buddies = None
        mine = out[:, : self.judged]
        for row, site in zip(*(index.tolist() for index in np.nonzero(mine)), strict=True):
            group = values[row] if buddies is None else values[row][buddies[site][buddies[site] >= 0]]
            middle = float(np.nanmedian(group))
            yield (
                row,
                site,
                f"{values[row, site]:.1f} where {int(np.isfinite(group).sum())} have {middle:.1f}",
            )

    def _monthly(self, check: NetworkCheck, values: Floats) -> Iterator[tuple[int, str]]:
        p = check.parameters
        if check.name == OFTEN_OUT:
            out = neighbours.network_outliers(values, p["low_z"], p["high_z"], int(p["fewest"]))
            for site in np.flatnonzero(neighbours.often_out(values, out, p["share"])[: self.judged]).tolist():
                share = 100 * float(out[:, site].sum()) / max(1, int(np.isfinite(values[:, site]).sum()))
                yield site, f"out in {share:.0f} % of its hours"
        elif check.name == UNLIKE:
            unlike = neighbours.unlike_the_network(values, p["least_correlation"], int(p["fewest_times"]))
            for site in np.flatnonzero(unlike[: self.judged]).tolist():
                yield site, f"correlation with the network below {p['least_correlation']:g}"
        else:
            ratios = neighbours.drift_ratios(
                values, self._near(p["radius_m"]), int(p["fewest"]), int(p["fewest_times"])
            )
            outside = np.isfinite(ratios) & ((ratios < p["low"]) | (ratios > p["high"]))
            for site in np.flatnonzero(outside[: self.judged]).tolist():
                yield site, f"{ratios[site]:.2f} times its neighbours"


def _checks(quantity: str, *, period: bool) -> list[NetworkCheck]:
    return [check for check in NETWORK_CHECKS if check.quantity == quantity and check.period == period]

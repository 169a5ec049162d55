"""Statistics of the simulated city beside those of the recordings it was fitted to; see tools/city_fit.py."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.city import Town
from simulator.city.series import Series, series
from simulator.places import Place, Places
from tools import city_fit
from tools.charts import Line, Panel, svg

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SEEDS = 6
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Row:
    """One statistic; it agrees when the two differ by no more than the tolerance."""

    series: str
    statistic: str
    recorded: float
    simulated: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Tell whether it does."""
        return abs(self.recorded - self.simulated) <= self.tolerance


@dataclass(frozen=True)
class Both:
    """A series as recorded, and as simulated at the same times with several seeds."""

    fitted: Series
    times: Ints
    recorded: Floats
    simulated: list[Floats]
    lags_s: Floats


@cache
def both(name: str, folder: Path) -> Both:
    """Return a series twice."""
    where, key, logarithm, added, periods, _ = city_fit.SERIES[name]
    fitted = series(name)
    times, values = city_fit.column(folder / where, key)
    recorded = city_fit.seasonless(times, city_fit.transformed(values, logarithm, added))
    runs = [fitted.sample(seed, name, times * 1_000_000) for seed in range(1, _SEEDS + 1)]
    simulated = [np.log(run) if logarithm else run for run in runs]
    return Both(
        fitted, times, recorded, simulated, city_fit.lags_of(periods, float(np.median(np.diff(times))))
    )


def _cycle(times: Ints, values: Floats) -> Floats:
    hour = times % 86400 // 3600
    return np.array([values[hour == h].mean() if (hour == h).any() else np.nan for h in range(24)])


def _residual(it: Both, values: Floats) -> Floats:
    return values - it.fitted.profile(it.times * 1_000_000)


def _of_series(name: str, folder: Path) -> list[Row]:
    it = both(name, folder)
    spread = float(it.recorded.std())
    rows: list[Row] = []
    quantiles = np.mean([np.quantile(run, _SHARES) for run in it.simulated], axis=0)
    for share, recorded, simulated in zip(_SHARES, np.quantile(it.recorded, _SHARES), quantiles, strict=True):
        rows.append(Row(name, f"quantile {share:g}", float(recorded), float(simulated), 0.3 * spread))
    lags = it.lags_s[[0, len(it.lags_s) // 3, len(it.lags_s) // 2]]
    recorded_acf = city_fit.autocorrelation(it.times, _residual(it, it.recorded), lags)
    acf = np.mean(
        [city_fit.autocorrelation(it.times, _residual(it, run), lags) for run in it.simulated], axis=0
    )
    for lag, recorded, simulated in zip(lags, recorded_acf, acf, strict=True):
        rows.append(Row(name, f"autocorrelation at {lag:g} s", float(recorded), float(simulated), 0.15))
    day, its = _cycle(it.times, it.recorded), np.mean([_cycle(it.times, run) for run in it.simulated], axis=0)
    good = np.isfinite(day)
    rows.append(
        Row(
            name,
            "daily cycle, from low to high",
            float(np.ptp(day[good])),
            float(np.ptp(its[good])),
            0.35 * spread,
        )
    )
    return rows


def _crosses(folder: Path) -> list[Row]:
    """Return how quantities go together: temperature and humidity, two places' particles."""
    times, t = city_fit.column(folder / "aq_uci60", "t")
    other, rh = city_fit.column(folder / "aq_uci60", "rh")
    assert np.array_equal(times, other)
    recorded = float(np.corrcoef(t, rh)[0, 1])
    here = Places.of([Place("a", 0.0, 0.0, greenery=0.2), Place("b", 1500.0, 400.0, greenery=0.2)])
    found: list[float] = []
    air: list[float] = []
    for seed in range(1, _SEEDS + 1):
        town = Town(seed)
        hours = times * 1_000_000
        st, srh = town.sample("temperature", here, hours)[0], town.sample("relative_humidity", here, hours)[0]
        found.append(float(np.corrcoef(st, srh)[0, 1]))
        minutes = 1_564_643_460_000_000 + np.arange(15 * 1440, dtype=np.int64) * 60_000_000
        air.append(float(np.corrcoef(np.log(town.sample("pm2_5", here, minutes)))[0, 1]))
    return [
        Row("temperature", "correlation with humidity", recorded, float(np.mean(found)), 0.25),
        Row("pm2_5", "correlation of two places, minutes", _neighbours(folder), float(np.mean(air)), 0.3),
    ]


def _neighbours(folder: Path) -> float:
    """Return how the logarithms of PM2.5 of two collocated nodes go together, minute by minute."""
    by_node: dict[str, dict[int, float]] = {}
    with (folder / "aq_toco" / "train.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["pm25"]:
                by_node.setdefault(row["node"], {})[int(row["time"])] = np.log(float(row["pm25"]) + 0.5)
    a, b = list(by_node.values())[:2]
    common = sorted(set(a) & set(b))
    return float(np.corrcoef([a[k] for k in common], [b[k] for k in common])[0, 1])


def compare(folder: Path) -> list[Row]:
    """Return all statistics."""
    return [row for name in city_fit.SERIES for row in _of_series(name, folder)] + _crosses(folder)


def table(rows: Sequence[Row]) -> str:
    """Return the statistics as text."""
    lines = [f"{'series':<15}{'statistic':<38}{'recorded':>10}{'simulated':>11}{'tolerance':>11}"]
    for row in rows:
        mark = "" if row.agrees else "  differs"
        lines.append(
            f"{row.series:<15}{row.statistic:<38}{row.recorded:>10.3f}{row.simulated:>11.3f}{row.tolerance:>11.3f}{mark}"
        )
    return "\n".join(lines)


def picture(folder: Path) -> str:
    """Return an SVG: quantiles, autocorrelation and daily cycle of each series, recorded and simulated."""
    panels: list[Panel] = []
    shares = [k / 20 for k in range(1, 20)]
    for name in city_fit.SERIES:
        it = both(name, folder)
        unit = "log " if it.fitted.logarithm else ""
        run = np.mean([np.quantile(run, shares) for run in it.simulated], axis=0)
        panels.append(
            Panel(
                f"{unit}{name}: quantiles",
                "share",
                [
                    Line("recorded", shares, np.quantile(it.recorded, shares).tolist()),
                    Line("simulated", shares, run.tolist()),
                ],
            )
        )
        lags = it.lags_s
        ours = np.mean(
            [city_fit.autocorrelation(it.times, _residual(it, run), lags) for run in it.simulated], axis=0
        )
        theirs = city_fit.autocorrelation(it.times, _residual(it, it.recorded), lags)
        good = np.isfinite(theirs) & np.isfinite(ours)
        panels.append(
            Panel(
                "autocorrelation",
                "lag in s",
                [
                    Line("recorded", lags[good].tolist(), theirs[good].tolist()),
                    Line("simulated", lags[good].tolist(), ours[good].tolist()),
                ],
                (-0.2, 1.0),
                log_x=True,
            )
        )
        day = _cycle(it.times, it.recorded)
        its = np.mean([_cycle(it.times, run) for run in it.simulated], axis=0)
        good = np.isfinite(day)
        hours = np.arange(24.0)[good].tolist()
        panels.append(
            Panel(
                "daily cycle",
                "hour",
                [Line("recorded", hours, day[good].tolist()), Line("simulated", hours, its[good].tolist())],
            )
        )
    return svg(panels, 3, "The simulated town and the recordings it was fitted to (tools/city_fit.py)")

"""Fits the simulated city to recordings, and compares the two: `python -m tools.city_fit [--compare DIR]`.

Reads the recordings in MEETNET_SHARED/data (CSV, see simulator.replay) and writes what the town is made of,
simulator/city/parameters.json: numbers only, each with its source. With --compare it writes DIR/city.svg
instead and prints a table: marginals, autocorrelation, daily cycle, cross-correlation.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.city.fields import correlation
from simulator.city.series import PARAMETERS, Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_QUANTILES = 25
_UCI = "UCI Air Quality, doi:10.24432/C59K5F, CC BY 4.0"
_BEIJING = "Beijing PM2.5, Liang et al. 2015, UCI, CC BY 4.0"
_NOISE = "noisemonitor (valerianF), Apache-2.0"
_TOCO = "EPA sensortoolkit, toco_toucan, MIT"
_BINS = "City of Edinburgh Council, litter bin sensors 2016, OGL v3.0"
_FIREWORKS = "openSenseMap Muenster, New Year 2017/18 (nuest/sensebox-binder), PDDL 1.0"

# name: (folder, column, node or None, logarithm, added before the logarithm, octaves in s, source)
SERIES: dict[str, tuple[str, str, bool, float, tuple[float, ...], str]] = {
    "temperature": ("aq_uci60", "t", False, 0.0, (7200, 14400, 43200, 129600, 388800, 1166400), _UCI),
    "dryness": ("aq_uci60", "dry", True, 0.3, (7200, 14400, 43200, 129600, 388800, 1166400), _UCI),
    "traffic": ("aq_uci60", "nox", True, 0.0, (7200, 14400, 43200, 129600, 388800, 1166400), _UCI),
    "pm2_5": ("aq_beijing60", "pm25", True, 1.0, (7200, 14400, 43200, 129600, 388800, 1166400), _BEIJING),
    "pm2_5_minutes": ("aq_toco", "pm25", True, 0.5, (120, 480, 1920, 7680, 30720, 122880, 491520), _TOCO),
    "sound_minutes": ("noise_1m", "laeq", False, 0.0, (30, 240, 960, 3840, 15360, 61440), _NOISE),
    "sound_seconds": ("noise_1s", "laeq", False, 0.0, (2, 5, 15, 60, 240, 960, 3840), _NOISE),
}


def data_folder() -> Path:
    """Return the folder of the recordings."""
    shared = os.environ.get("MEETNET_SHARED", "")
    folder = Path(shared) / "data"
    if not shared or not folder.is_dir():
        sys.exit("MEETNET_SHARED must name a folder with the recordings in data/")
    return folder


def dew_point_c(t: Floats, rh: Floats) -> Floats:
    """Return the dew point by Magnus' formula (WMO-No. 8, annex 4.B)."""
    gamma = np.log(np.maximum(rh, 1.0) / 100.0) + 17.62 * t / (243.12 + t)
    return 243.12 * gamma / (17.62 - gamma)


def column(folder: Path, name: str) -> tuple[Ints, Floats]:
    """Return (times in s, values) of the first node's readings; `dry` is t less its dew point."""
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    rows: list[dict[str, str]] = [row for row in every if row["node"] == every[0]["node"]]

    def numbers(key: str) -> Floats:
        found: list[float] = [float(row[key]) if row[key] else float("nan") for row in rows]
        return np.array(found, dtype=np.float64)

    times = np.array([int(row["time"]) for row in rows])
    if name == "dry":
        t, rh = numbers("t"), numbers("rh")
        values = t - dew_point_c(t, rh)
    else:
        values = numbers(name)
    good = np.isfinite(values)
    return times[good], values[good]


def transformed(values: Floats, logarithm: bool, added: float) -> Floats:
    """Return what the model is of."""
    return np.log(np.maximum(values, 0.0) + max(added, 1e-3)) if logarithm else values


def seasonless(times: Ints, values: Floats) -> Floats:
    """Return values without a year's sine where there is enough of a year to see it."""
    if times[-1] - times[0] < 120 * 86400:
        return values
    angle = times / (365.2425 * 86400) * 2 * np.pi
    design = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    found = np.linalg.lstsq(design, values, rcond=None)[0]
    return values - design[:, 1:] @ found[1:]


def cycles(times: Ints, values: Floats) -> tuple[list[float], list[float]]:
    """Return the mean by hour of the day, on weekdays and at weekends (weekdays', where there are none)."""
    hour, day = times % 86400 // 3600, (times // 86400 + 3) % 7
    found: list[list[float]] = []
    for chosen in (day < 5, day >= 5):
        means = [
            float(values[chosen & (hour == h)].mean()) if (chosen & (hour == h)).any() else np.nan
            for h in range(24)
        ]
        found.append(means)
    weekday, weekend = np.array(found[0]), np.array(found[1])
    if np.isnan(weekday).any():
        weekday = np.where(
            np.isnan(weekday), np.nanmean(weekday if not np.isnan(weekday).all() else weekend), weekday
        )
    weekend = np.where(np.isnan(weekend), weekday, weekend)
    return [round(float(v), 3) for v in weekday], [round(float(v), 3) for v in weekend]


def lags_of(periods: tuple[float, ...], step_s: float) -> Floats:
    """Return lags in seconds, four to an octave's factor, from one step to the longest period."""
    n = 4 * len(periods) + 4
    lags = np.geomspace(step_s, periods[-1], n)
    return np.unique(np.rint(lags / step_s)) * step_s


def autocorrelation(times: Ints, residual: Floats, lags_s: Floats) -> Floats:
    """Return the autocorrelation at lags, over the pairs that are there."""
    step = int(np.median(np.diff(times)))
    grid = np.full((times[-1] - times[0]) // step + 1, np.nan)
    grid[(times - times[0]) // step] = residual - residual.mean()
    variance = np.nanmean(grid**2)
    found: list[float] = []
    for lag in lags_s:
        k = round(lag / step)
        pairs = grid[: len(grid) - k] * grid[k:]
        found.append(float(np.nanmean(pairs) / variance) if np.isfinite(pairs).sum() > 50 else float("nan"))
    return np.array(found)


def shares(lags_s: Floats, wanted: Floats, periods: tuple[float, ...]) -> dict[float, float]:
    """Return the share of variance of each octave so that the autocorrelation is met best, none negative."""
    good = np.isfinite(wanted)
    design = np.stack([correlation(lags_s[good] / period) for period in periods], axis=1)
    weight = np.full(len(periods), 1.0 / len(periods))
    target = wanted[good]
    for _ in range(4000):  # multiplicative steps keep shares positive; their sum is put back to one
        error = design.T @ (design @ weight - target)
        weight = np.maximum(weight * np.exp(-0.5 * error), 1e-6)
        weight /= weight.sum()
    return {period: round(float(w), 4) for period, w in zip(periods, weight, strict=True) if w > 5e-4}


def fit(name: str, folder: Path) -> Series:
    """Fit one series."""
    where, key, logarithm, added, periods, source = SERIES[name]
    times, values = column(folder / where, key)
    model = seasonless(times, transformed(values, logarithm, added))
    weekday, weekend = cycles(times, model)
    bare = Series(source, logarithm, tuple(weekday), tuple(weekend), (0.0, 0.0), {})
    residual = model - bare.profile(times * 1_000_000)
    n = _QUANTILES
    quantiles = np.quantile(residual, (np.arange(n) + 0.5) / n)
    lags = lags_of(periods, float(np.median(np.diff(times))))
    found = shares(lags, autocorrelation(times, residual, lags), periods)
    total = sum(found.values())
    return Series(
        source,
        logarithm,
        tuple(weekday),
        tuple(weekend),
        tuple(round(float(q), 3) for q in quantiles),
        {period: round(share / total, 4) for period, share in found.items()},
    )


def fit_bins(folder: Path) -> dict[str, Any]:
    """Fit how fast litter bins fill: percent a day, its spread over the bins, and weekdays."""
    with (folder / "bins_edinburgh" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["node"], int(row["time"]), float(row["fill"])) for row in csv.DictReader(file)]
    rates: list[float] = []
    by_day: list[list[float]] = [[] for _ in range(7)]
    gaps: list[float] = []
    for before, after in pairwise(rows):
        days = (after[1] - before[1]) / 86400
        if before[0] != after[0] or not 0.5 <= days <= 14 or after[2] >= 100:
            continue  # a full bin says only that it was at least so fast
        rates.append(after[2] / days)
        gaps.append(days)
        if days < 1.5:
            by_day[(after[1] // 86400 + 2) % 7].append(after[2] / days)
    logs = np.log(np.maximum(rates, 0.5))
    mean = float(np.mean([np.mean(day) for day in by_day]))
    return {
        "source": _BINS,
        "median_pct_day": round(float(np.exp(np.median(logs))), 1),
        "log_sd": round(float(np.std(logs)), 3),
        "collection_days_median": round(float(np.median(gaps)), 2),
        "weekday": [round(float(np.mean(day)) / mean, 3) for day in by_day],
    }


def fit_fireworks(folder: Path) -> dict[str, Any]:
    """Fit New Year's night: by how much PM2.5 rises after midnight, and how places differ."""
    with (folder / "aq_osm_nye" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["node"], int(row["time"]), float(row["pm25"])) for row in csv.DictReader(file)]
    midnight_s = 1_514_761_200  # 2018-01-01 00:00 in Muenster
    peaks: list[float] = []
    rise_s: list[float] = []
    for node in {row[0] for row in rows}:
        before = [pm for n, t, pm in rows if n == node and t < midnight_s - 1800]
        after = [(t, pm) for n, t, pm in rows if n == node and t >= midnight_s]
        if len(before) < 5 or len(after) < 5:
            continue
        top = max(pm for _, pm in after) - float(np.median(before))
        peaks.append(max(top, 1.0))
        rise_s.append(next(t for t, pm in after if pm >= max(p for _, p in after)) - midnight_s)
    logs = np.log(peaks)
    return {
        "source": _FIREWORKS,
        "peak_median_ug_m3": round(float(np.exp(np.median(logs))), 0),
        "log_sd": round(float(np.std(logs)), 2),
        "rise_s": round(float(np.median(rise_s)), 0),
    }


def fit_all(folder: Path) -> dict[str, Any]:
    """Return what parameters.json holds."""
    return {
        "about": "Written by tools/city_fit.py. Octaves: share of the variance by period in seconds.",
        "series": {name: fit(name, folder).as_dict() for name in SERIES},
        "bins": fit_bins(folder),
        "fireworks": fit_fireworks(folder),
    }


def main() -> None:
    """Fit, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--compare", type=Path, metavar="DIR", help="write DIR/city.svg and print the table")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    options = parser.parse_args()
    folder = data_folder()
    if options.compare is None:
        PARAMETERS.write_text(json.dumps(fit_all(folder), indent=1) + "\n", encoding="utf-8")
        print(f"written: {PARAMETERS.name}")
        return
    from tools.city_compare import compare, picture, table

    rows = compare(folder)
    options.compare.mkdir(parents=True, exist_ok=True)
    (options.compare / "city.svg").write_text(picture(folder), encoding="utf-8")
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.as_json else table(rows))


if __name__ == "__main__":
    main()

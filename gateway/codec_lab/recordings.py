"""Recordings as runs of integer records: CSV files with a `time` column, an optional `node`, and channels."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import GatewayError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class RecordingError(GatewayError):
    """A recording or its description that cannot be used; says which and what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """A channel: its column in the file, resolution and declared range in the column's unit."""

    name: str
    resolution: float
    least: float
    most: float

    @property
    def raw_min(self) -> int:
        """Least value in steps of the resolution."""
        return round(self.least / self.resolution)

    @property
    def raw_max(self) -> int:
        """Largest value in steps."""
        return round(self.most / self.resolution)


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one node without a gap: times in seconds, values in steps of each channel's resolution."""

    node: str
    times: Ints
    values: Ints  # records x channels


def read_table(path: Path, names: list[str]) -> dict[str, tuple[Ints, Floats]]:
    """Return {node: (times, values with NaN where missing)} of the named columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            head: list[str] = next(reader, list[str]())
            missing = [name for name in ["time", *names] if name not in head]
            if missing:
                raise RecordingError(
                    f"{path}: no column {', '.join(missing)}; the columns are {', '.join(head)}"
                )
            at = [head.index(name) for name in names]
            time_at, node_at = head.index("time"), head.index("node") if "node" in head else None
            rows: dict[str, list[tuple[int, list[float]]]] = {}
            for row in reader:
                if row:
                    node = "" if node_at is None else row[node_at]
                    values = [float(row[i]) if row[i] else float("nan") for i in at]
                    rows.setdefault(node, []).append((int(float(row[time_at])), values))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read ({error})") from error
    except (ValueError, IndexError) as error:
        raise RecordingError(f"{path}: {error}; times are whole seconds, values numbers or empty") from error
    return {
        node: (np.array([t for t, _ in found]), np.array([v for _, v in found], float))
        for node, found in rows.items()
    }


def _mean_over(times: Ints, values: Floats, interval_s: int, every_s: float) -> tuple[Ints, Floats]:
    """Return means over intervals aligned to the clock that hold at least two thirds of their samples."""
    bins, place = np.unique(times // interval_s, return_inverse=True)
    is_there = ~np.isnan(values)
    total = np.zeros((len(bins), values.shape[1]))
    count = np.zeros_like(total)
    np.add.at(total, place, np.where(is_there, values, 0.0))
    np.add.at(count, place, is_there)
    enough = count >= interval_s / every_s * 2 / 3
    return bins * interval_s, np.where(enough, total / np.maximum(count, 1), np.nan)


def step_of(times: Ints) -> int:
    """Return the usual distance of two times."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    return int(np.median(steps)) if len(steps) else 1


def load(
    path: Path,
    columns: list[Column],
    *,
    mean_s: int | None = None,
    node: str | None = None,
    without: tuple[str, ...] = (),
) -> tuple[list[Run], int]:
    """Return (runs, interval in seconds): complete records, cut where a step exceeds 1.7 intervals."""
    runs: list[Run] = []
    interval_s = 0
    table = read_table(path, [column.name for column in columns])
    resolution = np.array([column.resolution for column in columns])
    low = np.array([column.raw_min for column in columns])
    high = np.array([column.raw_max for column in columns])
    for name, (raw_times, raw_values) in table.items():
        if (node is not None and name != node) or name in without:
            continue
        times, values = raw_times, raw_values
        interval_s = step_of(times)
        if mean_s is not None:
            times, values = _mean_over(times, values, mean_s, interval_s)
            interval_s = mean_s
        steps = np.floor(values / resolution + 0.5)
        good = ~np.isnan(steps).any(axis=1)
        good &= ((steps >= low) & (steps <= high)).all(axis=1)
        times, steps = times[good], steps[good].astype(np.int64)
        cuts = np.flatnonzero((np.diff(times) > 1.7 * interval_s) | (np.diff(times) <= 0)) + 1
        for t, v in zip(np.split(times, cuts), np.split(steps, cuts), strict=True):
            if len(t) >= 8:
                runs.append(Run(name, t, v))
    if not runs:
        raise RecordingError(f"{path}: no run of eight complete records in a row")
    return runs, interval_s


def split(runs: list[Run], part: float) -> tuple[list[Run], list[Run]]:
    """Return (the first part, the rest) of each run by time: training and held out."""
    first: list[Run] = []
    rest: list[Run] = []
    for run in runs:
        at = int(len(run.times) * part)
        first.append(Run(run.node, run.times[:at], run.values[:at]))
        rest.append(Run(run.node, run.times[at:], run.values[at:]))
    return first, rest


def windows(runs: list[Run], length: int, most: int, seed: int = 0) -> Ints:
    """Return windows x length x channels, at most `most` of them, drawn at random in a fixed order."""
    starts: list[tuple[int, int]] = []
    for i, run in enumerate(runs):
        starts += [(i, at) for at in range(len(run.times) - length + 1)]
    if not starts:
        raise RecordingError(f"no run holds {length} records in a row")
    if len(starts) > most:
        chosen = np.random.default_rng(seed).choice(len(starts), most, replace=False)
        starts = [starts[int(i)] for i in np.sort(chosen)]
    return np.stack([runs[i].values[at : at + length] for i, at in starts])

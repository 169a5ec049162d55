"""Plays a recording as the world around the nodes: what was measured once is what the chip models meet.

A recording is a CSV file with the columns `node,time,...`: time in whole seconds since 1970, one column a
quantity (see COLUMNS), an empty field where there was no reading. A value holds from its time stamp until
the next of the same column.
"""

from __future__ import annotations

import bisect
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.nodeproc import SimulatorError

# column of a recording -> plain name of the quantity
COLUMNS = {
    "pm1": "pm1",
    "pm25": "pm2_5",
    "pm25a": "pm2_5",
    "pm2_5": "pm2_5",
    "pm4": "pm4",
    "pm10": "pm10",
    "t": "temperature",
    "temperature": "temperature",
    "rh": "relative_humidity",
    "laeq": "sound_level",
    "distance": "distance",
    "battery_mv": "battery_mv",
    "rain": "rain_mm",
}
# name that a chip model asks for -> plain name
_MODEL_NAMES = {
    "pm1_ug_m3": "pm1",
    "pm2_5_ug_m3": "pm2_5",
    "pm4_ug_m3": "pm4",
    "pm10_ug_m3": "pm10",
    "temperature_c": "temperature",
    "relative_humidity_pct": "relative_humidity",
    "distance_mm": "distance",
}
_SECOND_US = 1_000_000


@dataclass(frozen=True)
class Series:
    """One quantity of one node: times (s) and values, in order."""

    times_s: list[int]
    values: list[float]

    def at(self, time_s: float) -> float:
        """Return the value in force; the first one before the recording begins."""
        return self.values[max(0, bisect.bisect_right(self.times_s, time_s) - 1)]


class Recording:
    """A recording: nodes, and a series for each node and quantity."""

    def __init__(self, series: dict[str, dict[str, Series]]) -> None:
        self._series = series
        times = [s.times_s for node in series.values() for s in node.values()]
        if not times:
            raise SimulatorError("replay: the recording holds no value of a known quantity")
        self.start_s = min(t[0] for t in times)
        self.end_s = max(t[-1] for t in times)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a train.csv, or the folder that holds one. SimulatorError names file, line and remedy."""
        file = path / "train.csv" if path.is_dir() else path
        try:
            with file.open(encoding="utf-8", newline="") as f:
                return cls(_series(csv.reader(f), file))
        except OSError as error:
            raise SimulatorError(f"replay: {file} cannot be read: {error.strerror}") from error

    @property
    def nodes(self) -> list[str]:
        """Names of the recorded nodes."""
        return list(self._series)

    def quantities(self, node: str) -> set[str]:
        """Return the plain names of what a node recorded."""
        return set(self._series[node])

    def rows(self, node: str, quantity: str) -> Iterator[tuple[int, float]]:
        """Return (time in s, value) of each reading."""
        series = self._series[node][quantity]
        return zip(series.times_s, series.values, strict=True)

    def node_with(self, quantities: set[str], index: int) -> str | None:
        """Return a node that recorded one of the quantities; index spreads several over several."""
        fit = [name for name in self._series if quantities & set(self._series[name])]
        return fit[index % len(fit)] if fit else None

    def source(self, node: str, shift_s: float = 0.0, lead_s: float = 0.0) -> ReplaySource:
        """Return a `Source`: at world time t it shows what the recording has at t - shift_s + lead_s."""
        return ReplaySource(self._series[node], shift_s, lead_s)


class ReplaySource:
    """A `Source` for chip models. Raises KeyError for a quantity that was not recorded.

    lead_s: a node stamps a record at the end of its acquisition, and so does a recording; shown a
    little early, the row stamped T is what the node reads for its record stamped T.
    """

    def __init__(self, series: dict[str, Series], shift_s: float, lead_s: float) -> None:
        self._series = series
        self._offset_s = lead_s - shift_s

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return a quantity at world time."""
        return self._series[_MODEL_NAMES.get(quantity, quantity)].at(now_us / _SECOND_US + self._offset_s)


def _series(rows: Iterator[list[str]], file: Path) -> dict[str, dict[str, Series]]:
    nothing: list[str] = []
    header = next(rows, nothing)
    if header[:2] != ["node", "time"]:
        raise SimulatorError(f"replay: {file}: line 1: must begin with node,time")
    columns = [(i, COLUMNS[name]) for i, name in enumerate(header) if name in COLUMNS]
    if not columns:
        raise SimulatorError(f"replay: {file}: line 1: no known column; known are {', '.join(COLUMNS)}")
    found: dict[str, dict[str, Series]] = {}
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            node, time_s = row[0], int(row[1])
            for i, quantity in columns:
                if row[i]:
                    series = found.setdefault(node, {}).setdefault(quantity, Series([], []))
                    series.values.append(float(row[i]))
                    series.times_s.append(time_s)
        except (ValueError, IndexError) as error:
            raise SimulatorError(f"replay: {file}: line {number}: {error}") from error
    for node, quantities in found.items():
        for quantity, series in quantities.items():
            if any(a >= b for a, b in zip(series.times_s, series.times_s[1:], strict=False)):
                raise SimulatorError(
                    f"replay: {file}: {node}: times of {quantity} do not rise: sort by node, time"
                )
    return found

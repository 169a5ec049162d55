"""A series for a chart: never more points than pixels.

Where the real values fit, they are given as they are. Where they do not, each column of the chart gets the
least, the mean and the greatest value of its time (levels: mean energy). Doubtful values stand apart (`d`):
no line joins them, and they never move a mean as long as anything else was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from gateway import exports
from gateway.insight.noise import energy_mean
from gateway.model import Bucket, PublicObservation, PublicReader
from gateway.units import unit
from gateway.web.view import is_doubtful

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
# Steps whose columns begin at moments that people name.
STEPS_MS = (
    *(n * SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * DAY for n in (1, 2, 7, 14, 28, 56, 112, 224, 448)),
)
RAW_ROWS = 20_000
POINTS, BUCKETS = "points", "buckets"


@dataclass(slots=True)
class Columns:
    """t in seconds; v without doubt, d in doubt, lo and hi around v; null marks a gap."""

    t: list[float] = field(default_factory=list[float])
    v: list[float | None] = field(default_factory=list[float | None])
    d: list[float | None] = field(default_factory=list[float | None])
    lo: list[float | None] = field(default_factory=list[float | None])
    hi: list[float | None] = field(default_factory=list[float | None])

    def add(
        self,
        t_ms: float,
        v: float | None = None,
        d: float | None = None,
        lo: float | None = None,
        hi: float | None = None,
    ) -> None:
        """Append one moment."""
        self.t.append(t_ms / 1000)
        self.v.append(v)
        self.d.append(d)
        self.lo.append(lo)
        self.hi.append(hi)


def step_for(span_ms: int, points: int) -> int:
    """Return the least step of STEPS_MS that needs at most so many columns (and one that is cut)."""
    least = span_ms / max(1, points - 1)
    return next((step for step in STEPS_MS if step >= least), STEPS_MS[-1])


def series_json(
    reader: PublicReader, site_id: str, name: str, start_ms: int, end_ms: int, points: int, form: str = ""
) -> dict[str, Any]:
    """Return one series. form: POINTS or BUCKETS to have it so, "" for what fits. Blocks."""
    step_ms = step_for(end_ms - start_ms, points // 2 if form == POINTS else points)
    first_ms = start_ms - start_ms % step_ms

    def columns() -> tuple[Sequence[Bucket], int]:
        found = reader.buckets(site_id, name, max(first_ms, 0), end_ms, step_ms)
        return found, sum(bucket.n for bucket in found)

    # Whole hours are kept added up, so of a long time they are quicker than as many values: they come first.
    buckets, n = columns() if step_ms >= HOUR else ((), 0)
    rows: Sequence[PublicObservation] = ()
    # The first column may begin before the time that is asked for: what is in it decides nothing.
    if form != BUCKETS and n - (buckets[0].n if buckets else 0) <= points:
        rows = reader.series(site_id, name, start_ms, end_ms, points + 1)
        if len(rows) <= points:
            return _answer(start_ms, end_ms, _unit(rows), 0, len(rows), _from_rows(rows, points))
    if step_ms < HOUR or not buckets:
        buckets, n = columns()
    newest = rows or reader.series(site_id, name, start_ms, end_ms, 1)
    return _answer(start_ms, end_ms, _unit(newest), step_ms, n, _from_buckets(buckets, step_ms))


def raw_json(
    reader: PublicReader, site_id: str, name: str, start_ms: int, end_ms: int, points: int
) -> dict[str, Any] | None:
    """Return what the sensor itself measured, before any correction; None for more than RAW_ROWS. Blocks."""
    found = reader.series(site_id, name, start_ms, end_ms, RAW_ROWS + 1)
    if len(found) > RAW_ROWS:
        return None
    rows = [replace(row, value=row.raw_value) for row in found]
    if len(rows) <= points:
        return _answer(start_ms, end_ms, _unit(rows), 0, len(rows), _from_rows(rows, points))
    step_ms = step_for(end_ms - start_ms, points)
    is_level = bool(rows) and rows[-1].unit.startswith("dB")
    columns: dict[int, list[float]] = {}
    for row in rows:
        if row.value is not None and not is_doubtful(row):
            columns.setdefault(row.observed_at_ms // step_ms * step_ms, []).append(row.value)
    buckets = [
        Bucket(at_ms, min(values), _mean(values, is_level), max(values), len(values), 0)
        for at_ms, values in sorted(columns.items())
    ]
    return _answer(start_ms, end_ms, _unit(rows), step_ms, len(rows), _from_buckets(buckets, step_ms))


def _mean(values: Sequence[float], is_level: bool) -> float:
    if is_level:
        return energy_mean(values) or 0.0
    return sum(values) / len(values)


def _answer(
    start_ms: int, end_ms: int, symbol: str, step_ms: int, count: int, columns: Columns
) -> dict[str, Any]:
    return {
        "from": exports.iso_utc(start_ms),
        "to": exports.iso_utc(end_ms),
        "unit": symbol,
        "step_s": step_ms / 1000,
        "count": count,
        "t": columns.t,
        "v": columns.v,
        "d": columns.d,
        "lo": columns.lo,
        "hi": columns.hi,
    }


def _unit(rows: Sequence[PublicObservation]) -> str:
    return unit(rows[-1].unit).symbol if rows else ""


def _from_rows(rows: Sequence[PublicObservation], points: int) -> Columns:
    found = Columns()
    good = [row for row in rows if row.value is not None and not is_doubtful(row)]
    hole = gap_ms([row.observed_at_ms for row in good])
    last: int | None = None
    room = points - sum(row.value is not None for row in rows)
    for row in rows:
        if row.value is None:
            continue
        if is_doubtful(row):
            found.add(row.observed_at_ms, None, row.value)
            continue
        if last is not None and row.observed_at_ms - last > hole and room > 0:
            found.add(row.observed_at_ms - 1)
            room -= 1
        last = row.observed_at_ms
        found.add(row.observed_at_ms, row.value)
    return found


def _from_buckets(buckets: Sequence[Bucket], step_ms: int) -> Columns:
    found = Columns()
    hole = gap_ms([bucket.start_ms for bucket in buckets])
    last: int | None = None
    for bucket in buckets:
        # Columns lie a step apart, so a marker in a hole never makes more points than there are columns.
        if last is not None and bucket.start_ms - last > hole:
            found.add(last + step_ms)
        last = bucket.start_ms
        if bucket.flagged == bucket.n:
            found.add(bucket.start_ms, None, bucket.mean)
        else:
            found.add(bucket.start_ms, bucket.mean, None, bucket.low, bucket.high)
    return found


def gap_ms(times_ms: Sequence[int]) -> int:
    """Return the distance from which two neighbours are not joined by a line."""
    steps = sorted(b - a for a, b in pairwise(times_ms))
    return 3 * steps[len(steps) // 2] if steps else 0

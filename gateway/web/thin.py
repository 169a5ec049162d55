"""Fewer points than pixels: keep the lowest and the highest of each column of the chart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.model import PublicObservation


def thin(
    rows: Sequence[PublicObservation], start_ms: int, end_ms: int, points: int
) -> list[PublicObservation]:
    """Return at most `points` rows in time order, real ones only, with every extreme of a column kept.

    rows: in time order, within [start_ms, end_ms). Rows without a number are dropped: a gap is drawn where
    neighbours lie far apart.
    """
    valued = [row for row in rows if row.value is not None]
    if len(valued) <= points:
        return valued
    columns = max(1, points // 2)
    width_ms = max(1, -(-(end_ms - start_ms) // columns))
    kept: list[PublicObservation] = []
    bucket: list[PublicObservation] = []
    column = -1
    for row in valued:
        here = (row.observed_at_ms - start_ms) // width_ms
        if here != column:
            kept.extend(_extremes(bucket))
            bucket, column = [], here
        bucket.append(row)
    kept.extend(_extremes(bucket))
    return kept


def _extremes(bucket: list[PublicObservation]) -> list[PublicObservation]:
    if len(bucket) < 3:
        return bucket
    low = min(range(len(bucket)), key=lambda i: bucket[i].value or 0.0)
    high = max(range(len(bucket)), key=lambda i: bucket[i].value or 0.0)
    return [bucket[i] for i in sorted({low, high})]


def gap_ms(rows: Sequence[PublicObservation], points: int, span_ms: int) -> int:
    """Return the distance from which two neighbours are not joined by a line."""
    steps = sorted(b.observed_at_ms - a.observed_at_ms for a, b in pairwise(rows))
    usual = steps[len(steps) // 2] if steps else 0
    return max(3 * usual, 2 * span_ms // max(1, points))

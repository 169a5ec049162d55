"""Buckets of a series, against sums done by hand and by numpy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from gateway.buckets import Buckets
from gateway.model import Bucket
from gateway.store import SqlitePublicReader

from ..plain_buckets import buckets
from ..publish.a_store import AStore

HOUR_MS = 3_600_000
T0_MS = 1_763_920_800_000


def test_levels_are_averaged_as_energy_and_other_values_are_not() -> None:
    # 60 and 70 dB: 10 lg((10^6 + 10^7) / 2) = 67.40 dB
    level = buckets([(0, 60.0, False), (1, 70.0, False)], "dB(A)", 0, 10)
    assert level == [Bucket(0, 60.0, pytest.approx(67.4036, abs=1e-4), 70.0, 2, 0)]
    assert buckets([(0, 60.0, False), (1, 70.0, False)], "Cel", 0, 10)[0].mean == 65.0


def test_flagged_values_are_counted_and_only_used_where_there_is_nothing_else() -> None:
    values = [(0, 10.0, False), (1, 900.0, True), (2, 12.0, False), (10, 900.0, True), (20, None, False)]
    assert buckets(values, "ug/m3", 0, 10) == [
        Bucket(0, 10.0, 11.0, 12.0, 3, 1),
        Bucket(10, 900.0, 900.0, 900.0, 1, 1),
    ]


def test_buckets_begin_where_the_reader_says_and_empty_ones_are_left_out() -> None:
    found = buckets([(5, 1.0, False), (14, 2.0, False), (15, 3.0, False), (99, math.nan, False)], "%", 5, 10)
    assert [(bucket.start_ms, bucket.n) for bucket in found] == [(5, 2), (15, 1)]


def test_a_reader_sees_what_numpy_makes_of_the_values_and_nothing_from_before_the_consent(
    tmp_path: Path,
) -> None:
    place = AStore(tmp_path)
    dice = np.random.default_rng(1)
    values = np.round(dice.normal(20, 5, 500), 1)
    for n, value in enumerate(values):
        place.add("plein-1", T0_MS + n * 7 * 60_000, value=float(value))
    times = T0_MS + np.arange(500) * 7 * 60_000
    found = place.reader.buckets("plein-1", "pm2_5", T0_MS, T0_MS + 48 * HOUR_MS, HOUR_MS)
    assert len(found) == 48
    for k, bucket in enumerate(found):
        mine = values[(times >= T0_MS + k * HOUR_MS) & (times < T0_MS + (k + 1) * HOUR_MS)]
        assert bucket.start_ms == T0_MS + k * HOUR_MS
        assert (bucket.low, bucket.high, bucket.n) == (mine.min(), mine.max(), len(mine))
        assert bucket.mean == pytest.approx(mine.mean())
    late = SqlitePublicReader(place.store, lambda: place.public, lambda: {"plein-1": T0_MS + HOUR_MS // 2})
    first = late.buckets("plein-1", "pm2_5", T0_MS, T0_MS + HOUR_MS, HOUR_MS)
    assert first[0].start_ms == T0_MS
    assert first[0].n == int(((times >= T0_MS + HOUR_MS // 2) & (times < T0_MS + HOUR_MS)).sum())
    assert place.reader.buckets("elders", "pm2_5", T0_MS, T0_MS + HOUR_MS, HOUR_MS) == []


def test_a_series_is_the_same_as_columns_and_as_a_list() -> None:
    rows = [Bucket(0, 1.0, 2.0, 3.0, 4, 0), Bucket(10, 5.0, 5.0, 5.0, 2, 2), Bucket(20, -1.0, 0.0, 9.5, 3, 1)]
    found = Buckets.of(rows)
    assert Buckets.of(found) is found
    assert found == rows
    assert list(found) == rows
    assert list(reversed(found)) == rows[::-1]
    assert (found[1], found[-1], found[1:]) == (rows[1], rows[2], rows[1:])
    assert {type(value) for value in (found[0].start_ms, found[0].n, found[0].flagged)} == {int}
    assert found.good == [rows[0], rows[2]]
    assert found.high.tolist() == [3.0, 5.0, 9.5]
    assert found != rows[:2]
    nothing = Buckets.of([])
    assert (len(nothing), list(nothing), bool(nothing), nothing.good) == (0, [], False, [])

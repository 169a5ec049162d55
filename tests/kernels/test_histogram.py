"""Percentile levels against numpy's on the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.histogram import Histogram

PERCENTS = (99, 95, 90, 50, 10, 5, 1)


def test_percentiles_of_a_street_are_within_half_a_bin() -> None:
    rng = np.random.default_rng(2)
    levels = np.concatenate([rng.normal(52_000, 3000, 6000), rng.normal(68_000, 4000, 1200)]).astype(int)
    h = Histogram()
    for level in levels:
        h.add(int(level))
    for percent, got in zip(PERCENTS, h.exceeded_mdb(*PERCENTS), strict=True):
        assert abs(got - np.percentile(levels, 100 - percent)) <= 50


@pytest.mark.parametrize("n", [480, 2400, 7200])
@pytest.mark.parametrize("spread_mdb", [10, 40, 150, 1000, 5000])
@pytest.mark.parametrize("seed", range(4))
def test_all_percentiles_of_1_5_and_15_minutes_by_the_definition(n: int, spread_mdb: int, seed: int) -> None:
    """Eight levels a second, steady machines to streets, with a tail: Hazen's percentile (R type 5)."""
    rng = np.random.default_rng(seed)
    levels = 50_000 + spread_mdb * (rng.gamma(2.0, 1.0, n) + rng.normal(0, 0.3, n)) + rng.uniform(0, 100)
    h = Histogram()
    for level in levels.astype(int):
        h.add(int(level))
    for percent, got in zip(PERCENTS, h.exceeded_mdb(*PERCENTS), strict=True):
        expected = np.percentile(levels, 100 - percent, method="hazen")
        assert abs(got - expected) <= (50 if spread_mdb > 10 else 60), percent  # of less than a bin


@settings(max_examples=60)
@given(st.lists(st.integers(-20_000, 170_000), min_size=1, max_size=60))
def test_percentiles_are_ordered_and_inside(levels: list[int]) -> None:
    h = Histogram()
    for level in levels:
        h.add(level)
    got = h.exceeded_mdb(*PERCENTS)
    assert got == sorted(got)
    assert got[0] >= min(150_000, max(0, min(levels))) - 100
    assert got[-1] <= min(150_000, max(max(levels), 0)) + 100


@settings(max_examples=30)
@given(st.lists(st.integers(0, 150_000), min_size=1), st.lists(st.integers(0, 150_000), min_size=1))
def test_merged_counts_are_the_counts_of_all(a: list[int], b: list[int]) -> None:
    both, first, second = Histogram(), Histogram(), Histogram()
    for level in a:
        first.add(level)
        both.add(level)
    for level in b:
        second.add(level)
        both.add(level)
    first.merge(second)
    assert first.exceeded_mdb(*PERCENTS) == both.exceeded_mdb(*PERCENTS)


def test_without_a_level_there_is_no_percentile() -> None:
    h = Histogram()
    assert h.exceeded_mdb(90, 10) == [None, None]
    h.add(50_000)
    h.clear()
    assert h.exceeded_mdb(50) == [None]


@pytest.mark.parametrize("level", [50_000, 50_049, 49_951])
def test_a_constant_level_is_its_own_percentile(level: int) -> None:
    h = Histogram()
    for _ in range(80):
        h.add(level)
    assert all(got == level for got in h.exceeded_mdb(*PERCENTS))

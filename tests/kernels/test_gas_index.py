"""The gas index: the maker's own program (recorded), a floating-point port by others (live), both Pythons."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ph4gas.sensirion import NoxGasIndexAlgorithm, VocGasIndexAlgorithm

from kernels.gas_index import GasIndex, exp
from tests.dual import run_on_both

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "gas_index.json").read_text())
ONE = 1 << 20


def recipe(seed: int, n: int, base: int) -> list[int]:
    """Return ticks with noise, a slow walk, and events; the recorded indices belong to these."""
    x, out, walk, event = seed, [], 0, 0
    for i in range(n):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        r = (x >> 8) % 1000 - 500
        walk += r
        walk -= walk // 4096
        if i % 5400 == 4000:
            event = r * 12
        event -= event // 512
        out.append(min(64000, max(100, base + walk // 600 + event + r // 40)))
    return out


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda c: f"{c['kind']}-{c['seed']}")
def test_ten_hours_are_those_of_the_makers_program(case: dict[str, Any]) -> None:
    meter = GasIndex(case["kind"] == "nox")
    found = [meter.process(t) for t in recipe(case["seed"], case["ticks"], case["base"])]
    at = found[case["every"] - 1 :: case["every"]]
    assert len(at) == len(case["index"]) == case["ticks"] // case["every"]
    assert (
        max(abs(a / 10 - b) for a, b in zip(at, case["index"], strict=True)) <= 0.7
    )  # 0.5 is their rounding


@pytest.mark.parametrize(("nox", "theirs"), [(False, VocGasIndexAlgorithm), (True, NoxGasIndexAlgorithm)])
@given(st.integers(1, 2**30), st.integers(21_000, 34_000))
@settings(max_examples=4, deadline=None)
def test_two_hours_are_those_of_floating_point(nox: bool, theirs: Any, seed: int, base: int) -> None:
    ours, other = GasIndex(nox), theirs()
    worst = 0.0
    for ticks in recipe(seed, 7200, base):
        found = ours.process(ticks)
        other.process(ticks)
        worst = max(worst, abs(found / 10 - other.gas_index))
    assert worst < 0.25


def test_wild_ticks_stay_between_1_and_500() -> None:
    meter, other = GasIndex(), VocGasIndexAlgorithm()
    for i in range(3000):
        ticks = (0, 65535, 20_001, 52_767, 40_000, 1, 64_999)[i * i % 7]
        found = meter.process(ticks)
        other.process(ticks)
        assert i < 46 or 5 <= found <= 5000
    assert meter.tenths / 10 == pytest.approx(other.gas_index, abs=1.5)


def test_the_first_46_seconds_have_no_index_and_45_minutes_are_learning() -> None:
    meter = GasIndex()
    assert [meter.process(1337) for _ in range(46)] == [0] * 46
    for _ in range(155):
        index = meter.process(1337)
    assert round(index / 10) == 100  # the maker's own test_voc_algorithm_process
    for _ in range(2450):
        meter.process(30_000)
    assert meter.learning
    for _ in range(200):
        meter.process(30_000)
    assert not meter.learning


def test_a_short_pause_goes_on_where_it_was() -> None:
    whole, restarted, theirs = GasIndex(), GasIndex(), VocGasIndexAlgorithm()
    ticks = recipe(9, 20_000, 30_000)
    for t in ticks[:15_000]:
        whole.process(t)
        theirs.process(t)
    mean, deviation = whole.states()
    assert mean / ONE == pytest.approx(theirs.mve_get_mean(), abs=1)
    assert deviation / ONE == pytest.approx(theirs.mve_get_std(), rel=0.01)
    restarted.restore(mean, deviation)
    for t in ticks[15_000:]:
        a, b = whole.process(t), restarted.process(t)
    assert abs(a - b) < 40  # both know what is ordinary here; a fresh one is off by hundreds
    assert not restarted.learning


@given(st.integers(-30 * ONE, 30 * ONE))
def test_powers_of_e(x: int) -> None:
    assert exp(x) == pytest.approx(math.exp(x / ONE) * ONE, rel=3e-5, abs=1)


@pytest.mark.mpy
def test_both_pythons_agree() -> None:
    cases = [[nox, 50, recipe(3, 1500, base)] for nox, base in ((False, 30_000), (True, 15_000))]
    result = run_on_both("gas_index", {"cases": cases, "exp": [x * ONE // 7 for x in range(-100, 100)]})
    assert [len(row) for row in result["index"]] == [30, 30]

"""The integer logarithm against math.log10."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.ilog import level_mdb
from kernels.levels import energy_of
from tests.dual import run_on_both


@given(st.integers(1, 1 << 96))
def test_is_within_a_thousandth_of_a_decibel(energy: int) -> None:
    assert abs(level_mdb(energy) - 10_000 * math.log10(energy)) <= 1.0


@given(st.integers(1, 1 << 70), st.integers(1, 1 << 70))
def test_never_falls(a: int, b: int) -> None:
    assert level_mdb(min(a, b)) <= level_mdb(max(a, b))


@pytest.mark.parametrize("energy", [0, -1])
def test_of_nothing_is_an_error(energy: int) -> None:
    with pytest.raises(ValueError, match="energy"):
        level_mdb(energy)


@given(st.integers(20_000, 180_000))
def test_inverse_meets_it(mdb: int) -> None:
    energy = energy_of(mdb)
    assert level_mdb(energy) <= mdb < level_mdb(energy + 1) or level_mdb(energy) == mdb


@pytest.mark.mpy
def test_both_pythons_agree() -> None:
    energies = [3**i + i for i in range(60)] + [1, 2, (1 << 22) - 1, 1 << 22, (1 << 62) - 1, 1 << 62]
    got = run_on_both("ilog", [str(e) for e in energies])
    assert max(abs(g - 10_000 * math.log10(e)) for g, e in zip(got, energies, strict=True)) <= 1.0

"""The measurement table: one row a quantity, the same on both Pythons."""

from __future__ import annotations

import pytest

from tests.dual import run_on_both
from wire import measurements


@pytest.mark.mpy
def test_table_and_record_are_the_same_on_both_pythons() -> None:
    result = run_on_both("record_model", {"seq": 4294967295, "time_s": 1764000000})
    assert result["equal"] is True
    assert result["different"] is False
    assert result["unknown"] is None
    assert result["name"] == measurements.LAEQ
    assert result["text"] == "Record(4294967295, 1764000000, 3, [(2, 73, 0)])"


def test_ids_and_names_are_unique_and_ranges_are_ranges() -> None:
    rows = measurements.MEASUREMENTS
    assert len({row[0] for row in rows}) == len(rows)
    assert len({row[1] for row in rows}) == len(rows)
    for _, name, _, decimals, low, high in rows:
        assert low < high, name
        assert 0 <= decimals <= 3, name
        assert low >= -(2**31) and high < 2**32, name

"""The record log on the real littlefs, the power going at any byte that is programmed."""

from __future__ import annotations

import pytest

from tests.dual import run_on_micropython

pytestmark = pytest.mark.mpy


def _judge(seeds: list[int]) -> None:
    result = run_on_micropython("log_on_littlefs", seeds, heap="4m", timeout_s=1000)
    assert result["cuts"] == 4 * len(seeds)
    assert result["records"] > 50 * len(seeds)
    assert result["lost"] == 0


def test_no_finished_record_is_lost_in_a_hundred_power_cuts() -> None:
    _judge(list(range(25)))


@pytest.mark.nightly
@pytest.mark.timeout(1100)
def test_no_finished_record_is_lost_in_ten_thousand_power_cuts() -> None:
    _judge(list(range(100, 2600)))

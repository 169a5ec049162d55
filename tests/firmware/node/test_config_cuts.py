"""Changing the configuration on the real littlefs, the power going at any byte."""

from __future__ import annotations

import pytest

from tests.dual import run_on_micropython

pytestmark = pytest.mark.mpy


def test_power_cuts_leave_one_whole_configuration_or_the_other() -> None:
    found = run_on_micropython(
        "config_cuts", {"seeds": list(range(12)), "cuts": 20}, heap="4m", timeout_s=200
    )
    assert found["cuts"] >= 12 * 20
    assert (found["half"], found["dead"]) == (0, 0)
    assert found["starts"] > found["cuts"]

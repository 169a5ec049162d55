"""The meter against phonometry, in a process of its own: its lazy modules disturb who looks at them all."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    importlib.util.find_spec("phonometry") is None,
    reason="phonometry is absent: pip install --ignore-requires-python phonometry==3.3.0",
)
def test_an_independent_implementation_measures_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.phonometry_peer"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout)
    for row in found["laeq_of_noise_less_its_level"].values():
        assert abs(row["ours"]) <= 0.02
        assert abs(row["theirs"]) <= 0.1  # it is the same quantity
    for row in found["weighting_against_the_formula"].values():
        assert row["ours"] <= min(0.05, row["theirs"])
    assert max(found["street_ours_against_theirs"].values()) <= 0.1
    assert found["lafmax_of_4_khz_bursts_ours_against_theirs"] <= 0.1

"""Instants at which a clock or a counter wraps: whole nodes live across them, end to end into the store.

Ten whole years of each kind: `python -m tests.bench.years`.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec
import pytest

from simulator.stage.scenario import find, load, parse
from simulator.stage.stage import play
from tests.bench.years import crossed, measure

pytestmark = [pytest.mark.mpy, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("start", "until", "why"),
    [
        ("2034-01-09T13:17:00Z", "40m", "2^30 s after 2000: small ints of the chip have 31 bits"),
        ("2038-01-19T02:54:00Z", "40m", "2^31 s after 1970"),
        pytest.param("2036-02-07T06:08:00Z", "40m", "2^32 s after 1900: NTP", marks=pytest.mark.nightly),
        pytest.param(
            "2026-10-25T00:20:00Z", "80m", "the end of summer time in Brussels", marks=pytest.mark.nightly
        ),
        pytest.param("2036-02-29T23:20:00Z", "80m", "the end of a leap day", marks=pytest.mark.nightly),
        pytest.param(
            "2026-09-21T00:00:00Z",
            "13d",
            "2^30 ms: ticks_ms, after 12.4 days",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_nothing_is_lost_across_it(tmp_path: Path, start: str, until: str, why: str) -> None:
    interval_s = 300 if until.endswith("m") else 3600
    nodes = [
        {"kind": "garden", "interval_s": interval_s},
        {"kind": "air", "transport": "mqtt", "interval_s": interval_s, "config": {"page": False}},
    ]
    document = {"title": why, "start": start, "until": until, "slack": "10m", "nodes": nodes}
    result = play(parse(document), tmp_path)
    assert result.failures == [], why
    assert result.accounts is not None
    # GPS time is 18 s ahead of UTC: a node that took it for UTC would be among the "never measured".
    assert result.accounts["invented"] == 0
    assert result.accounts["stored"] >= 15
    assert "health.told" not in result.counters


def test_the_wraps_of_ten_years_are_all_in_the_scenario() -> None:
    scenario = load(find("ten-years"))
    start_s = scenario.start_us // 1_000_000
    end_s = start_s + scenario.until_us // 1_000_000
    hourly = [float(at_s) for at_s in range(start_s, end_s, 3600)]
    whole = crossed(hourly, start_s, end_s, 3600)
    assert all(row["crossed"] == row["whole"] for row in whole.values())
    assert {what: row["crossed"] for what, row in whole.items()} == {
        "2^30 s since 2000: small ints of the chip end": 1,
        "NTP's first era ends": 1,
        "2^31 s since 1970": 1,
        "ticks_ms, 2^30 ms": 293,
        "summer time begins or ends": 20,
        "leap day": 2,  # of 2032 and 2036
    }
    a_gap = [at_s for at_s in hourly if not 0 <= at_s - (1 << 31) < 4 * 3600]
    assert crossed(a_gap, start_s, end_s, 3600)["2^31 s since 1970"] == {"crossed": 1, "whole": 0}


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["air", "bin", "garden", "noise"])
def test_a_month_around_2038_of_each_kind(tmp_path: Path, kind: str) -> None:
    """The rows that the bench prints, at a pace of the scenario's own."""

    scenario = load(find("ten-years"))
    start = datetime.datetime(2038, 1, 2, tzinfo=datetime.UTC)
    scenario = msgspec.structs.replace(scenario, start=start, until="31d")
    group = next(one for one in scenario.nodes if one.kind == kind)
    row = measure(scenario, group, str(tmp_path))
    assert row["failures"] == [] and row["restarts"] == 0
    assert row["lost"] == row["twice"] == row["invented"] == 0
    assert row["kept"] >= 31 * 86_400 // group.interval_s
    assert row["stored"] >= row["kept"] - 2
    assert {what: found["whole"] for what, found in row["wraps"].items()} == {
        "2^31 s since 1970": 1,
        "ticks_ms, 2^30 ms": 2,
    }
    assert 0 < row["flash"]["worst_share_percent"] < 1

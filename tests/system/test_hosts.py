"""Hosts of a scenario: a router that is off at night takes its node's Wi-Fi away; a week indoors is seen."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from simulator.city import Town
from simulator.places import Places
from simulator.plan import plan_groups
from simulator.stage import events
from simulator.stage.scenario import parse
from simulator.stage.stage import play

HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000
START = datetime.datetime(2026, 6, 1, 20, 45, tzinfo=datetime.UTC)  # 22:45 in Brussels
START_US = int(START.timestamp()) * 1_000_000
GARDENS = {"kind": "garden", "transport": "mqtt", "interval_s": 900, "config": {"page": False}}


@pytest.mark.mpy
@pytest.mark.slow
def test_a_router_that_is_off_for_the_night_keeps_records_back_and_loses_none(tmp_path: Path) -> None:
    document = {
        "title": "two gardens", "city": "town", "hosts": True, "start": START, "until": "9h", "settle": "2h",
        "slack": "10m", "nodes": [GARDENS | {"count": 2}],
    }  # fmt: skip

    def sleepers(seed: int) -> list[bool]:
        """Tell by host whether the router is off at every hour of the night, and on before and after."""
        places = Places.of([node.place for node in plan_groups(parse(document).nodes, seed)])
        hours = START_US + np.array([0, 1, 3, 5, 7, 8, 9], dtype=np.int64) * HOUR_US
        on = Town(seed).streets.router_on(places, hours)
        return [row == [True, False, False, False, False, True, True] for row in on.tolist()]

    seed = next(seed for seed in range(1, 1000) if sleepers(seed) == [True, False])
    result = play(parse(document | {"seed": seed}), tmp_path)
    assert result.failures == []
    rows = events.read(tmp_path / "events.jsonl")
    off, on = [row for row in rows if row["what"] == "router" and row["who"].endswith("01-garden")]
    assert (off["on"], on["on"]) == (False, True)
    off_us, on_us, site = off["t_us"], on["t_us"], on["who"]
    assert 45 * MINUTE_US <= off_us - START_US <= 60 * MINUTE_US  # looked at each quarter of an hour: 23:30
    assert 465 * MINUTE_US <= on_us - START_US <= 466 * MINUTE_US  # 6:30
    stored = [(row["who"], row["t_us"]) for row in rows if row["kind"] == "store"]
    assert not [t_us for who, t_us in stored if who == site and off_us + MINUTE_US < t_us < on_us]
    assert sum(off_us < t_us < on_us for who, t_us in stored if who != site) >= 26  # the neighbour's is on
    filled = [t_us for who, t_us in stored if who == site and on_us <= t_us < on_us + HOUR_US]
    assert len(filled) >= 27  # the night's, at once
    assert sum(who == site for who, _ in stored) >= 35


def test_a_garden_that_is_taken_indoors_is_warm_dry_and_without_rain() -> None:
    town = Town(3)
    groups = parse({"title": "x", "nodes": [GARDENS | {"count": 300}]}).nodes
    places = Places.of([node.place for node in plan_groups(groups, 3)])
    times_us = START_US + np.arange(0, 168, 1, dtype=np.int64) * HOUR_US
    inside = town.streets.indoors(places, times_us)
    assert 0 < inside.any(axis=1).sum() < 20
    assert set(town.sample("temperature_c", places, times_us)[inside]) == {21.0}
    assert set(town.sample("relative_humidity_pct", places, times_us)[inside]) == {42.0}
    rain = town.sample("rain_rate", places, times_us)
    assert rain[inside].sum() == 0.0 < rain[~inside].sum()

"""A scenario in the length of a CI job: a day in two hours and a quarter, three nodes of each group.

The faults are the same ones in the same order, closer together. What takes its time (a join, a catch-up, a
trial of an update) takes as long as ever: so the quiet end is an hour and a quarter.
"""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.stage.faults import read
from simulator.stage.scenario import Scenario, parse
from simulator.stage.units import duration_us

WHOLE_S, SETTLE_S = 8100, 4500
MOST_NODES = 3  # of a group
MOST_OF_A_FLEET, FLEET_INTERVAL_S = 300, 600
INTERVAL_S = 180
_LEAST_S = 5


def shorter(scenario: Scenario) -> Scenario:
    """Return the short form; what is short already keeps its times."""
    settle_us = duration_us(scenario.settle, "settle", 0)
    factor = min(1.0, (WHOLE_S - SETTLE_S) * 1e6 / (scenario.until_us - settle_us))
    groups = [
        msgspec.structs.replace(group, count=min(group.count, MOST_NODES), interval_s=INTERVAL_S)
        for group in scenario.nodes
    ]
    fleet = scenario.fleet
    if fleet is not None:
        few = min(fleet.count, MOST_OF_A_FLEET)
        size_km, gateways = min(fleet.size_km, 4.0), min(fleet.gateways, 4)
        fleet = msgspec.structs.replace(
            fleet, count=few, size_km=size_km, gateways=gateways, power_on="10m", interval_s=FLEET_INTERVAL_S
        )
    found = msgspec.structs.replace(
        scenario,
        fleet=fleet,
        title=f"{scenario.title} (short)",
        until=f"{round((scenario.until_us - settle_us) * factor / 1e6) + SETTLE_S}s",
        settle=f"{SETTLE_S}s",
        slack="0s",
        nodes=groups,
        faults=[_sooner(row, factor) for row in scenario.faults],
    )
    return parse(msgspec.to_builtins(found, builtin_types=(type(scenario.start),)), "the short form")


def _sooner(row: dict[str, Any], factor: float) -> dict[str, Any]:
    def less(text: str, least_s: int = 0) -> str:
        return f"{max(round(duration_us(text, least_us=0) * factor / 1e6), least_s)}s"

    fault, found = read(row), dict(row)
    if row.get("at", "random") != "random":
        found["at"] = less(row["at"])
    lasts_s = 0
    if fault.LASTS:
        found["for"] = less(fault.lasts or fault.LASTS, _LEAST_S)
        lasts_s = int(found["for"][:-1])
    if fault.every:
        found["every"] = less(fault.every, lasts_s + _LEAST_S)
    return found

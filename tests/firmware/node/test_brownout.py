"""No power, no writing: a start waits for it, and a running node keeps back its records."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from node.brownout import wait_for_power
from node.power import PowerGuard, critical_mv
from tests.system.kinds import Around, live
from wire.measurements import BATTERY
from wire.record import NO_ANSWER, OK


class Battery:
    """A driver that gives what a list says."""

    def __init__(self, *values: int | None) -> None:
        self.values = list(values)

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def fetch(self) -> list[tuple[int, int, int]]:
        value = self.values.pop(0)
        return [(BATTERY, 0, NO_ANSWER)] if value is None else [(BATTERY, value, OK)]


def waits(*values: int | None, low_mv: int = 3300) -> list[int]:
    slept: list[int] = []
    wait_for_power(Battery(*values), low_mv, slept.append, lambda _text: None)
    return slept


def test_a_start_waits_longer_each_time_and_for_a_margin() -> None:
    assert waits(3100) == []
    assert waits(3099, 3100, 3150, 3199, 3200) == [120_000, 240_000, 480_000, 600_000]
    assert waits(2500, None) == [120_000]  # a divider that fell off stops nobody
    assert waits(2500, low_mv=0) == []
    assert wait_for_power(None, 3300, lambda _ms: None, lambda _text: None) == 0


def test_the_guard_has_two_edges_with_a_margin_each() -> None:
    guard = PowerGuard(3300)
    assert critical_mv(3300) == 3100
    told = []
    for mv in (3400, 3299, 3399, 3100, 3099, 3199, 3200, 3400):
        guard.update([(BATTERY, mv, OK)])
        told.append((guard.low, guard.critical))
    low, critical = zip(*told, strict=True)
    assert low == (False, True, True, True, True, True, True, False)
    assert critical == (False, False, False, False, True, True, False, False)
    mains = PowerGuard(0)
    mains.update([(BATTERY, 100, OK)])
    assert (mains.low, mains.critical) == (False, False)


def test_a_change_of_mind_about_the_battery_is_told_once() -> None:
    guard = PowerGuard(3300)
    steps = [
        (3900, False),
        (3410, False),
        (3390, True),
        (3350, False),
        (3200, False),
        (3450, False),
        (3500, True),
    ]
    assert [(mv, guard.update([(BATTERY, mv, OK)])) for mv, _ in steps] == steps
    assert guard.update([]) is False


@pytest.mark.mpy
def test_a_node_in_the_fog_writes_nothing_until_the_sun_comes(tmp_path: Path) -> None:
    around = Around(battery_mv=3000.0)
    log = tmp_path / "n" / "partition-log.bin"
    counters = tmp_path / "n" / "nvs-meetnet.json"
    seen: dict[str, Any] = {}

    async def fog(world: Any, node: Any) -> None:
        await world.run_for(3600)
        seen["written"] = log.exists() or any((tmp_path / "n").glob("nvs-*.json"))
        around.now["battery_mv"] = 3900.0
        await world.run_for(3600)
        around.now["battery_mv"] = 3050.0
        await world.run_for(300)
        seen["bytes"] = log.read_bytes()
        await world.run_for(4 * 3600)
        seen["still"] = log.read_bytes() == seen["bytes"]
        around.now["battery_mv"] = 3900.0
        await world.run_for(4 * 3600)

    node, records = live(tmp_path, "garden", "c3_garden", around, fog, interval_s=300, battery_low_mv=3300)
    assert node.boots == 1
    assert not seen["written"], counters
    assert seen["still"]
    times = [r.time_s for r in records]  # since this life began, about an hour after power came
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert sorted(gaps)[-2] <= 300
    assert 4 * 3600 <= max(gaps) <= 4 * 3600 + 8 * 300  # at a critical voltage it looks every eighth time
    assert 10 <= gaps.index(max(gaps)) + 1 <= 14

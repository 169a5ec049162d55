"""Whole bin and garden nodes in the unix port: the world tells a story, their records must tell it too."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from node.bin import BinKind
from node.energy import Budget, Ledger
from node.sensing import SensingNode
from simulator.node import SimNode
from simulator.world import World
from tests.dual_scripts.node_life import World as Life
from tests.system.kinds import Around, live
from wire import measurements as m
from wire import ports
from wire.codec import decode
from wire.record import DEGRADED, FIRST_ERROR, NOT_READY, OK, Record


def said(records: list[Record], measurement: int) -> list[tuple[int, int]]:
    return [(raw, state) for r in records for i, raw, state in r.readings if i == measurement]


def events(records: list[Record]) -> list[int]:
    return [raw for raw, _ in said(records, m.EVENTS)]


@pytest.mark.mpy
def test_a_day_of_a_bin_on_a_real_boards_pins(tmp_path: Path) -> None:
    around = Around(distance_mm=1000.0)

    async def during(world: World, node: SimNode) -> None:
        await world.run_for(1800)
        for _ in range(5):  # five bags: the lid goes up for twelve seconds each time
            around.now["tilt_deg"] = 75.0
            await world.run_for(12)
            around.now["tilt_deg"] = 0.0
            around.now["distance_mm"] -= 120.0
            await world.run_for(1788)
        node.board.chips["vl53l1x"].faults.add("condensation")  # type: ignore[attr-defined]
        await world.run_for(3600)
        node.board.chips["vl53l1x"].faults.clear()  # type: ignore[attr-defined]
        around.now["distance_mm"] = 1150.0  # emptied
        await world.run_for(3600)
        around.now["tilt_deg"] = 88.0  # knocked over
        await world.run_for(3600)
        around.now["tilt_deg"] = 0.0
        await world.run_for(1200)

    _, records = live(tmp_path, "bin", "t3s3_bin", around, during, interval_s=900, bin_depth_mm=1100)
    openings = said(records, m.LID_OPENINGS)
    assert max(raw for raw, _ in openings) >= 5
    told = events(records)
    assert sum(bool(bits & m.EVENT_EMPTIED) for bits in told) == 1
    assert sum(bool(bits & m.EVENT_KNOCKED_OVER) for bits in told) == 1
    assert not any(bits & m.EVENT_FIRE for bits in told)
    lying = [
        r for r in records if (m.TILT, 880, OK) in r.readings and any(x[0] == m.DISTANCE for x in r.readings)
    ]
    assert lying
    assert all((m.DISTANCE, 0, NOT_READY) in r.readings for r in lying)
    believed = [(raw, state) for raw, state in said(records, m.DISTANCE) if state < FIRST_ERROR]
    assert {raw for raw, state in believed if state == OK} <= {1000, 880, 760, 640, 520, 400, 1150}
    assert all(state in (OK, DEGRADED) for _, state in believed)


@pytest.mark.mpy
def test_a_fire_is_a_record_of_its_own_within_two_minutes(tmp_path: Path) -> None:
    around = Around()

    async def during(world: World, node: SimNode) -> None:
        await world.run_for(4000)
        for minute in range(4):
            around.now["temperature_c"] = 18.0 + 9.0 * (minute + 1)
            await world.run_for(60)
        await world.run_for(600)

    _, records = live(tmp_path, "bin", "heltec3_bin", around, during, interval_s=900)
    alarms = [r for r in records if any(i == m.EVENTS and raw & m.EVENT_FIRE for i, raw, _ in r.readings)]
    assert len(alarms) == 1
    assert 4000 <= alarms[0].time_s <= 4130 + 30
    assert not any(i == m.DISTANCE for i, _, _ in alarms[0].readings)  # it did not wait for a measurement


def test_an_alarm_goes_first_at_once_and_again_until_it_is_acknowledged() -> None:
    life = Life({"interval_s": 3600})
    plain: Any = life.boot()
    node = SensingNode(
        plain.hal, plain.config, plain.sensors, plain.link, plain.log, plain.outbox, plain.time, plain.health
    )
    ledger = Ledger(None, plain.time.uptime_ms)
    kind = BinKind()
    life.node = node.furnish(kind, ledger, Budget(ledger, 0, plain.time.uptime_ms), 60_000)
    tries: list[tuple[int, bool, bytes]] = []
    transmit = life.mac.send

    def send(port: int, payload: bytes, confirmed: bool = False) -> Any:
        if _fire(port, payload):
            tries.append((life.clock.at_ms, confirmed, bytes(payload)))
            life.air["good"] = len(tries) > 3
        return transmit(port, payload, confirmed)

    life.mac.send = send
    life.live(4000)
    began = life.clock.at_ms
    kind._events, kind.urgent = m.EVENT_FIRE, True
    life.live(600)
    ordinary = [attempt for attempt in tries if not attempt[1]]
    assert len(ordinary) <= 1  # it is in the log too and goes its ordinary way once
    tries = [attempt for attempt in tries if attempt[1]]
    assert len(tries) == 4  # three unheard, one acknowledged, none after it
    assert tries[0][0] - began < 90_000
    assert all(10_000 <= b[0] - a[0] <= 60_000 for a, b in itertools.pairwise(tries))
    assert len({payload for _, _, payload in tries}) == 1  # the same record: stored once
    assert sum(_told_fire(record) for record in life.arrived()) == 1


def _told_fire(record: Record) -> bool:
    return any(i == m.EVENTS and raw & m.EVENT_FIRE for i, raw, _ in record.readings)


def _fire(port: int, payload: bytes) -> bool:
    return port == ports.RECORDS and any(_told_fire(record) for record in decode(payload))


@pytest.mark.mpy
def test_no_tip_is_lost_while_the_node_sleeps_and_each_minute_with_tips_has_its_record(
    tmp_path: Path,
) -> None:
    around = Around()
    tips = 0

    async def during(world: World, node: SimNode) -> None:
        nonlocal tips
        await world.run_for(1000)
        for step in range(120):
            await world.run_for(30)
            new = (0, 0, 1, 0, 3, 0, 0, 7)[step % 8]
            tips += new
            around.now["rain_mm"] += new * 0.2794
        await world.run_for(1000)

    _, records = live(tmp_path, "garden", "c3_garden", around, during, interval_s=900)
    counts = [raw for raw, _ in said(records, m.RAIN_TIPS)]
    assert counts[-1] == tips
    wet = [r for r in records if len(r.readings) == 1]
    assert len(wet) >= 40
    assert counts == sorted(counts)

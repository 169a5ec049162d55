"""A gas sensor that never sleeps: its index, seconds that were missed, faults; and within a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ph4gas.sensirion import NoxGasIndexAlgorithm, VocGasIndexAlgorithm

from drivers.sgp41 import SGP41, humidity_word, temperature_word
from node.gas import GasMeter
from node.retained import Retained
from simulator.chips import sgp41 as model_of
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C
from wire import measurements as m
from wire.record import DEGRADED, FIRST_ERROR, GAP, NO_ANSWER, NOT_READY, OK, WARMUP


class Air:
    """Ticks that a test sets; a step every hour."""

    def __init__(self) -> None:
        self.voc, self.nox = 30_000.0, 15_000.0

    def __call__(self, quantity: str, now_us: int) -> float:
        hours = now_us // 3_600_000_000
        return {"sraw_voc": self.voc - 150 * (hours % 3), "sraw_nox": self.nox + 80 * (hours % 2)}[quantity]


class Node:
    """What a GasMeter asks of a node."""

    def __init__(self, clock: FakeClock | None = None, memory: list[bytes] | None = None) -> None:
        self.now: tuple[int, int] | None = (2150, 480)
        self.hal = self
        self.clock = clock or FakeClock()
        self.retained = Retained(_memory([b""] if memory is None else memory))

    def rtc_ms(self) -> int:
        return self.clock.us // 1000

    def climate(self) -> tuple[int, int] | None:
        return self.now


def _memory(cell: list[bytes]) -> Any:
    def access(data: bytes | None = None) -> bytes | None:
        if data is None:
            return cell[0]
        cell[0] = data
        return None

    return access


def wired() -> tuple[GasMeter, model_of.SGP41, FakeClock, Node]:
    clock, node = FakeClock(), Node()
    model = model_of.SGP41(Air())
    meter = GasMeter(SGP41(ModelI2C(clock, model), clock), clock)
    meter.attach(node)
    meter.probe()
    return meter, model, clock, node


def live(meter: GasMeter, clock: FakeClock, seconds: float) -> None:
    end = clock.us + round(seconds * 1e6)
    while clock.us < end:
        meter.tick()
        clock.us = min(end, clock.us + 1000 * meter.due_ms() + 1)


def by_id(readings: Any) -> dict[int, tuple[int, int, int]]:
    return {row[0]: row for row in readings}


def test_the_index_of_six_hours_is_that_of_the_published_algorithm() -> None:
    meter, model, clock, _ = wired()
    live(meter, clock, 6 * 3600)
    found = by_id(meter.fetch())
    voc, nox = VocGasIndexAlgorithm(), NoxGasIndexAlgorithm()
    for second in range(11, 6 * 3600):
        air = model.source
        voc.process(int(air("sraw_voc", second * 1_000_000)))
        nox.process(int(air("sraw_nox", second * 1_000_000)))
    assert found[m.VOC_INDEX] == (m.VOC_INDEX, pytest.approx(10 * voc.gas_index, abs=20), OK)
    assert found[m.NOX_INDEX] == (m.NOX_INDEX, pytest.approx(10 * nox.gas_index, abs=20), OK)
    assert found[m.SRAW_VOC][1] == 30_000 - 150 * 2
    assert not model.damaged
    assert model.arguments == (humidity_word(480), temperature_word(2150))


def test_there_is_no_index_at_first_and_then_it_is_learning() -> None:
    meter, _, clock, _ = wired()
    assert {row[2] for row in meter.fetch()} == {NOT_READY}
    live(meter, clock, 40)
    found = by_id(meter.fetch())
    assert (found[m.VOC_INDEX][2], found[m.SRAW_VOC][2]) == (NOT_READY, OK)
    live(meter, clock, 600)
    found = by_id(meter.fetch())
    assert (found[m.VOC_INDEX][2], found[m.NOX_INDEX][2]) == (WARMUP, WARMUP)
    live(meter, clock, 3000)
    found = by_id(meter.fetch())
    assert (found[m.VOC_INDEX][2], found[m.NOX_INDEX][2]) == (OK, WARMUP)  # NOx learns for 4.75 hours


def test_seconds_that_were_missed_count_and_many_of_them_are_a_gap() -> None:
    meter, _, clock, _ = wired()
    live(meter, clock, 5 * 3600)
    whole, _, its_clock, _ = wired()
    live(whole, its_clock, 5 * 3600)
    for _ in range(4):  # eight seconds of five minutes belong to the radio
        live(meter, clock, 292)
        clock.sleep_ms(8000)
        live(whole, its_clock, 300)
        a, b = by_id(meter.fetch()), by_id(whole.fetch())
        assert a[m.VOC_INDEX][2] == OK
        assert abs(a[m.VOC_INDEX][1] - b[m.VOC_INDEX][1]) <= 10
    live(meter, clock, 200)
    clock.sleep_ms(60_000)
    meter.tick()
    assert by_id(meter.fetch())[m.VOC_INDEX][2] == GAP


def test_a_long_pause_is_learnt_anew_and_without_climate_it_is_in_doubt() -> None:
    meter, _, clock, node = wired()
    live(meter, clock, 6 * 3600)
    node.now = None
    live(meter, clock, 120)
    assert by_id(meter.fetch())[m.VOC_INDEX][2] == DEGRADED
    clock.sleep_ms(1_000_000)
    meter.tick()
    assert by_id(meter.fetch())[m.VOC_INDEX][2] == NOT_READY


@pytest.mark.parametrize(("pause_s", "state"), [(300, OK), (900, WARMUP)])
def test_a_reset_goes_on_with_what_was_learnt_and_a_long_pause_does_not(pause_s: int, state: int) -> None:
    clock, cell = FakeClock(), [b""]
    model = model_of.SGP41(Constants(sraw_voc=30_000.0, sraw_nox=15_000.0))

    def born() -> GasMeter:
        meter = GasMeter(SGP41(ModelI2C(clock, model), clock), clock)
        meter.attach(Node(clock, cell))
        meter.probe()
        return meter

    meter = born()
    live(meter, clock, 4 * 3600)
    before = by_id(meter.fetch())[m.VOC_INDEX][1]
    clock.sleep_ms(1000 * pause_s)
    meter = born()
    live(meter, clock, 180)
    found = by_id(meter.fetch())[m.VOC_INDEX]
    assert found[2] == state
    assert state != OK or abs(found[1] - before) < 50  # the same air, the same index
    assert by_id(meter.fetch())[m.NOX_INDEX][2] == WARMUP


def test_a_chip_that_lost_its_supply_comes_back_conditioned_anew() -> None:
    meter, model, clock, _ = wired()
    live(meter, clock, 3600)
    model.faults.add("brown_out")
    live(meter, clock, 60)
    assert {row[2] for row in meter.fetch()} <= {NO_ANSWER}
    model.faults.clear()
    live(meter, clock, 5)
    assert all(state >= FIRST_ERROR or state == WARMUP for _, _, state in meter.fetch()[:2])
    live(meter, clock, 400)
    assert by_id(meter.fetch())[m.SRAW_VOC][2] in (OK, GAP)
    assert not model.damaged


@pytest.mark.mpy
@pytest.mark.slow
def test_a_node_measures_each_second_beside_its_particles(tmp_path: Path) -> None:
    from tests.system.kinds import Around
    from tests.system.kinds import live as live_node

    async def hour(world: Any, node: Any) -> None:
        await world.run_for(3 * 3600 + 300)

    node, records = live_node(tmp_path, "air", "t3s3_air_gas", Around(), hour, 512 * 1024, interval_s=300)
    late = [by_id(r.readings) for r in records[12:]]
    assert len(late) >= 24
    assert all(r[m.VOC_INDEX][2] == OK for r in late)  # learnt after 45 minutes, no gaps
    assert all(r[m.PM2_5][2] == OK and r[m.TEMPERATURE][2] == OK for r in late)
    chip: Any = node.board.chips["sgp41"]
    assert not chip.damaged
    assert chip.arguments == (humidity_word(600), temperature_word(1800))

"""The node's state machine over a virtual clock: days of life in milliseconds, on both Pythons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from node.schedule import Schedule
from node.timekeeping import Timekeeper
from tests.dual import run_on_both
from tests.dual_scripts.node_life import UTC0_MS, Clock, World
from wire import ports
from wire.record import NO_ANSWER, OUT_OF_RANGE, TIME_NETWORK, TIME_NEVER_SET, WARMUP

UTC0_S = UTC0_MS // 1000


def _born() -> World:
    world = World()
    world.boot()
    return world


def test_the_first_record_is_taken_at_once_and_needs_no_network() -> None:
    world = _born()
    world.air["good"] = False
    world.live(1)
    assert world.node.records == 1


def test_records_end_on_whole_multiples_of_the_interval_once_the_time_is_known() -> None:
    world = _born()
    world.live(4 * 3600)
    records = world.arrived()
    assert len(records) >= 48
    assert {r.time_s % 300 for r in records[1:]} == {0}
    assert {b.time_s - a.time_s for a, b in pairwise(records[1:])} == {300}


def test_a_record_carries_the_time_of_its_acquisition_also_when_taken_before_the_first_answer() -> None:
    world = _born()
    world.air["good"] = False
    world.live(3600)
    world.air["good"] = True
    world.live(3600)
    records = world.arrived()
    assert [r.seq for r in records] == list(range(len(records)))
    for record in records:
        assert record.time_quality == TIME_NETWORK
        # The stand-in thermometer tells the world's minute.
        assert record.readings[0][1] in {(record.time_s + d - UTC0_S) // 60 for d in (-1, 0, 1)}


def test_a_network_that_tells_no_time_gets_the_records_with_uptime_after_three_requests() -> None:
    world = _born()
    world.air["tells_time"] = False
    world.live(1800)
    records = world.arrived()
    assert len(records) >= 5
    assert {r.time_quality for r in records} == {TIME_NEVER_SET}
    assert records[0].time_s < 10


def test_a_node_that_was_passed_by_asks_for_the_time_again_and_needs_no_day_for_it() -> None:
    """A gateway that has a whole street to answer at once passes some by."""
    world = _born()
    world.air["tells_time"] = False
    world.live(3600)
    world.air["tells_time"] = True
    world.live(7200)
    assert world.arrived()[-1].time_quality == TIME_NETWORK
    assert len(world.statuses()) <= 5  # the later requests travel with records


def test_a_warm_up_is_slept_before_the_due_time_not_after_it() -> None:
    world = World()
    world.sensor.settle_ms = 30000
    world.boot()
    world.live(3600)
    records = world.arrived()
    assert all(r.readings[0][2] != WARMUP for r in records)
    assert {r.time_s % 300 for r in records[1:]} == {0}


def test_a_dead_sensor_is_a_state_in_every_record_and_comes_back_by_itself() -> None:
    world = World()
    world.sensor.broken = "probe"
    world.boot()
    world.live(1800)
    world.sensor.broken = None
    world.live(1800)
    states = [r.readings[0][2] for r in world.arrived()]
    assert states[0] == NO_ANSWER
    assert states[-1] == 0
    assert world.statuses()[0].sensors == [NO_ANSWER, 0]
    assert "thermometer: not wired" in " ".join(world.said)


@pytest.mark.parametrize(("broken", "state"), [("raise", 12), ("absurd", OUT_OF_RANGE)])
def test_a_driver_that_misbehaves_costs_its_own_reading_only(broken: str, state: int) -> None:
    world = World()
    world.sensor.broken = broken
    world.boot()
    world.live(900)
    for record in world.arrived():
        assert record.readings[0] == (5, 0, state)
        assert record.readings[1] == (17, 4000, 0)


def test_a_low_battery_keeps_the_radio_off_and_the_log_going_until_it_has_recovered() -> None:
    world = World({"battery_low_mv": 3300})
    world.battery.mv = 3200
    world.boot()
    world.live(7200)
    assert world.air["heard"] == []
    assert world.mac.joins == 0
    world.battery.mv = 3350  # above the limit, but within the hysteresis
    world.live(7200)
    assert world.air["heard"] == []
    world.battery.mv = 3500
    world.live(7200 + 40)  # the newest record goes out within a tenth of the interval
    assert len(world.arrived()) == world.node.records


def sending_times_ms(chance: Callable[[int], int]) -> list[int]:
    """When a node with this dice sends its records in its second hour."""
    world = World()
    world.boot()
    world.hal.random = chance
    sent: list[int] = []
    send = world.mac.send

    def noted(port: int, payload: bytes, confirmed: bool = False) -> object:
        if port == ports.RECORDS:
            sent.append(world.clock.at_ms)
        return send(port, payload, confirmed)

    world.mac.send = noted
    world.live(3600)
    sent.clear()
    world.live(3600)
    return sent


def test_nodes_of_one_street_spread_their_frames_over_a_tenth_of_the_interval() -> None:
    first, last = sending_times_ms(lambda n: 0), sending_times_ms(lambda n: n - 1)
    assert len(first) == 12
    apart_ms = [(b - a) % 300_000 for a, b in zip(first, last, strict=False)]
    assert all(25_000 <= ms <= 35_000 for ms in apart_ms), apart_ms


def test_status_comes_after_start_and_then_daily() -> None:
    world = _born()
    world.live(3 * 86400 + 3600)
    statuses = world.statuses()
    assert world.air["heard"][0][0] == ports.STATUS
    assert 4 <= len(statuses) <= 8  # those that carried a time request included
    assert statuses[0].boots == 1
    assert statuses[-1].uptime_s > 3 * 86400
    assert statuses[-1].battery_mv == 4000


def test_an_unconfirmed_uplink_is_sent_again() -> None:
    world = World({"confirm_every": 1})
    world.boot()
    world.live(3600)
    world.air["good"] = False
    world.live(1800)
    world.air["good"] = True
    world.live(7200 + 40)
    records = world.arrived()
    assert [r.seq for r in records] == list(range(world.node.records))


def test_a_session_that_nobody_answers_for_long_is_joined_anew() -> None:
    world = World({"confirm_every": 1})
    world.boot()
    world.live(3600)
    assert world.mac.joins == 1
    world.air["good"] = False
    world.live(6 * 3600)
    world.air["good"] = True
    world.live(6 * 3600 + 40)
    assert world.mac.joins > 1
    assert [r.seq for r in world.arrived()] == list(range(world.node.records))


def test_a_sensor_that_takes_long_to_fetch_begins_before_the_others_and_all_end_in_time() -> None:
    world = World()
    world.sensor.settle_ms = 500
    world.sensor.fetch_ms = 2100
    began: list[int] = []
    fetch = world.sensor.fetch

    def slow() -> list[tuple[int, int, int]]:
        began.append(world.clock.at_ms % 300_000)
        world.clock.at_ms += 2400
        return fetch()

    world.sensor.fetch = slow
    world.boot()
    world.live(1800)
    assert {r.time_s % 300 for r in world.arrived()[1:]} == {0}
    assert all(300_000 - 2700 < at < 300_000 - 2400 for at in began[2:])


def test_a_sensor_that_gives_up_at_once_is_not_asked_again_before_the_next_interval() -> None:
    world = World()
    world.sensor.broken = "raise"
    world.sensor.fetch_ms = 11000
    world.boot()
    world.live(3600)
    assert world.node.records <= 14


@pytest.mark.parametrize("back_ms", [20, 3000, 29000])
def test_a_clock_put_back_just_after_a_record_does_not_make_it_due_again(back_ms: int) -> None:
    clock = Clock()
    time = Timekeeper(clock)
    time.set(UTC0_MS, clock.ticks_ms(), TIME_NETWORK)
    schedule = Schedule(time, 300)
    clock.at_ms += 300_010
    schedule.done()
    assert schedule.due_ms == 600_000
    time.set(UTC0_MS + clock.at_ms - back_ms, clock.ticks_ms(), TIME_NETWORK)
    schedule.plan()
    assert schedule.due_ms == 600_000 + back_ms


def test_the_watchdog_is_never_left_unfed_for_its_480_seconds() -> None:
    world = World({"interval_s": 86400})
    world.boot()
    world.live(3 * 86400)
    assert world.hal.longest_unfed_ms <= 300_000


def test_ticks_that_wrap_after_twelve_days_change_nothing() -> None:
    world = World({"interval_s": 3600})
    world.boot()
    world.live(30 * 86400)
    records = world.arrived()
    assert len(records) == pytest.approx(721, abs=2)
    assert {b.time_s - a.time_s for a, b in pairwise(records[1:])} == {3600}


@pytest.mark.mpy
def test_three_days_with_outages_and_power_cuts_lose_nothing_on_both_pythons() -> None:
    script = {
        "days": 3,
        "outages": [[20000, 60000], [100000, 143200]],
        "cuts": [30030, 90000, 120000, 125000, 200040],
    }
    result = run_on_both("node_life", script, heap="8m")  # the test keeps every frame; the node does not
    records = result["records"]
    assert [r[0] for r in records] == list(range(len(records)))
    assert len(records) >= 3 * 288
    assert result["waiting"] <= 1
    for _seq, time_s, quality, readings in records:
        if quality == TIME_NEVER_SET:  # the life from 120000 s to 125000 s never got an answer
            assert 2000 < readings[0][1] <= 2085
            # Its records are put as late as they can be: just before the next life, which began at once,
            # at most one interval after the last of them.
            assert 0 <= (time_s - UTC0_S) // 60 - readings[0][1] <= 5
            continue
        assert quality == TIME_NETWORK
        # Times of records that were taken before the first answer are known to half a second.
        assert readings[0][1] in {(time_s + d - UTC0_S) // 60 for d in (-1, 0, 1)}


def test_the_drift_of_the_crystal_is_estimated_from_one_answer_to_the_next() -> None:
    """A crystal that is 40 ppm slow loses 3456 ms in a day; a clock that was set has not drifted."""
    clock = Clock()
    time = Timekeeper(clock)
    assert time.set(UTC0_MS, clock.ticks_ms(), TIME_NETWORK)
    assert time.drift_ppm is None
    clock.at_ms += 86_400_000 - 3456
    assert time.set(UTC0_MS + 86_400_000, clock.ticks_ms(), TIME_NETWORK)
    assert time.drift_ppm == 40
    clock.at_ms += 600_000
    assert time.set(UTC0_MS + 87_001_000, clock.ticks_ms(), TIME_NETWORK)
    assert time.drift_ppm == 40  # ten minutes are too short to tell
    clock.at_ms += 86_400_000
    assert time.set(UTC0_MS + 86_400_000 * 2 + 4_201_000, clock.ticks_ms(), TIME_NETWORK)
    assert time.drift_ppm == 40

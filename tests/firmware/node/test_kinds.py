"""What bin, air and garden nodes make of readings; judged by numpy, Magnus' formula and physics."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.dewpoint import dew_point_centi
from kernels.statistics import Statistics, isqrt
from node.air import PmSampler
from node.bin import BinKind, FireWatch, litres, parse_table, sound_mm
from node.energy import Budget, Ledger
from node.garden import GardenKind
from node.switched import PowerSwitch, Switched
from tests.dual import run_on_both
from tests.dual_scripts.kinds import story
from tests.dual_scripts.node_life import Clock
from wire import energy
from wire import measurements as m
from wire.record import DEGRADED, FAULT, FIRST_ERROR, NO_ANSWER, NOT_READY, OK, WARMUP

MINUTE = 60_000


def bin_readings(
    sound: int = 900, light: int | None = 900, tilt: int = 0, temperature: int = 1800
) -> list[list[int]]:
    rows = [[m.DISTANCE, sound, OK], [m.TEMPERATURE, temperature, OK], [m.TILT, tilt, OK]]
    return rows + ([[m.DISTANCE_LIGHT, light, OK]] if light is not None else [])


def value(kept: Any, measurement: int) -> list[int] | None:
    found = [list(row) for row in kept if row[0] == measurement]
    return found[0] if found else None


# -- arithmetic, the same on both Pythons ---------------------------------------------------------


@pytest.mark.mpy
def test_both_pythons_agree() -> None:
    rng = np.random.default_rng(5)
    data = {
        "values": [rng.integers(0, 10000, n).tolist() for n in (1, 2, 3, 20, 60)],
        "dew": [[t, h] for t in range(-4000, 6001, 555) for h in (0, 1, 50, 333, 700, 1000)],
        "table": "1350:0,800:60,250:120",
        "mm": [0, 250, 251, 799, 800, 1100, 1350, 9999],
        "sound": [[1000, -1000], [1000, 0], [1000, 2000], [2700, 4000]],
        "story": [[i * 900_000, bin_readings(900 - 20 * i)] for i in range(6)],
        "days": [[3400, 0, 1000], [3400, 10**9, 1000], [0, 0, 10], [3000, 5000, 1]],
    }
    result = run_on_both("kinds", data)
    for numbers, row in zip(data["values"], result["statistics"], strict=True):
        n, mean, low, high, deviation, _ = row
        assert (n, low, high) == (len(numbers), min(numbers), max(numbers))
        assert mean == math.floor(np.mean(numbers) + 0.5)
        if n > 1:
            assert abs(deviation - np.std(numbers, ddof=1)) <= 0.51


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=40))
def test_statistics_are_those_of_numpy(values: list[int]) -> None:
    s = Statistics()
    for v in values:
        s.add(v)
    assert abs(s.mean() - np.mean(values)) <= 0.5 + 1e-6
    assert abs(s.deviation() - np.std(values, ddof=1)) <= 0.51
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    if abs(error - 50) > 1e-6:
        assert s.certain(50) == (error < 50)


@given(st.integers(0, 10**12))
def test_the_root_is_exact(n: int) -> None:
    assert isqrt(n) == math.isqrt(n)


@pytest.mark.parametrize("celsius", [-30, -10, 0, 10, 20, 30, 45])
@pytest.mark.parametrize("humidity", [5, 20, 50, 80, 100])
def test_dew_points_are_those_of_magnus_formula(celsius: int, humidity: int) -> None:
    gamma = math.log(humidity / 100) + 17.62 * celsius / (243.12 + celsius)  # WMO-No. 8
    expected = 243.12 * gamma / (17.62 - gamma)
    found = dew_point_centi(100 * celsius, 10 * humidity)
    assert found is not None
    assert abs(found / 100 - expected) < (0.03 if expected > -40 else 0.1)


def test_dry_air_has_no_dew_point() -> None:
    assert dew_point_centi(2000, 0) is None
    assert dew_point_centi(9000, 500) is None


def test_the_speed_of_sound_follows_the_temperature() -> None:
    # 331.3 + 0.606 T: a fixed 343 m/s errs 3.5 % at 0 degrees, 35 mm a metre.
    assert sound_mm(1000, 0) == pytest.approx(965, abs=1)
    assert sound_mm(1000, 1964) == pytest.approx(1000, abs=1)
    assert sound_mm(2700, 4000) == pytest.approx(2700 * 355.54 / 343.2, abs=1)


def test_a_fixed_speed_sensor_is_corrected_and_one_without_temperature_is_in_doubt() -> None:
    kept = story([[0, bin_readings(1000, None, temperature=0)]], fixed=True)[0][0]
    assert value(kept, m.DISTANCE) == [m.DISTANCE, 965, OK]
    kept = story([[0, [[m.DISTANCE, 1000, OK]]]], fixed=True)[0][0]
    assert value(kept, m.DISTANCE) == [m.DISTANCE, 1000, DEGRADED]


def test_litres_follow_the_table_and_a_bad_table_is_none() -> None:
    table = parse_table("1350:0,800:60,250:120")
    assert [litres(table, mm) for mm in (100, 250, 525, 800, 1075, 1350, 4000)] == [
        120,
        120,
        90,
        60,
        30,
        0,
        0,
    ]
    for text in ("", "1350", "1350:0", "a:b,c:d", "1:2,3"):
        assert parse_table(text) == []
    kept = story([[0, bin_readings(525, 525)]], table="1350:0,800:60,250:120")[0][0]
    assert value(kept, m.FILL_VOLUME) == [m.FILL_VOLUME, 90, OK]


# -- which distance ------------------------------------------------------------------------------


def test_agreement_is_good_and_a_single_sensor_is_in_doubt() -> None:
    assert value(story([[0, bin_readings(900, 930)]])[0][0], m.DISTANCE) == [m.DISTANCE, 900, OK]
    rows = bin_readings(900, None)
    rows.append([m.DISTANCE_LIGHT, 0, NO_ANSWER])
    assert value(story([[0, rows]])[0][0], m.DISTANCE) == [m.DISTANCE, 900, DEGRADED]
    rows = bin_readings(0, 880)
    rows[0] = [m.DISTANCE, 0, NO_ANSWER]
    assert value(story([[0, rows]])[0][0], m.DISTANCE) == [m.DISTANCE, 880, DEGRADED]


def test_drops_on_the_window_and_echoes_of_the_wall_do_not_fill_the_bin() -> None:
    told = story(
        [
            [0, bin_readings(900, 905)],
            [900_000, bin_readings(895, 60)],  # condensation
            [1_800_000, bin_readings(300, 890)],  # a ghost echo
            [2_700_000, bin_readings(885, 880)],
        ]
    )
    assert [value(kept, m.DISTANCE) for kept, _, _ in told] == [
        [m.DISTANCE, 900, OK],
        [m.DISTANCE, 895, DEGRADED],
        [m.DISTANCE, 890, DEGRADED],
        [m.DISTANCE, 885, OK],
    ]
    assert not any(value(kept, m.EVENTS) for kept, _, _ in told)


def test_nothing_is_measured_with_the_lid_open_and_it_is_looked_at_again() -> None:
    told = story([[0, bin_readings()], [900_000, bin_readings(2500, 3000, tilt=700)]])
    kept, _, again = told[1]
    assert value(kept, m.DISTANCE) == [m.DISTANCE, 0, NOT_READY]
    assert value(kept, m.DISTANCE_LIGHT) == [m.DISTANCE_LIGHT, 0, NOT_READY]
    assert value(kept, m.EVENTS) == [m.EVENTS, m.EVENT_LID_OPEN, OK]
    assert value(kept, m.LID_OPENINGS) == [m.LID_OPENINGS, 1, OK]
    assert again == 900_000 + MINUTE


# -- events ---------------------------------------------------------------------------------------


def test_an_emptying_is_told_once_when_a_second_reading_agrees() -> None:
    told = story(
        [
            [0, bin_readings(400, 400)],
            [900_000, bin_readings(1200, 1210)],
            [960_000, bin_readings(1205, 1210)],
            [1_860_000, bin_readings(1200, 1200)],
        ]
    )
    events = [value(kept, m.EVENTS) for kept, _, _ in told]
    assert events == [None, None, [m.EVENTS, m.EVENT_EMPTIED, OK], None]
    assert told[1][2] == 900_000 + MINUTE


def test_one_odd_reading_is_no_emptying() -> None:
    told = story(
        [
            [0, bin_readings(400, 400)],
            [9 * MINUTE, bin_readings(1200, 1200)],
            [10 * MINUTE, bin_readings(398, 400)],
        ]
        + [[(20 + i) * MINUTE, bin_readings(395, 400)] for i in range(5)]
    )
    assert not any(value(kept, m.EVENTS) for kept, _, _ in told)


def test_an_echo_while_there_are_drops_on_the_window_does_not_fill_the_bin() -> None:
    told = story(
        [
            [0, bin_readings(1250, 1250)],
            [15 * MINUTE, bin_readings(600, 300)],  # an echo of the wall, and a drop
            [30 * MINUTE, bin_readings(1250, 1240)],
            [31 * MINUTE, bin_readings(1250, 1240)],
        ]
    )
    assert not any(value(kept, m.EVENTS) for kept, _, _ in told)
    told = story(
        [
            [0, bin_readings(1250, 1250)],
            [15 * MINUTE, bin_readings(600, 300)],
            [30 * MINUTE, bin_readings(610, 300)],  # twice alike: it was filled, the window is wet
            [45 * MINUTE, bin_readings(1250, 1240)],
            [46 * MINUTE, bin_readings(1250, 1240)],
        ]
    )
    assert value(told[-1][0], m.EVENTS) == [m.EVENTS, m.EVENT_EMPTIED, OK]


def test_what_burnt_was_not_emptied() -> None:
    def after(minutes: int) -> list[int] | None:
        kind = BinKind()
        hot = (m.TEMPERATURE, 7500, OK)
        kind.refine([tuple(r) for r in bin_readings(400, 400)], 0)
        kept = kind.refine(
            [tuple(r) for r in bin_readings(400, 400, temperature=7500)], 5 * MINUTE, lambda: hot
        )
        assert value(kept, m.EVENTS) == [m.EVENTS, m.EVENT_FIRE, OK]
        for i in range(2):
            kept = kind.refine([tuple(r) for r in bin_readings(1200, 1200)], (minutes + i) * MINUTE)
        return value(kept, m.EVENTS)

    assert after(60) is None
    assert after(300) == [m.EVENTS, m.EVENT_EMPTIED, OK]


def test_sampling_slows_while_nothing_changes_and_is_back_at_once() -> None:
    rows = [[i * 15 * MINUTE, bin_readings()] for i in range(12)]
    paces = [pace for _, pace, _ in story([*rows, [13 * 15 * MINUTE, bin_readings(700, 700)]])]
    assert paces[0] == 1
    assert paces[-2] == 4
    assert paces[-1] == 1
    untold = [[i * 15 * MINUTE, [[m.DISTANCE, 900, OK]]] for i in range(12)]
    assert {pace for _, pace, _ in story(untold)} == {1}  # nobody would feel the lid


def test_a_bin_that_lies_down_is_told_after_ten_minutes_once_and_a_held_lid_is_not() -> None:
    kind = BinKind()
    tilted = (m.TILT, 850, OK)
    told = [kind.look(i * MINUTE, None, lambda: None, tilted, None) for i in range(9)]
    assert not any(told)
    assert kind.look(10 * MINUTE, None, lambda: None, tilted, None)
    assert kind.take_events() == [(m.EVENTS, m.EVENT_KNOCKED_OVER, OK)]
    kind.urgent = False
    assert not kind.look(30 * MINUTE, None, lambda: None, tilted, None)
    kind.look(31 * MINUTE, None, lambda: None, (m.TILT, 10, OK), None)
    assert not kind.look(32 * MINUTE, None, lambda: None, (m.TILT, 300, OK), None)
    assert kind.look(43 * MINUTE, None, lambda: None, (m.TILT, 300, OK), None)
    assert kind.take_events() == [(m.EVENTS, m.EVENT_TILTED, OK)]


def test_openings_are_counted_by_movement_and_by_tilt() -> None:
    kind = BinKind(openings=65535)
    kind.look(0, None, lambda: None, None, False)
    kind.look(MINUTE, None, lambda: None, (m.TILT, 0, OK), True)
    assert kind.openings == 0  # wraps
    kind.look(2 * MINUTE, None, lambda: None, (m.TILT, 600, OK), True)
    kind.look(3 * MINUTE, None, lambda: None, (m.TILT, 600, OK), False)
    kind.look(4 * MINUTE, None, lambda: None, (m.TILT, 0, OK), True)
    assert kind.openings == 1
    kind.look(5 * MINUTE, None, lambda: None, (m.TILT, 900, NO_ANSWER), None)
    assert kind.openings == 1


def fire(samples: list[tuple[int, int]], again: int | None = None) -> int:
    """Return the bits of events after temperatures (seconds, centidegrees)."""
    kind = BinKind()
    for seconds, centi in samples:
        second = (m.TEMPERATURE, centi if again is None else again, OK)
        kind.look(seconds * 1000, (m.TEMPERATURE, centi, OK), lambda second=second: second, None, None)
    events = kind.take_events()
    return events[0][1] if events else 0


def test_fire_is_a_fast_rise_or_a_high_temperature_that_a_second_reading_confirms() -> None:
    assert fire([(0, 2000), (60, 2300), (120, 3100)]) == m.EVENT_FIRE
    assert fire([(0, 6990), (60, 7010)]) == m.EVENT_FIRE
    assert fire([(0, 2000), (60, 4000)], again=2000) == 0  # one disturbed reading


def test_no_sun_is_a_fire() -> None:
    # A dark lid that comes out of the shade: 3 degrees a minute at most in the first minute, 25 in an hour.
    lid = [(60 * i, round(2000 + 2500 * (1 - math.exp(-i / 12)))) for i in range(60)]
    assert max(b[1] - a[1] for a, b in itertools.pairwise(lid)) > 190
    assert fire(lid) == 0


def test_a_fire_that_burns_on_tells_itself_every_half_hour() -> None:
    watch = FireWatch()
    alarms = [i for i in range(100) if watch.sees(i * MINUTE, 9000) and watch.new_alarm(i * MINUTE)]
    assert alarms == [0, 30, 60, 90]


@given(
    st.lists(
        st.tuples(
            st.integers(30, 4500),
            st.integers(40, 4000),
            st.integers(0, 1800),
            st.integers(-4000, 12000),
            st.sampled_from([OK, WARMUP, DEGRADED, NO_ANSWER, FAULT]),
            st.sampled_from([OK, DEGRADED, NO_ANSWER]),
        ),
        max_size=30,
    )
)
def test_whatever_comes_the_record_is_one_that_can_be_packed(rows: list[tuple[int, ...]]) -> None:
    kind = BinKind(1000, parse_table("1350:0,250:120"))
    for i, (sound, light, tilt, centi, s1, s2) in enumerate(rows):
        readings = [
            (m.DISTANCE, sound if s1 < FIRST_ERROR else 0, s1),
            (m.DISTANCE_LIGHT, light if s2 < FIRST_ERROR else 0, s2),
            (m.TILT, tilt, OK),
            (m.TEMPERATURE, centi, OK),
        ]
        kept = kind.refine(readings, i * 60_000)
        assert len({row[0] for row in kept}) == len(kept)
        for measurement, raw, state in kept:
            row = m.by_id(measurement)
            assert row is not None
            assert state < FIRST_ERROR or raw == 0
            assert state >= FIRST_ERROR or row[4] <= raw <= row[5]


# -- air ------------------------------------------------------------------------------------------


class Pm:
    """A sensor of particulate matter that gives what a list says."""

    MEASURES = (m.PM1, m.PM2_5)
    settle_ms = 0

    def __init__(self, values: list[tuple[int, int]]) -> None:
        self.values = values
        self.fetched = self.cleaned = self.stopped = 0

    def probe(self) -> None: ...
    def start(self) -> None: ...
    def health(self) -> int:
        return 0

    def clean(self) -> int:
        self.cleaned += 1
        return OK

    def stop(self) -> None:
        self.stopped += 1

    def fetch(self) -> list[tuple[int, int, int]]:
        raw, state = self.values[self.fetched % len(self.values)]
        self.fetched += 1
        raw = raw if state < FIRST_ERROR else 0
        return [(m.PM1, raw // 2, state), (m.PM2_5, raw, state)]


def test_a_steady_street_takes_three_samples_and_a_busy_one_all() -> None:
    clock = Clock()
    steady = Pm([(100, OK), (101, OK)])
    kept = PmSampler(steady, clock, most=20).fetch()
    assert steady.fetched == 3
    assert value(kept, m.SAMPLES) == [m.SAMPLES, 3, OK]
    busy = Pm([(50, OK), (400, OK), (90, OK)])
    kept = PmSampler(busy, clock, most=20).fetch()
    assert busy.fetched == 20
    numbers = [busy.values[i % 3][0] for i in range(20)]
    assert value(kept, m.PM2_5) == [m.PM2_5, math.floor(np.mean(numbers) + 0.5), OK]
    assert value(kept, m.PM2_5_MIN) == [m.PM2_5_MIN, 50, OK]
    assert value(kept, m.PM2_5_MAX) == [m.PM2_5_MAX, 400, OK]
    deviation = value(kept, m.PM2_5_DEVIATION)
    assert deviation is not None
    assert abs(deviation[1] - np.std(numbers, ddof=1)) <= 0.51


def test_the_error_of_the_mean_is_what_was_asked_when_it_stops_early() -> None:
    rng = np.random.default_rng(3)
    off = []
    for _ in range(200):
        true = rng.uniform(50, 400)
        values = [(int(v), OK) for v in np.clip(rng.normal(true, 12, 40), 0, None)]
        kept = PmSampler(Pm(values), Clock(), most=20).fetch()
        mean = value(kept, m.PM2_5)
        assert mean is not None
        off.append(abs(mean[1] - true) / max(5, true / 20))
    assert (
        np.mean(np.array(off) < 1) > 0.6
    )  # one standard error: 68 % for normal noise, less with few samples
    assert np.mean(np.array(off) < 3) > 0.95


def test_errors_are_not_averaged_and_the_worst_quality_stays() -> None:
    kept = PmSampler(Pm([(100, OK), (100, WARMUP), (100, NO_ANSWER)]), Clock(), most=5).fetch()
    assert value(kept, m.PM2_5) == [m.PM2_5, 100, WARMUP]
    dead = Pm([(0, NO_ANSWER)])
    kept = PmSampler(dead, Clock(), most=20).fetch()
    assert value(kept, m.PM2_5) == [m.PM2_5, 0, NO_ANSWER]
    assert value(kept, m.SAMPLES) == [m.SAMPLES, 0, OK]
    assert dead.fetched == 4  # no twenty seconds for a sensor that is not there


def test_the_fan_is_cleaned_once_a_week_and_the_next_record_tells() -> None:
    clock = Clock()
    pm = Pm([(100, OK)])
    sampler = PmSampler(pm, clock, most=3)
    flagged = []
    for i in range(2 * 14 * 24 + 5):
        sampler.start()
        if value(sampler.fetch(), m.HEALTH):
            flagged.append(i)
        sampler.stop()
        clock.at_ms = (i + 1) * 1_800_000
    assert pm.cleaned == 2
    assert len(flagged) == 2


# -- garden ---------------------------------------------------------------------------------------


def garden(kind: GardenKind, minute: int, centi: int, humidity: int) -> list[tuple[int, int, int]]:
    return kind.refine([(m.TEMPERATURE, centi, OK), (m.RELATIVE_HUMIDITY, humidity, OK)], minute * MINUTE)


def rh(dew: float, celsius: float) -> int:
    def es(t: float) -> float:
        return math.exp(17.62 * t / (243.12 + t))

    return round(1000 * es(dew) / es(celsius))


def test_a_housing_that_the_sun_heats_is_flagged_and_its_dew_point_is_not() -> None:
    kind = GardenKind()
    for minute in range(0, 60, 15):
        kept = garden(kind, minute, 2000, rh(10, 20))
        assert value(kept, m.HEALTH) is None
    kept = garden(kind, 60, 2500, rh(10, 25))  # five degrees in 15 minutes, as much water as before
    assert value(kept, m.TEMPERATURE) == [m.TEMPERATURE, 2500, DEGRADED]
    assert value(kept, m.HEALTH) == [m.HEALTH, m.HEALTH_RADIATION, OK]
    dew = value(kept, m.DEW_POINT)
    assert dew is not None
    assert abs(dew[1] - 1000) <= 12
    assert dew[2] == OK
    assert value(garden(kind, 75, 2100, rh(10, 21)), m.HEALTH) is None  # a cloud


def test_a_warm_front_and_a_quick_morning_are_no_radiation() -> None:
    kind = GardenKind()
    for i in range(12):  # a front: warmer, and wetter
        assert value(garden(kind, 15 * i, 1000 + 150 * i, rh(5 + 1.4 * i, 10 + 1.5 * i)), m.HEALTH) is None
    kind = GardenKind()
    for i in range(24):  # 3 degrees an hour
        assert value(garden(kind, 15 * i, 1000 + 75 * i, rh(8, 10 + 0.75 * i)), m.HEALTH) is None


def test_an_error_of_the_climate_sensor_is_that_of_the_dew_point() -> None:
    kept = GardenKind().refine([(m.TEMPERATURE, 0, NO_ANSWER), (m.RELATIVE_HUMIDITY, 0, NO_ANSWER)], 0)
    assert value(kept, m.DEW_POINT) == [m.DEW_POINT, 0, NO_ANSWER]


# -- energy ---------------------------------------------------------------------------------------

CURRENTS = {
    "battery_mah": 3400,
    "sleep_ua": 300,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {"sht4x": (320, 1)},
}


def test_the_ledger_is_current_times_time() -> None:
    now = [86_400_000]
    ledger = Ledger(CURRENTS, lambda: now[0])
    ledger.slept(86_400_000 - 96 * 1500)  # 1.5 s awake every 15 minutes
    for _ in range(96):
        ledger.sent(226)
        ledger.sensor("sht4x", 10)
    day_s = 86_400
    expected_mc = (
        0.3 * day_s + 40 * 96 * 1.5 + 45 * 96 * 0.226 + 6 * 96 * 0.12 + 0.319 * 96 * 0.01
    )  # milliampere-seconds
    assert ledger.average_ua() == pytest.approx(expected_mc / day_s * 1000, rel=1e-3)
    assert ledger.used_mas() == pytest.approx(expected_mc, rel=1e-3)
    own_ua = 3400 * 1000 * 0.02 / 8766
    days = (3400 * 3600 * 0.8 - expected_mc) / ((expected_mc / day_s * 1000 + own_ua) * 86.4)
    assert ledger.days_left() == pytest.approx(days, rel=0.01)


def test_nothing_is_claimed_on_mains_or_without_currents() -> None:
    assert Ledger(None, lambda: 1000).days_left() is None
    assert Ledger(CURRENTS | {"battery_mah": 0}, lambda: 1000).days_left() is None
    assert energy.unpack_block(energy.pack_block(123, None)) == (123, None)
    assert energy.unpack_block(energy.pack_block(123, 77)) == (123, 77)
    assert energy.unpack_block(b"1234") is None


def test_intervals_grow_until_the_battery_lasts_and_shrink_again() -> None:
    now = [0]
    ledger = Ledger(CURRENTS, lambda: now[0])
    budget = Budget(ledger, 3000, lambda: now[0])
    paces = []
    for hour in range(1, 6):
        now[0] = hour * 3_600_000
        ledger.slept_ms = now[0] - hour * 60_000
        paces.append(budget.judge())
    assert paces == [2, 4, 8, 8, 8]
    lazy = Budget(ledger, 10, lambda: now[0])
    lazy.stretch = 4
    now[0] += 3_600_000
    ledger.slept_ms = now[0]
    assert lazy.judge() == 2
    assert Budget(ledger, 0, lambda: now[0]).judge() == 1


# -- switched supply ------------------------------------------------------------------------------


class Pin:
    def __init__(self) -> None:
        self.levels: list[int] = []

    def value(self, level: int) -> None:
        self.levels.append(level)


def test_what_a_switched_sensor_can_do_besides_is_still_there() -> None:
    pm = Switched(Pm([(100, OK)]), PowerSwitch(Pin()), Clock())
    assert pm.clean() == OK
    assert not hasattr(pm, "submarine")
    assert PmSampler(pm, Clock())._clean


def test_two_sensors_behind_one_switch_are_off_when_both_are_done() -> None:
    clock, pin = Clock(), Pin()
    switch = PowerSwitch(pin)
    a, b = (Switched(Pm([(1, OK)]), switch, clock) for _ in range(2))
    a.start()
    b.start()
    a.stop()
    assert pin.levels[-1] == 1
    b.stop()
    assert pin.levels[-1] == 0
    a.stop()
    a.probe()
    assert pin.levels[-1] == 0

"""SEN5x, SEN66 and SCD4x drivers against their models and against disturbed bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.scd4x import SCD4x
from drivers.sen5x import SEN5x
from drivers.sen66 import SEN66
from simulator.chips import scd4x, sen5x, sen66
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import (
    CHECKSUM,
    DEGRADED,
    FAULT,
    NO_ANSWER,
    NOT_READY,
    OK,
    STATE_NAMES,
    TIMEOUT,
    WARMUP,
)

PM1, PM2_5, PM4, PM10, T, RH, CO2, VOC, NOX = 1, 2, 3, 4, 5, 6, 19, 20, 21
AIR = {
    "pm1_ug_m3": 5.1,
    "pm2_5_ug_m3": 7.3,
    "pm4_ug_m3": 8.0,
    "pm10_ug_m3": 9.9,
    "n10_per_cm3": 42.0,
    "temperature_c": 21.37,
    "relative_humidity_pct": 48.2,
    "voc_index": 112.0,
    "nox_index": 1.0,
    "co2_ppm": 612.0,
}
PM = [(PM1, 51), (PM2_5, 73), (PM4, 80), (PM10, 99)]
SEN55 = [*PM, (RH, 482), (T, 2137), (VOC, 1120), (NOX, 10)]
CASES = {
    "sen55": (SEN5x, sen5x.SEN5x, SEN55),
    "sen66": (SEN66, sen66.SEN66, [*SEN55, (CO2, 612)]),
    "scd4x": (SCD4x, scd4x.SCD4x, [(CO2, 612), (T, 2137), (RH, 482)]),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def started(case, wait_s=31, air=AIR, **options):
    driver_class, model_class, expected = case
    clock = FakeClock()
    model = model_class(Constants(**air))
    driver = driver_class(ModelI2C(clock, model), clock, **options)
    driver.start()
    clock.sleep_ms(wait_s * 1000)
    return driver, model, clock, expected


def states(readings):
    return {state for _, _, state in readings}


def by_id(readings):
    return {m: (raw, state) for m, raw, state in readings}


def test_settled_readings_are_the_air(case):
    driver, _, _, expected = started(case)
    assert driver.fetch() == [(m, raw, OK) for m, raw in expected]


def test_the_first_value_is_warm_up(case):
    driver, _, _, _ = started(case, 1)
    assert states(driver.fetch()) <= {WARMUP, NOT_READY}


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("stuck", TIMEOUT)],
)
def test_faults_become_states(case, fault, state):
    driver, model, _, _ = started(case)
    driver.fetch()
    model.faults.add(fault)
    assert states(driver.fetch()) == {state}


def test_a_dip_that_nobody_saw_is_noticed_and_repaired(case):
    driver, model, clock, _ = started(case)
    driver.fetch()
    model.power_off()
    seen = []
    for _ in range(4):
        clock.sleep_ms(60_000)
        seen.append(states(driver.fetch()))
    assert seen[:2] == [{TIMEOUT}, {TIMEOUT}]
    assert OK not in seen[2]
    assert seen[3] == {OK}


def test_stop_and_start(case):
    driver, _, clock, expected = started(case)
    driver.stop()
    assert states(driver.fetch()) == {NOT_READY}
    driver.start()
    clock.sleep_ms(31_000)
    assert driver.fetch() == [(m, raw, OK) for m, raw in expected]


@pytest.mark.parametrize(("n10", "state"), [(150.0, OK), (50.0, WARMUP)])
@pytest.mark.parametrize("name", ["sen55", "sen66"])
def test_few_particles_need_longer(name, n10, state):
    driver, _, _, _ = started(CASES[name], 17, AIR | {"n10_per_cm3": n10})
    assert by_id(driver.fetch())[PM2_5][1] == state


@pytest.mark.parametrize("name", ["sen55", "sen66"])
@pytest.mark.parametrize(
    ("fault", "hurt", "state"),
    [
        ("worn_fan", {PM1, PM2_5, PM4, PM10}, DEGRADED),
        ("old_laser", {PM1, PM2_5, PM4, PM10}, FAULT),
        ("rht_fail", {T, RH}, FAULT),
        ("gas_fail", {VOC, NOX}, FAULT),
        ("dead_fan", set(by_id((m, 0, 0) for m, _ in SEN55)), FAULT),
    ],
)
def test_a_status_bit_marks_what_it_spoils(name, fault, hurt, state):
    driver, model, _, _ = started(CASES[name])
    driver.fetch()
    model.faults.add(fault)
    got = by_id(driver.fetch())
    assert {m for m, (_, s) in got.items() if s == state} - {CO2} == hurt
    if fault != "dead_fan":
        assert {s for m, (_, s) in got.items() if m not in hurt} == {OK}


def test_a_stopped_fan_is_started_again_and_warms_up():
    driver, model, clock, _ = started(CASES["sen55"])
    model.faults.add("dead_fan")
    assert states(driver.fetch()) == {FAULT}
    model.faults.clear()
    assert OK not in states(driver.fetch())
    clock.sleep_ms(31_000)
    assert states(driver.fetch()) == {OK}


def test_co2_of_the_sen66_fails_alone():
    driver, model, _, _ = started(CASES["sen66"])
    model.faults.add("co2_fail")
    got = by_id(driver.fetch())
    assert got.pop(CO2) == (0, FAULT)
    assert {s for _, s in got.values()} == {OK}


def test_a_sen54_leaves_nox_out():
    driver, model, _, _ = started(CASES["sen55"], measures=(PM1, PM2_5, PM4, PM10, RH, T, VOC))
    model.name = "SEN54"
    assert [m for m, _, _ in driver.fetch()] == [PM1, PM2_5, PM4, PM10, RH, T, VOC]
    assert driver.probe() == "SEN54"


def test_sen66_cleans_before_it_starts():
    driver, model, _, _ = started(CASES["sen66"])
    assert driver.clean() == NOT_READY
    driver.stop()
    assert driver.clean() == OK
    assert model.cleanings == 1


def test_sen55_cleaning_is_not_ready():
    driver, _, clock, _ = started(CASES["sen55"])
    driver.fetch()
    assert driver.clean() == OK
    assert states(driver.fetch()) == {NOT_READY}
    clock.sleep_ms(12_000)
    assert states(driver.fetch()) == {OK}


def test_scd4x_that_cannot_measure_is_not_ready_not_zero():
    driver, model, _, _ = started(CASES["scd4x"])
    model.faults.add("no_co2")
    assert driver.fetch()[0] == (CO2, 0, NOT_READY)


def test_scd4x_with_co2_alone_and_pressure():
    driver, model, _, _ = started(CASES["scd4x"], measures=(CO2,))
    assert driver.fetch() == [(CO2, 612, OK)]
    assert driver.set_pressure(987) == OK
    assert model.pressure_hpa == 987


def test_scd4x_probe_stops_a_measurement_and_returns_the_serial_number():
    driver, model, _, _ = started(CASES["scd4x"])
    assert driver.probe() == model.serial


def test_probe_names_the_wiring(case):
    driver_class, _, _ = case
    clock = FakeClock()
    with pytest.raises(DriverError, match=r"nothing answers on this bus") as caught:
        driver_class(ModelI2C(clock), clock).probe()
    assert caught.value.state == NO_ANSWER


@given(st.binary(min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_readings(data):
    for driver_class, _, expected in CASES.values():
        driver = driver_class(NoisyI2C(data), FakeClock())
        driver.start()
        for _ in range(2):
            readings = driver.fetch()
            assert [m for m, _, _ in readings] == [m for m, _ in expected]
            assert states(readings) <= set(STATE_NAMES)


def test_every_single_bit_error_is_seen(case):
    driver, model, clock, _ = started(case)
    code = getattr(driver, "READ", 0xEC05)
    words = len(driver.MEASURES)
    model.write(code.to_bytes(2, "big"), clock.us)
    frame = model.read(3 * words, clock.us)
    for bit in range(8 * len(frame)):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        chip = case[0](NoisyI2C(bytes(spoilt)), FakeClock())._chip
        assert chip.read(code, words, 1) == CHECKSUM

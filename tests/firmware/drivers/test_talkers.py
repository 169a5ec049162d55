"""The PMS5003 and SDS011 drivers against their models, and against disturbed bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import pms5003, sds011
from drivers.errors import DriverError
from simulator.chips import pms5003 as pms_chips
from simulator.chips import sds011 as sds_chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import ByteStream, FakeClock, ModelUart
from wire.record import CHECKSUM, DEGRADED, NO_ANSWER, NOT_READY, OK, STATE_NAMES, TIMEOUT, WARMUP

AIR = {"pm1_ug_m3": 8.0, "pm2_5_ug_m3": 12.0, "pm10_ug_m3": 15.0}
CASES = {
    "pms5003": (pms5003.PMS5003, pms_chips.PMS5003, [(1, 80, OK), (2, 120, OK), (4, 150, OK)]),
    "sds011": (sds011.SDS011, sds_chips.SDS011, [(2, 120, OK), (4, 150, OK)]),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def started(case, wait_s=31):
    driver_class, model_class, expected = case
    clock = FakeClock()
    model = model_class(Constants(**AIR))
    driver = driver_class(ModelUart(clock, model), clock)
    driver.start()
    for _ in range(wait_s):
        clock.sleep_ms(1000)
        model.read_available(clock.us)
    return driver, model, clock, expected


def states(readings):
    return {state for _, _, state in readings}


def test_settled_readings_are_the_air(case):
    driver, _, _, expected = started(case)
    assert driver.fetch() == expected


def test_warm_up_is_a_state(case):
    driver, _, _, _ = started(case, 10)
    assert states(driver.fetch()) == {WARMUP}


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("noise", OK)],
)
def test_faults_become_states(case, fault, state):
    driver, model, _, _ = started(case)
    driver.fetch()
    model.faults.add(fault)
    assert states(driver.fetch()) == {state}


def test_asleep_after_stop_and_awake_after_start(case):
    driver, model, clock, _ = started(case)
    driver.stop()
    assert model.asleep
    assert states(driver.fetch()) == {NOT_READY}
    clock.sleep_ms(60_000)
    driver.start()
    assert not model.asleep
    clock.sleep_ms(2_000)
    assert states(driver.fetch()) == {WARMUP}


def test_probe_shows_a_frame_and_lets_the_sensor_sleep(case):
    driver_class, model_class, _ = case
    clock = FakeClock()
    model = model_class(Constants(**AIR))
    driver = driver_class(ModelUart(clock, model), clock)
    assert len(driver.probe()) == driver.LENGTH
    assert model.asleep
    model.faults.add("nak")
    with pytest.raises(DriverError, match="swapped"):
        driver.probe()


def test_a_dead_laser_of_the_pms_is_marked():
    driver, model, _, _ = started(CASES["pms5003"])
    model.faults.add("old_laser")
    assert driver.fetch() == [(1, 0, DEGRADED), (2, 0, DEGRADED), (4, 0, DEGRADED)]


def test_an_error_code_of_the_pms_is_marked():
    driver, model, _, _ = started(CASES["pms5003"])
    model.error_code = 1
    assert states(driver.fetch()) == {DEGRADED}


def test_a_sds_that_someone_set_to_query_mode_reports_again():
    driver, model, clock, expected = started(CASES["sds011"])
    model.query_mode = True
    driver.start()
    clock.sleep_ms(31_000)
    assert driver.fetch() == expected


def test_commands_are_the_published_ones(shared):
    vectors = json.loads(shared("vectors/sensors.json").read_text())
    pms, sds = vectors["pms_commands"], vectors["sds011_commands"]
    assert [c.hex() for c in pms5003.PMS5003.START] == [pms["wake"], pms["active"]]
    assert [c.hex() for c in pms5003.PMS5003.STOP] == [pms["sleep"]]
    assert sds011.SDS011.START[0].hex() == sds["wake"]
    assert sds011.command(2, 1, 1).hex() == sds["query_mode"]
    assert [c.hex() for c in sds011.SDS011.STOP] == [sds["sleep"]]


def heard(driver_class, data):
    clock = FakeClock()
    driver = driver_class(ModelUart(clock, ByteStream(data)), clock)
    driver._started = 0
    driver._settled = True
    return driver.fetch()


@given(st.binary(max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_readings(data):
    for driver_class, _, expected in CASES.values():
        readings = heard(driver_class, data)
        assert [m for m, _, _ in readings] == [m for m, _, _ in expected]
        assert states(readings) <= set(STATE_NAMES)


FRAMES = {
    pms5003.PMS5003: "424d001c00000008000800000008000800d20046002d001e00000000970002c5",
    sds011.SDS011: "aac00600060058d93dab",
}  # shared vectors, pms and sds011


@pytest.mark.parametrize("driver_class", FRAMES)
def test_every_single_bit_error_of_a_captured_frame_is_refused(driver_class):
    frame = bytes.fromhex(FRAMES[driver_class])
    assert states(heard(driver_class, frame)) == {OK}
    for bit in range(8 * len(frame)):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert states(heard(driver_class, bytes(spoilt))) <= {CHECKSUM, TIMEOUT}

"""The VL53L1X driver against its model: agreement of shots, ghosts, recovery; and any bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.vl53l1x import VL53L1X
from simulator.chips import vl53l1x as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import FAULT, NO_ANSWER, OK, OUT_OF_RANGE, STATE_NAMES, TIMEOUT

DISTANCE = 15


def wired(distance_mm=982.0, **options):
    clock = FakeClock()
    model = chips.VL53L1X(Constants(distance_mm=distance_mm))
    driver = VL53L1X(ModelI2C(clock, model), clock, **options)
    driver.start()
    return driver, model, clock


def test_raw_range_of_the_vector(shared):
    case = json.loads(shared("vectors/sensors.json").read_text())["vl53l1x"]
    driver, model, _ = wired(case["mm"])
    assert driver.fetch() == [(DISTANCE, case["mm"], OK)]
    assert model.registers[0x96] << 8 | model.registers[0x97] == case["raw"]


@given(st.integers(40, 2000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_distances_come_back(mm, short):
    driver, _, _ = wired(mm, short=short)
    ((_, raw, state),) = driver.fetch()
    assert state == OK
    assert abs(raw - mm) <= 1  # its own step is 0.98 mm


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("nak", NO_ANSWER),
        ("brown_out", NO_ANSWER),
        ("stuck", TIMEOUT),
        ("slow", TIMEOUT),
        ("laser_fail", FAULT),
        ("condensation", OUT_OF_RANGE),
        ("ghost_echo", OUT_OF_RANGE),
    ],
)
def test_faults_become_states(fault, state):
    driver, model, _ = wired()
    driver.fetch()
    model.faults.add(fault)
    assert driver.fetch() == [(DISTANCE, 0, state)]


@pytest.mark.parametrize("distance_mm", [10.0, 2800.0, 6000.0])
def test_too_near_too_dark_or_no_target_is_out_of_range(distance_mm):
    driver, _, _ = wired(distance_mm)
    assert driver.fetch() == [(DISTANCE, 0, OUT_OF_RANGE)]


def test_after_a_dip_of_the_supply_it_is_configured_again():
    driver, model, _ = wired()
    model.faults.add("brown_out")
    driver.fetch()
    model.faults.clear()
    assert driver.fetch() == [(DISTANCE, 982, OK)]
    model.power_on()  # a dip that nobody saw
    assert driver.fetch() == [(DISTANCE, 982, OK)]


def test_a_narrow_view_is_set():
    _, model, _ = wired(roi=(4, 8))
    assert model.registers[0x7F] == 199
    assert model.registers[0x80] == 0x73
    assert model.registers[0x2E] == 1


def test_probe_names_another_chip():
    driver, model, _ = wired()
    assert driver.probe() == 0xEACC
    model.registers[0x10F] = 0xEE
    with pytest.raises(DriverError, match="eecc, not eacc"):
        driver.probe()
    model.faults.add("nak")
    with pytest.raises(DriverError, match="XSHUT"):
        driver.probe()


@given(st.binary(min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_a_reading(data):
    driver = VL53L1X(NoisyI2C(data), FakeClock())
    driver.start()
    ((measurement, raw, state),) = driver.fetch()
    assert measurement == DISTANCE
    assert state in STATE_NAMES
    assert state != OK or 40 <= raw <= 4000

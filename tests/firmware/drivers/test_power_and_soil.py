"""INA219 and soil moisture drivers against their models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.ina219 import INA219
from drivers.soil_moisture import SoilMoisture
from simulator.chips import ina219, soil_moisture
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelAdc, ModelI2C, NoisyI2C
from wire.record import CHECKSUM, NO_ANSWER, OK, OUT_OF_RANGE, OVERLOAD, STATE_NAMES, TIMEOUT

SOIL, SOLAR, CURRENT = 25, 26, 27


def power(mv=5120.0, ma=-123.4):
    clock = FakeClock()
    model = ina219.INA219(Constants(solar_mv=mv, current_ma=ma))
    return INA219(ModelI2C(clock, model), clock), model, clock


@given(st.integers(0, 7999), st.integers(-31990, 31990))
@settings(max_examples=100, deadline=None)
def test_voltage_and_current_come_back(step, tenths):
    driver, _, _ = power(step * 4.0, tenths / 10)
    assert driver.fetch() == [(SOLAR, step * 4, OK), (CURRENT, tenths, OK)]


def test_another_shunt():
    clock = FakeClock()
    model = ina219.INA219(Constants(solar_mv=5000.0, current_ma=250.0), shunt_mohm=10.0)
    driver = INA219(ModelI2C(clock, model), clock, shunt_mohm=10)
    assert driver.fetch()[1] == (CURRENT, 2500, OK)


def test_beyond_the_shunts_range_is_overload():
    driver, _, _ = power(5000.0, 4000.0)
    assert driver.fetch()[1] == (CURRENT, 32000, OVERLOAD)


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("slow", TIMEOUT)],
)
def test_faults_become_states(fault, state):
    driver, model, _ = power()
    model.faults.add(fault)
    assert {s for _, _, s in driver.fetch()} == {state}


def test_probe_of_the_ina219():
    driver, model, _clock = power()
    assert driver.probe() == 0x3998
    model.faults.add("nak")
    with pytest.raises(DriverError, match="A0/A1"):
        driver.probe()


@given(st.binary(min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_readings(data):
    readings = INA219(NoisyI2C(data), FakeClock()).fetch()
    assert [m for m, _, _ in readings] == [SOLAR, CURRENT]
    assert {s for _, _, s in readings} <= set(STATE_NAMES)


def soil(pct):
    clock = FakeClock()
    model = soil_moisture.SoilMoisture(Constants(soil_moisture_pct=pct))
    return SoilMoisture(ModelAdc(clock, model), clock), model


@given(st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_moisture_comes_back(tenths):
    driver, _ = soil(tenths / 10)
    assert driver.fetch() == [(SOIL, tenths, OK)]


def test_a_little_beyond_the_points_is_the_point_far_beyond_is_no_soil():
    assert soil(-5.0)[0].fetch() == [(SOIL, 0, OK)]
    assert soil(105.0)[0].fetch() == [(SOIL, 1000, OK)]
    assert soil(150.0)[0].fetch() == [(SOIL, 0, OUT_OF_RANGE)]


def test_no_probe_is_no_answer():
    driver, model = soil(30.0)
    model.faults.add("nak")
    assert driver.fetch() == [(SOIL, 0, NO_ANSWER)]
    with pytest.raises(DriverError, match="not wired"):
        driver.probe()

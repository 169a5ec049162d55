"""The BME680 driver over its model: the air comes out, the heater gets its temperature, faults are states."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bme680 import BME680, Calibration
from drivers.errors import DriverError
from simulator.chips import bme680 as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import CHECKSUM, DEGRADED, FAULT, NO_ANSWER, OK, STATE_NAMES, TIMEOUT, WARMUP

T, RH, P, GAS = 5, 6, 18, 51


def wired(t=21.37, rh=48.2, hpa=1013.2, ohm=52_000.0, **options):
    clock = FakeClock()
    source = Constants(temperature_c=t, relative_humidity_pct=rh, pressure_hpa=hpa, gas_ohm=ohm)
    model = chips.BME680(source, **options)
    return BME680(ModelI2C(clock, model), clock), model, clock


def settled(**options):
    driver, model, clock = wired(**options)
    for _ in range(5):
        readings = driver.fetch()
    return driver, model, clock, readings


@given(
    st.integers(-40_00, 85_00),
    st.floats(5, 95),
    st.integers(600_0, 1090_0),
    st.floats(3.2, 7),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_readings_are_the_air(centi, rh, tenth_hpa, lg_ohm, high):
    ohm = max(10**lg_ohm, 2_000)
    _, model, _, readings = settled(t=centi / 100, rh=rh, hpa=tenth_hpa / 10, ohm=ohm, high=high)
    assert [m for m, _, _ in readings] == [T, RH, P, GAS]
    assert {state for _, _, state in readings} == {OK}
    assert abs(readings[0][1] - centi) <= 1
    assert abs(readings[1][1] - rh * 10) <= 1.1
    assert abs(readings[2][1] - tenth_hpa) <= 1
    assert readings[3][1] == pytest.approx(ohm, rel=2e-3)
    assert model.heated_to_c == pytest.approx(320, abs=6)  # whatever the air's temperature


def test_the_first_resistances_are_warmup_and_so_they_are_after_a_power_cut():
    driver, model, clock = wired()
    assert [driver.fetch()[3][2] for _ in range(6)] == [WARMUP] * 4 + [OK] * 2
    model.faults.add("brown_out")
    assert {state for _, _, state in driver.fetch()} == {NO_ANSWER}
    model.faults.clear()
    clock.sleep_ms(100)
    assert [driver.fetch()[3][2] for _ in range(5)] == [WARMUP] * 4 + [OK]


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("slow", TIMEOUT)],
)
def test_faults_become_states(fault, state):
    driver, model, clock, _ = settled()
    model.faults.add(fault)
    assert {row[2] for row in driver.fetch()} == {state}
    model.faults.clear()
    clock.sleep_ms(1000)
    assert driver.fetch()[0][2] == OK


def test_a_cold_heater_costs_the_resistance_only_and_fails_the_self_test():
    driver, model, _, _ = settled()
    model.faults.add("gas_fail")
    readings = driver.fetch()
    assert [state for _, _, state in readings] == [OK, OK, OK, FAULT]
    assert readings[3][1] == 0
    with pytest.raises(DriverError, match="heater does not get hot"):
        driver.probe()


def test_a_resistance_at_the_end_of_the_converter_is_in_doubt():
    # The BME688's lowest range ends at 1e6 * 8 / (4096 + 3 * 511) = 1421 ohm.
    readings = settled(ohm=200.0, high=True)[3]
    assert readings[3] == (GAS, 1421, DEGRADED)


def test_probe_names_another_chip_and_the_address_pin():
    driver, model, _ = wired()
    assert driver.probe() == 0x61
    model.registers[0xD0] = 0x60
    with pytest.raises(DriverError, match="0x60, not 0x61"):
        driver.probe()
    driver, _, _ = wired(address=0x77)
    with pytest.raises(DriverError, match=r"0x77 answers.*SDO"):
        driver.probe()


@given(st.binary(min_size=1, max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_readings(data):
    driver = BME680(NoisyI2C(data), FakeClock())
    readings = driver.fetch()
    assert [m for m, _, _ in readings] == [T, RH, P, GAS]
    driver._calibration = Calibration((data * 23)[:23], (data * 14)[:14], (data * 5)[:5])
    for state in [row[2] for row in readings + driver.fetch()]:
        assert state in STATE_NAMES

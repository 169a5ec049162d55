"""The BME280 driver: worked example of the data sheet, the model, and a bus without checksums."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bme280 import BME280, Calibration
from drivers.errors import DriverError
from simulator.chips import bme280 as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import CHECKSUM, NO_ANSWER, OK, STATE_NAMES, TIMEOUT

T, RH, P = 5, 6, 18


def wired(t=21.37, rh=48.2, hpa=1013.2, **options):
    clock = FakeClock()
    model = chips.BME280(Constants(temperature_c=t, relative_humidity_pct=rh, pressure_hpa=hpa), **options)
    return BME280(ModelI2C(clock, model), clock), model, clock


def states(readings):
    return {state for _, _, state in readings}


def test_worked_example(shared):
    case = json.loads(shared("vectors/sensors.json").read_text())["bmp280"]
    words = b"".join((v & 0xFFFF).to_bytes(2, "little") for v in case["dig_t"] + case["dig_p"])
    calibration = Calibration(words + b"\0\0", bytes(7))
    fine = calibration.t_fine(case["adc_t"])
    assert fine == case["t_fine"]
    assert calibration.temperature_centi(fine) == round(case["t_c"] * 100)
    # the published value is in floating point with a t_fine of 128422.28: 0.28 of it are 0.015 Pa
    assert calibration.pressure_256ths(case["adc_p"], fine) / 256 == pytest.approx(case["p_pa"], abs=0.02)


@given(
    st.integers(-40_00, 85_00),
    st.floats(5, 95),
    st.integers(600_0, 1090_0),
)
@settings(max_examples=60, deadline=None)
def test_readings_are_the_air(centi, rh, tenth_hpa):
    driver, _, _ = wired(centi / 100, rh, tenth_hpa / 10)
    readings = driver.fetch()
    assert states(readings) == {OK}
    assert [m for m, _, _ in readings] == [T, RH, P]
    assert abs(readings[0][1] - centi) <= 1
    assert abs(readings[1][1] - rh * 10) <= 1.1
    assert abs(readings[2][1] - tenth_hpa) <= 1


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("slow", TIMEOUT)],
)
def test_faults_become_states(fault, state):
    driver, model, clock = wired()
    driver.fetch()
    model.faults.add(fault)
    assert states(driver.fetch()) == {state}
    model.faults.clear()
    clock.sleep_ms(200)
    assert states(driver.fetch()) == {OK}


def test_a_bmp280_has_no_humidity():
    driver, _, _ = wired(chip_id=0x58)
    readings = driver.fetch()
    assert readings[1] == (RH, 0, NO_ANSWER)
    assert {readings[0][2], readings[2][2]} == {OK}
    with pytest.raises(DriverError, match="BMP280"):
        driver.probe()


def test_probe_names_another_chip_and_the_address_pin():
    driver, model, _ = wired()
    assert driver.probe() == 0x60
    model.registers[0xD0] = 0x61
    with pytest.raises(DriverError, match="0x61, not 0x60"):
        driver.probe()
    driver, _, _ = wired(address=0x77)
    with pytest.raises(DriverError, match=r"0x77 answers.*SDO"):
        driver.probe()


@given(st.binary(min_size=1, max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_readings(data):
    driver = BME280(NoisyI2C(data), FakeClock())
    readings = driver.fetch()
    assert [m for m, _, _ in readings] == [T, RH, P]
    assert states(readings) <= set(STATE_NAMES)
    driver._calibration = Calibration((data * 26)[:26], (data * 7)[:7])
    assert states(driver.fetch()) <= set(STATE_NAMES)

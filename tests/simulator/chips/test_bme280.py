"""The BME280 model by itself: the data sheet's worked example, register order, timing."""

import json

import pytest

from simulator.chips.base import Constants
from simulator.chips.bme280 import BME280, pressure_pa, t_fine

MS = 1000


def read(model, register, n, now_us):
    model.write(bytes([register]), now_us)
    return model.read(n, now_us)


def test_the_floating_point_formulas_give_the_worked_example(shared):
    case = json.loads(shared("vectors/sensors.json").read_text())["bmp280"]
    fine = t_fine(case["adc_t"])
    assert int(fine) == case["t_fine"]
    assert round(fine / 5120.0, 2) == case["t_c"]
    assert pressure_pa(case["adc_p"], fine) == pytest.approx(case["p_pa"], abs=0.005)


def test_the_worked_example_comes_out_of_the_registers(shared):
    case = json.loads(shared("vectors/sensors.json").read_text())["bmp280"]
    model = BME280(Constants(temperature_c=t_fine(case["adc_t"]) / 5120, pressure_hpa=case["p_pa"] / 100))
    calibration = read(model, 0x88, 24, 0)
    signed = [
        int.from_bytes(calibration[i : i + 2], "little", signed=i not in (0, 6)) for i in range(0, 24, 2)
    ]
    assert signed == case["dig_t"] + case["dig_p"]
    model.write(b"\xf4\x25", 0)
    data = read(model, 0xF7, 8, 10 * MS)
    assert int.from_bytes(data[3:6], "big") >> 4 == case["adc_t"]
    assert abs((int.from_bytes(data[0:3], "big") >> 4) - case["adc_p"]) <= 1


def test_humidity_needs_ctrl_hum_before_ctrl_meas():
    model = BME280()
    model.write(b"\xf4\x25", 0)
    assert read(model, 0xFD, 2, 10 * MS) == b"\x80\x00"
    model.write(b"\xf2\x01", 20 * MS)
    assert read(model, 0xFD, 2, 40 * MS) == b"\x80\x00"
    model.write(b"\xf4\x25", 50 * MS)
    assert read(model, 0xFD, 2, 60 * MS) != b"\x80\x00"


def test_status_shows_the_conversion():
    model = BME280()
    model.write(b"\xf4\x25", 0)
    assert read(model, 0xF3, 1, 9 * MS) == b"\x08"
    assert read(model, 0xF7, 3, 9 * MS) == b"\x80\x00\x00"
    assert read(model, 0xF3, 1, 10 * MS) == b"\x00"


def test_reset_and_identity():
    model = BME280()
    assert read(model, 0xD0, 1, 0) == b"\x60"
    model.write(b"\xf4\x25", 0)
    model.write(b"\xe0\xb6", 20 * MS)
    assert read(model, 0xF4, 1, 21 * MS) == b"\x00"

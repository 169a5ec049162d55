"""Faults come and go in any order, and one rule holds for every driver: a reading that says OK is the truth.

Left out are faults that nobody can see from one sensor alone: drift, dirt before an ultrasonic membrane,
a value that sticks at an echo, a slow fan of a PMS5003, a frozen converter, saturated humidity, and a dip
of the supply of a PMS5003 or SDS011 between two fetches (they wake up by themselves and tell nobody). The
gateway's comparisons are for those.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import (
    a02yyuw,
    bme280,
    bme680,
    ds18b20,
    ina219,
    lis3dh,
    mb7389,
    pms5003,
    scd4x,
    sds011,
    sen5x,
    sen66,
    sht4x,
    sps30,
    sps30_uart,
    vl53l1x,
)
from simulator.chips import a02yyuw as m_a02yyuw
from simulator.chips import bme280 as m_bme280
from simulator.chips import bme680 as m_bme680
from simulator.chips import ds18b20 as m_ds18b20
from simulator.chips import ina219 as m_ina219
from simulator.chips import lis3dh as m_lis3dh
from simulator.chips import mb7389 as m_mb7389
from simulator.chips import pms5003 as m_pms5003
from simulator.chips import scd4x as m_scd4x
from simulator.chips import sds011 as m_sds011
from simulator.chips import sen5x as m_sen5x
from simulator.chips import sen66 as m_sen66
from simulator.chips import sht4x as m_sht4x
from simulator.chips import sps30 as m_sps30
from simulator.chips import sps30_uart as m_sps30_uart
from simulator.chips import vl53l1x as m_vl53l1x
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, ModelOneWire, ModelUart
from wire.record import FIRST_ERROR, OK, STATE_NAMES

AIR = {
    "temperature_c": 21.37,
    "relative_humidity_pct": 48.2,
    "pressure_hpa": 1013.2,
    "pm1_ug_m3": 6.0,
    "pm2_5_ug_m3": 12.0,
    "pm4_ug_m3": 13.0,
    "pm10_ug_m3": 15.0,
    "n10_per_cm3": 80.0,
    "voc_index": 112.0,
    "nox_index": 1.0,
    "co2_ppm": 612.0,
    "distance_mm": 1234.0,
    "tilt_deg": 30.0,
    "soil_temperature_c": 11.5,
    "solar_mv": 5120.0,
    "current_ma": -123.4,
}
TRUTH = {1: 60, 2: 120, 3: 130, 4: 150, 5: 2137, 6: 482, 15: 1234, 18: 10132, 19: 612, 20: 1120, 21: 10}
AIR["gas_ohm"] = 52_000.0
TRUTH |= {51: 52_000}
TRUTH |= {24: 1150, 26: 5120, 27: -1234, 28: 300}

BUS = ("nak", "brown_out", "bad_crc", "slow", "stuck")
ENGINE = (*BUS, "worn_fan", "dead_fan", "old_laser")
SEN = (*ENGINE, "gas_fail", "rht_fail")
# driver, model, bus, faults; "dip": the supply was away for a moment between two fetches
CASES = {
    "sht4x": (sht4x.SHT4x, m_sht4x.SHT4x, ModelI2C, BUS),
    "sps30": (sps30.SPS30, m_sps30.SPS30, ModelI2C, (*ENGINE, "dip")),
    "sps30_uart": (sps30_uart.SPS30Uart, m_sps30_uart.SPS30Uart, ModelUart, (*ENGINE, "noise", "dip")),
    "sen5x": (sen5x.SEN5x, m_sen5x.SEN5x, ModelI2C, (*SEN, "dip")),
    "sen66": (sen66.SEN66, m_sen66.SEN66, ModelI2C, (*SEN, "co2_fail", "dip")),
    "scd4x": (scd4x.SCD4x, m_scd4x.SCD4x, ModelI2C, (*BUS, "no_co2", "dip")),
    "bme280": (bme280.BME280, m_bme280.BME280, ModelI2C, (*BUS, "dip")),
    "bme680": (bme680.BME680, m_bme680.BME680, ModelI2C, (*BUS, "gas_fail", "dip")),
    "ina219": (ina219.INA219, m_ina219.INA219, ModelI2C, BUS[:4]),
    "lis3dh": (lis3dh.LIS3DH, m_lis3dh.LIS3DH, ModelI2C, ("nak", "brown_out", "stuck", "dead_axis", "dip")),
    "vl53l1x": (
        vl53l1x.VL53L1X,
        m_vl53l1x.VL53L1X,
        ModelI2C,
        ("nak", "brown_out", "slow", "stuck", "ghost_echo", "condensation", "laser_fail", "dip"),
    ),
    "a02yyuw": (a02yyuw.A02YYUW, m_a02yyuw.A02YYUW, ModelUart, (*BUS[:4], "noise", "ghost_echo")),
    "mb7389": (mb7389.MB7389, m_mb7389.MB7389, ModelUart, (*BUS[:4], "noise", "ghost_echo")),
    "pms5003": (pms5003.PMS5003, m_pms5003.PMS5003, ModelUart, (*BUS[:4], "noise", "old_laser")),
    "sds011": (sds011.SDS011, m_sds011.SDS011, ModelUart, (*BUS[:4], "noise", "old_laser")),
    "ds18b20": (ds18b20.DS18B20, m_ds18b20.DS18B20, ModelOneWire, (*BUS[:3], "no_conversion", "short")),
}
SLEEPS_S = (0, 1, 5, 17, 31, 60, 900)


def live(name, steps):
    """Toggle faults, wait, fetch; after each fetch check the rule. Return how many readings were OK."""
    driver_class, model_class, bus_class, _ = CASES[name]
    clock = FakeClock()
    model = model_class(Constants(**AIR))
    driver = driver_class(bus_class(clock, model), clock)
    driver.start()
    clock.sleep_ms(31_000)
    driver.fetch()  # what sticks later sticks at the truth
    right = 0
    for fault, sleep_s in steps:
        if fault == "dip":
            getattr(model, "power_off", None) and model.power_off()
            getattr(model, "power_on", None) and model.power_on()
            getattr(model, "engine", None) and model.engine.power_off()
        elif fault:
            model.faults ^= {fault}
        clock.sleep_ms(1000 * sleep_s)
        readings = driver.fetch()
        assert [m for m, _, _ in readings] == list(driver.MEASURES)
        for measurement, raw, state in readings:
            assert state in STATE_NAMES
            assert state < FIRST_ERROR or raw == 0
            if state == OK:
                assert abs(raw - TRUTH[measurement]) <= max(1, TRUTH[measurement] // 1000), (
                    measurement,
                    raw,
                    set(model.faults),
                )
                right += 1
    return right


def sequences(name, longest):
    step = st.tuples(st.sampled_from(("", "", *CASES[name][3])), st.sampled_from(SLEEPS_S))
    return st.lists(step, min_size=1, max_size=longest)


@pytest.mark.parametrize("name", CASES)
def test_without_faults_the_truth_comes_out(name):
    assert live(name, [("", 31), ("", 60)]) > 0


@pytest.mark.parametrize("name", CASES)
def test_what_says_ok_is_true(name):
    @settings(max_examples=12, deadline=None)
    @given(sequences(name, 10))
    def run(steps):
        live(name, steps)

    run()


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_what_says_ok_is_true_at_length(name):
    @settings(max_examples=300, deadline=None)
    @given(sequences(name, 60))
    def run(steps):
        live(name, steps)

    run()

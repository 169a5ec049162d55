"""The BME680 model by itself: an independent driver reads it right; registers, timing, heater."""

from __future__ import annotations

import time
from typing import Any

import bme680 as pimoroni
import pytest

from simulator.chips.base import Constants
from simulator.chips.bme680 import BME680, heater_c

MS = 1000


class Bus:
    """The SMBus of an independent driver, led to the model; each transaction takes a while."""

    def __init__(self, model: BME680) -> None:
        self.model = model
        self.now_us = 0

    def read_i2c_block_data(self, _address: int, register: int, n: int) -> list[int]:
        self.now_us += 5 * MS
        self.model.write(bytes([register]), self.now_us)
        return list(self.model.read(n, self.now_us))

    def read_byte_data(self, address: int, register: int) -> int:
        return self.read_i2c_block_data(address, register, 1)[0]

    def write_byte_data(self, _address: int, register: int, value: int) -> None:
        self.now_us += MS
        self.model.write(bytes([register, value]), self.now_us)

    def write_i2c_block_data(self, _address: int, register: int, values: list[int]) -> None:
        self.now_us += MS
        self.model.write(bytes([register, *values]), self.now_us)


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize(
    ("celsius", "percent", "hpa", "ohm"),
    [(21.4, 48.0, 1013.2, 50_000.0), (-20.0, 80.0, 980.0, 120_000.0), (40.0, 15.0, 1040.0, 3_000.0)],
)
def test_pimoronis_driver_reads_what_the_model_is_set_to(
    monkeypatch: pytest.MonkeyPatch, celsius: float, percent: float, hpa: float, ohm: float, high: bool
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _s: None)
    source = Constants(temperature_c=celsius, relative_humidity_pct=percent, pressure_hpa=hpa, gas_ohm=ohm)
    model = BME680(source, high=high)
    chip: Any = pimoroni.BME680(0x76, Bus(model))
    chip.set_gas_heater_temperature(320)
    chip.set_gas_heater_duration(150)
    chip.select_gas_heater_profile(0)
    assert any(chip.get_sensor_data() for _ in range(3))
    data = chip.data
    assert data.heat_stable
    assert data.temperature == pytest.approx(celsius, abs=0.02)
    assert data.humidity == pytest.approx(percent, abs=0.05)
    assert data.pressure == pytest.approx(hpa, abs=0.1)
    assert data.gas_resistance == pytest.approx(ohm, rel=2e-3)
    assert model.heated_to_c == pytest.approx(320, abs=8)  # it takes 25 degrees for the air's temperature


def read(model: BME680, register: int, n: int, now_us: int) -> bytes:
    model.write(bytes([register]), now_us)
    return model.read(n, now_us)


def begin(model: BME680, now_us: int, wait: int = 0x65) -> None:
    for register, value in ((0x5A, 0x70), (0x64, wait), (0x71, 0x10), (0x72, 1), (0x74, 0x25)):
        model.write(bytes([register, value]), now_us)


def test_the_field_says_what_is_under_way_and_then_that_it_is_new() -> None:
    model = BME680()
    begin(model, 0)
    assert read(model, 0x1D, 1, 100 * MS) == b"\x60"
    assert read(model, 0x1D, 1, 170 * MS) == b"\x80"
    assert read(model, 0x2A, 2, 170 * MS)[1] & 0x30 == 0x30  # gas_valid, heat_stab


def test_a_short_or_cold_heating_is_told() -> None:
    model = BME680()
    begin(model, 0, wait=0x05)  # 5 ms
    assert read(model, 0x2A, 2, 100 * MS)[1] & 0x30 == 0x20
    model.faults.add("gas_fail")
    begin(model, 200 * MS)
    assert read(model, 0x2A, 2, 400 * MS)[1] & 0x30 == 0x20


def test_what_is_not_asked_for_is_skipped() -> None:
    model = BME680()
    model.write(b"\x74\x21", 0)  # no pressure, no humidity, no gas
    field = read(model, 0x1D, 17, 50 * MS)
    assert field[2:5] == b"\x80\x00\x00"
    assert field[8:10] == b"\x80\x00"
    assert field[14] & 0x20 == 0


def test_writes_are_pairs_and_a_reset_forgets() -> None:
    model = BME680()
    model.write(b"\x5a\x70\x64\x65", 0)  # register and value, again and again
    assert read(model, 0x5A, 1, 0) == b"\x70"
    assert read(model, 0x64, 1, 0) == b"\x65"
    model.write(b"\xe0\xb6", 0)
    assert read(model, 0x5A, 1, 0) == b"\x00"
    assert read(model, 0xD0, 1, 0) == b"\x61"


def test_the_heater_gets_hotter_with_its_byte() -> None:
    assert heater_c(0x50, 25) < heater_c(0x60, 25) < heater_c(0x70, 25)

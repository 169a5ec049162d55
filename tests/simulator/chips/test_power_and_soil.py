"""INA219 and soil moisture models by themselves."""

import pytest

from simulator.chips.base import Constants, Nak
from simulator.chips.ina219 import INA219
from simulator.chips.soil_moisture import SoilMoisture


def word(model, register, now_us):
    model.write(bytes([register]), now_us)
    return int.from_bytes(model.read(2, now_us), "big")


def test_ina219_registers():
    model = INA219(Constants(solar_mv=5120.0, current_ma=-123.4))
    assert word(model, 0, 0) == 0x399F  # data sheet: configuration after power-up
    model.write(b"\x00\x39\x9b", 0)
    assert word(model, 2, 1000) & 2 == 0
    assert word(model, 2, 1200) == 1280 << 3 | 2
    assert word(model, 1, 1200) == 65536 - 1234


def test_ina219_without_supply():
    model = INA219()
    model.faults.add("brown_out")
    with pytest.raises(Nak):
        word(model, 0, 0)


def test_soil_probe_ends_of_its_scale():
    soil = Constants(soil_moisture_pct=0.0)
    model = SoilMoisture(soil)
    assert model.read_uv(0) == 2_790_000  # firmware reference 3.4: 2.79 V dry, 1.31 V wet
    soil.set(soil_moisture_pct=100.0)
    assert model.read_uv(1) == 1_310_000

"""The battery model by itself."""

from simulator.chips.base import Constants
from simulator.chips.battery import Battery


def test_divider_and_pin_limit():
    assert Battery(Constants(battery_mv=3700.0), (2, 1)).read_uv(0) == 1_850_000
    assert Battery(Constants(battery_mv=12_000.0), (2, 1)).read_uv(0) == 3_300_000


def test_faults():
    volts = Constants(battery_mv=4000.0)
    model = Battery(volts, (2, 1))
    model.read_uv(0)
    model.faults = {"stuck"}
    volts.set(battery_mv=3000.0)
    assert model.read_uv(1) == 2_000_000
    model.faults = {"drift"}
    assert model.read_uv(2) == 1_425_000
    model.faults = {"nak"}
    assert model.read_uv(3) < 10_000

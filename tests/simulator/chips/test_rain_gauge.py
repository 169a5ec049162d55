"""The tipping-bucket model by itself."""

import pytest

from simulator.chips.base import Constants
from simulator.chips.rain_gauge import RainGauge


def test_a_millimetre_is_five_tips_of_two_tenths():
    rain = Constants(rain_mm=12.0)
    model = RainGauge(rain, mm_per_tip=0.2)
    assert model.count(0) == 0
    rain.set(rain_mm=12.99)
    assert model.count(1) == 4
    rain.set(rain_mm=13.0)
    assert model.count(2) == 5


def test_drizzle_is_summed_up():
    rain = Constants(rain_mm=0.0)
    model = RainGauge(rain, mm_per_tip=0.2)
    for step in range(1001):
        rain.set(rain_mm=step / 100)
        count = model.count(step)
    assert count == 50


@pytest.mark.parametrize(
    ("fault", "during", "after"), [("nak", 0, 5), ("stuck", 0, 5), ("blocked_cone", 0, 10)]
)
def test_faults_lose_or_hold_rain(fault, during, after):
    rain = Constants(rain_mm=0.0)
    model = RainGauge(rain, mm_per_tip=0.2)
    model.count(0)
    model.faults.add(fault)
    rain.set(rain_mm=1.0)
    assert model.count(1) == during
    model.faults.clear()
    rain.set(rain_mm=2.0)
    assert model.count(2) == after


def test_bounce_counts_twice():
    model = RainGauge()
    model.faults.add("bounce")
    model.tip(3)
    assert model.count(0) == 6

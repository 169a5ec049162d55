"""The battery driver: divider arithmetic, a pin without battery, saturation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.battery import Battery
from drivers.errors import DriverError
from simulator.chips import battery as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelAdc
from wire.record import NO_ANSWER, OK, OVERLOAD

MV = 17


def wired(mv, ratio=(2, 1), **options):
    clock = FakeClock()
    model = chips.Battery(Constants(battery_mv=mv), ratio)
    return Battery(ModelAdc(clock, model), clock, ratio, **options), model


@given(st.integers(500, 6000), st.sampled_from([(2, 1), (49, 10), (320, 100), (147, 47)]))
@settings(max_examples=100, deadline=None)
def test_millivolts_come_back(mv, ratio):
    driver, _ = wired(mv, ratio)
    pin_uv = mv * 1000 * ratio[1] / ratio[0]
    assert driver.fetch() == [(MV, mv, OK if pin_uv <= 3_100_000 else OVERLOAD)] or pin_uv > 3_300_000


def test_no_battery_is_no_answer_not_zero():
    driver, model = wired(3900)
    model.faults.add("nak")
    assert driver.fetch() == [(MV, 0, NO_ANSWER)]
    with pytest.raises(DriverError, match="not wired"):
        driver.probe()


def test_one_spike_does_not_count():
    class Spiky:
        def __init__(self):
            self.n = 0

        def read_uv(self):
            self.n += 1
            return 3_000_000 if self.n == 4 else 1_850_000

    assert Battery(Spiky(), FakeClock(), (2, 1)).fetch() == [(MV, 3700, OK)]


def test_the_divider_is_on_only_while_measuring():
    class Switch:
        seen = ()

        def value(self, x):
            self.seen = (*self.seen, x)

    switch = Switch()
    driver, _ = wired(3700, switch=switch)
    assert driver.fetch() == [(MV, 3700, OK)]
    assert switch.seen == (1, 0)


def test_an_adc_that_fails_is_no_answer():
    class Broken:
        def read_uv(self):
            raise OSError(5)

    assert Battery(Broken(), FakeClock(), (2, 1)).fetch() == [(MV, 0, NO_ANSWER)]

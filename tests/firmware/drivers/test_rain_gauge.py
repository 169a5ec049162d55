"""The rain gauge driver: a counter that only rises, whatever the counter below does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.rain_gauge import RainGauge
from simulator.chips import rain_gauge as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelCounter
from wire.record import DEGRADED, NO_ANSWER, OK

TIPS = 16
MINUTE_MS = 60_000


class Counter:
    def __init__(self, value=0):
        self.now = value

    def value(self):
        return self.now


class Broken:
    def value(self):
        raise OSError(19)


def test_a_shower_of_the_model():
    clock = FakeClock()
    rain = Constants(rain_mm=0.0)
    driver = RainGauge(ModelCounter(clock, chips.RainGauge(rain, mm_per_tip=0.2)), clock)
    assert driver.fetch() == [(TIPS, 0, OK)]
    for minute in range(1, 11):
        clock.sleep_ms(MINUTE_MS)
        rain.set(rain_mm=0.5 * minute)
        last = driver.fetch()
    assert last == [(TIPS, 25, OK)]


@given(st.lists(st.integers(0, 290), max_size=40), st.integers(0, 65535))
@settings(max_examples=100, deadline=None)
def test_the_sum_of_differences_is_the_number_of_tips(tips, total):
    clock, counter = FakeClock(), Counter(5)
    driver = RainGauge(counter, clock, total=total, last=5)
    before = driver.fetch()[0][1]
    seen = 0
    for n in tips:
        clock.sleep_ms(MINUTE_MS)
        counter.now += n
        ((_, raw, state),) = driver.fetch()
        assert state == OK
        seen += (raw - before) & 0xFFFF
        before = raw
    assert seen == sum(tips)


def test_a_counter_that_begins_anew_does_not_lower_the_total():
    clock, counter = FakeClock(), Counter(100)
    driver = RainGauge(counter, clock)
    assert driver.fetch() == [(TIPS, 100, OK)]
    counter.now = 3
    clock.sleep_ms(MINUTE_MS)
    assert driver.fetch() == [(TIPS, 103, OK)]


def test_a_counter_of_sixteen_bits_wraps():
    clock, counter = FakeClock(), Counter(65_530)
    driver = RainGauge(counter, clock, total=7, last=65_530, wraps_at=65_536)
    driver.fetch()
    counter.now = 4
    clock.sleep_ms(MINUTE_MS)
    assert driver.fetch() == [(TIPS, 17, OK)]


def test_a_life_goes_on_after_deep_sleep():
    clock, counter = FakeClock(), Counter(41)
    first = RainGauge(counter, clock)
    first.fetch()
    counter.now = 44  # counted while asleep
    assert RainGauge(counter, clock, first.total, first.last).fetch() == [(TIPS, 44, OK)]


def test_a_rate_that_no_rain_reaches_is_marked_and_kept():
    clock, counter = FakeClock(), Counter()
    driver = RainGauge(counter, clock)
    driver.fetch()
    clock.sleep_ms(10_000)
    counter.now = 50
    assert driver.fetch() == [(TIPS, 50, OK)]
    clock.sleep_ms(10_000)
    counter.now = 102
    assert driver.fetch() == [(TIPS, 102, DEGRADED)]


def test_a_counter_without_answer():
    driver = RainGauge(Broken(), FakeClock())
    assert driver.fetch() == [(TIPS, 0, NO_ANSWER)]
    with pytest.raises(DriverError, match="counter does not answer"):
        driver.probe()


class Keeper(Counter):
    """A counter that runs on, and keeps a number as long as it does."""

    wraps_at = 65536

    def __init__(self, value=0):
        super().__init__(value)
        self.number = None

    def keep(self, number):
        self.number = number

    def kept(self):
        return self.number


def born(counter, clock, logged):
    return RainGauge(counter, clock, logged, None, counter.wraps_at)


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=30), st.integers(0, 65535))
@settings(max_examples=100, deadline=None)
def test_tips_during_resets_and_deep_sleep_are_not_lost(steps, begin):
    clock, counter = FakeClock(), Keeper(begin)
    driver = born(counter, clock, None)
    first = driver.fetch()[0][1]
    fell, logged = 0, first
    for tips, restart in steps:
        clock.sleep_ms(MINUTE_MS)
        counter.now = (counter.now + tips) & 0xFFFF
        fell += tips
        if restart:  # before anybody looked: the log has the record before
            driver = born(counter, clock, logged)
            clock.sleep_ms(1000)
        logged = driver.fetch()[0][1]
    assert (logged - first) & 0xFFFF == fell & 0xFFFF


def test_a_lost_counter_goes_on_from_the_log_and_a_lost_log_from_the_counter():
    clock, counter = FakeClock(), Keeper(10)
    driver = born(counter, clock, 500)
    assert driver.fetch() == [(TIPS, 500, OK)]
    counter.now = 17
    assert born(counter, clock, None).fetch() == [(TIPS, 507, OK)]
    assert born(Keeper(3), clock, 507).fetch() == [(TIPS, 507, OK)]
    counter.keep(60_000)  # of another life, behind what was told
    assert born(counter, clock, 507).fetch() == [(TIPS, 507, OK)]


def test_a_counter_that_lost_its_supply_is_no_cloudburst():
    clock, counter = FakeClock(), Keeper(1000)
    driver = born(counter, clock, 0)
    driver.fetch()
    clock.sleep_ms(MINUTE_MS)
    counter.now = 2  # began anew: not 64,538 tips
    assert driver.fetch() == [(TIPS, 2, OK)]

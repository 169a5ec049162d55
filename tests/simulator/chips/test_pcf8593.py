"""PCF8593: model by the data sheet's registers, driver against it, also over its wrap and a lost supply."""

from __future__ import annotations

import pytest

from drivers import pcf8593 as driver_of
from drivers.passage import PassageCounter
from drivers.rain_gauge import RainGauge
from simulator.chips.pcf8593 import PCF8593
from tests.firmware.drivers.bus import FakeClock, ModelI2C
from wire.measurements import PASSAGES, RAIN_TIPS
from wire.record import DEGRADED, NO_ANSWER, OK


class Pulses:
    n = 0

    def count(self, now_us: int) -> int:
        return self.n


def wired() -> tuple[driver_of.PCF8593, PCF8593, Pulses, FakeClock]:
    clock, pulses = FakeClock(), Pulses()
    model = PCF8593(pulses)
    return driver_of.PCF8593(ModelI2C(clock, model)), model, pulses, clock


def test_it_counts_in_six_decimal_digits_only_in_event_mode() -> None:
    _, model, pulses, _ = wired()
    model.write(b"\x00", 0)
    pulses.n = 5
    assert model.read(4, 0) == bytes(4)
    model.write(b"\x00\x20", 0)
    pulses.n += 1234
    model.write(b"\x00", 0)
    assert model.read(4, 0) == b"\x20\x34\x12\x00"


def test_pulses_of_days_asleep_are_there_and_the_wrap_loses_none() -> None:
    driver, model, pulses, clock = wired()
    assert driver.value() == 0
    model.write(bytes([1, 0x90, 0x99, 0x99]), clock.us)  # 999,990
    gauge = RainGauge(driver, clock, last=driver.value(), wraps_at=driver.wraps_at)
    clock.us += 3_600_000_000
    pulses.n += 25
    assert gauge.fetch() == [(RAIN_TIPS, 25, OK)]


def test_a_lost_supply_begins_anew_and_a_silent_chip_is_no_rain() -> None:
    driver, model, pulses, clock = wired()
    gauge = RainGauge(driver, clock, total=100, last=driver.value(), wraps_at=driver.wraps_at)
    model.faults.add("nak")
    assert gauge.fetch() == [(RAIN_TIPS, 0, NO_ANSWER)]
    model.faults = {"brown_out"}
    assert gauge.fetch() == [(RAIN_TIPS, 0, NO_ANSWER)]
    model.faults.clear()
    pulses.n += 3
    assert gauge.fetch()[0][2] == OK


def test_disturbed_digits_are_an_error_not_a_number() -> None:
    driver, model, _, _ = wired()
    driver.value()
    model.registers[1] = 0x0F
    with pytest.raises(OSError, match="5"):
        driver.value()


def test_passages_are_counted_and_a_detector_that_chatters_is_doubted() -> None:
    driver, _, pulses, clock = wired()
    counter = PassageCounter(driver, clock, total=65530, wraps_at=driver.wraps_at)
    assert counter.fetch() == [(PASSAGES, 65530, OK)]
    clock.us += 60_000_000
    pulses.n += 10
    assert counter.fetch() == [(PASSAGES, 4, OK)]
    clock.us += 1_000_000
    pulses.n += 50
    assert counter.fetch()[0][2] == DEGRADED

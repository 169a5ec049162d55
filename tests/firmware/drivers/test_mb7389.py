"""The MB7389 driver: strict form, boot text, burst, ends of its scale."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.mb7389 import MB7389
from simulator.chips import mb7389 as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import ByteStream, FakeClock, ModelUart
from wire.record import BELOW_FLOOR, CHECKSUM, NO_ANSWER, OK, OUT_OF_RANGE, STATE_NAMES, TIMEOUT

DISTANCE = 15


def wired(distance_mm=1234.0):
    clock = FakeClock()
    model = chips.MB7389(Constants(distance_mm=distance_mm))
    return MB7389(ModelUart(clock, model), clock), model, clock


def test_reads_the_distance_behind_the_boot_text():
    driver, _, _ = wired()
    assert driver.fetch() == [(DISTANCE, 1234, OK)]


@pytest.mark.parametrize(
    ("fault", "reading"),
    [
        ("nak", (DISTANCE, 0, NO_ANSWER)),
        ("slow", (DISTANCE, 0, TIMEOUT)),
        ("bad_crc", (DISTANCE, 0, TIMEOUT)),
        ("ghost_echo", (DISTANCE, 1234, OK)),
        ("noise", (DISTANCE, 1234, OK)),
        ("blocked_cone", (DISTANCE, 300, BELOW_FLOOR)),
    ],
)
def test_faults(fault, reading):
    driver, model, _ = wired()
    driver.fetch()
    model.faults.add(fault)
    assert driver.fetch() == [reading]


def test_no_target_is_out_of_range_not_five_metres():
    driver, _, _ = wired(20_000.0)
    assert driver.fetch() == [(DISTANCE, 0, OUT_OF_RANGE)]


@pytest.mark.parametrize(
    "text", [b"R12x4\r", b"R123\r", b"R12345\r", b"1234\r", b"r1234\r", b"RoHS 1.8b 0416\r"]
)
def test_anything_but_the_strict_form_is_refused(text):
    clock = FakeClock()
    driver = MB7389(ModelUart(clock, ByteStream(text * 40)), clock)
    assert driver.fetch()[0] in ((DISTANCE, 0, TIMEOUT), (DISTANCE, 0, CHECKSUM))


@given(st.binary(max_size=150))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_reading(data):
    clock = FakeClock()
    ((measurement, _, state),) = MB7389(ModelUart(clock, ByteStream(data)), clock, samples=3).fetch()
    assert measurement == DISTANCE
    assert state in STATE_NAMES

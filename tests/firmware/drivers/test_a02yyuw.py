"""The A02YYUW driver: byte streams that begin anywhere, bursts, faults of the model, any bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.a02yyuw import A02YYUW
from drivers.errors import DriverError
from simulator.chips import a02yyuw as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import ByteStream, FakeClock, ModelUart
from wire.record import CHECKSUM, NO_ANSWER, OK, OUT_OF_RANGE, STATE_NAMES, TIMEOUT

DISTANCE = 15
EXAMPLE = bytes.fromhex("ff07a1a7")  # maker's example, 1953 mm (shared vectors, a02yyuw)


def wired(distance_mm=1234.0, **options):
    clock = FakeClock()
    model = chips.A02YYUW(Constants(distance_mm=distance_mm), **options)
    return A02YYUW(ModelUart(clock, model), clock), model, clock


def on_stream(data, **options):
    clock = FakeClock()
    return A02YYUW(ModelUart(clock, ByteStream(data)), clock, **options), clock


def test_reads_the_distance():
    driver, _, _ = wired()
    assert driver.fetch() == [(DISTANCE, 1234, OK)]
    assert driver.spread_mm == 0


def test_makers_example_frame():
    driver, _ = on_stream(EXAMPLE * 10)
    assert driver.fetch() == [(DISTANCE, 1953, OK)]


@given(st.integers(30, 4500), st.integers(0, 3), st.booleans())
@settings(max_examples=150, deadline=None)
def test_finds_the_frames_wherever_the_stream_begins(mm, cut, junk):
    frame = bytes((0xFF, mm >> 8, mm & 0xFF, (0xFF + (mm >> 8) + mm) & 0xFF))
    driver, _ = on_stream((b"\x00\xff\x12" if junk else b"") + (frame * 10)[cut:])
    assert driver.fetch() == [(DISTANCE, mm, OK)]


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("slow", TIMEOUT)],
)
def test_faults_become_states(fault, state):
    driver, model, _ = wired()
    model.faults.add(fault)
    assert driver.fetch() == [(DISTANCE, 0, state)]


@pytest.mark.parametrize("fault", ["ghost_echo", "noise"])
def test_faults_that_a_burst_survives(fault):
    driver, model, _ = wired()
    model.faults.add(fault)
    assert driver.fetch() == [(DISTANCE, 1234, OK)]


def test_ghosts_show_in_the_spread():
    driver, model, _ = wired()
    model.faults.add("ghost_echo")
    driver.fetch()
    assert driver.spread_mm == 617


@pytest.mark.parametrize("distance_mm", [10, 6000])
def test_no_echo_is_out_of_range(distance_mm):
    driver, _, _ = wired(distance_mm)
    assert driver.fetch() == [(DISTANCE, 0, OUT_OF_RANGE)]


def test_a_fetch_is_bounded_on_a_dead_line():
    driver, model, clock = wired()
    model.faults.add("nak")
    driver.fetch()
    assert clock.us <= (driver.fetch_ms + 400) * 1000


def test_a_fetch_ends_on_a_line_that_never_falls_silent():
    class Babble:
        def any(self):
            return 8

        def read(self, n):
            return b"\xff" * n

        def readinto(self, buf):
            buf[:] = b"\xff" * len(buf)
            return len(buf)

    assert A02YYUW(Babble(), FakeClock()).fetch() == [(DISTANCE, 0, TIMEOUT)]


def test_old_bytes_are_not_used():
    driver, model, clock = wired(1000.0)
    driver.fetch()
    model.source.set(distance_mm=2000.0)
    clock.sleep_ms(60_000)
    assert driver.fetch() == [(DISTANCE, 2000, OK)]


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_reading(data):
    driver, _ = on_stream(data, samples=3)
    ((measurement, raw, state),) = driver.fetch()
    assert measurement == DISTANCE
    assert state in STATE_NAMES
    assert state != OK or 30 <= raw <= 4500


def test_every_single_bit_error_of_a_frame_is_refused():
    for bit in range(32):
        spoilt = bytearray(EXAMPLE)
        spoilt[bit // 8] ^= 1 << bit % 8
        driver, _ = on_stream(bytes(spoilt) + b"\x00" * 8, samples=1)
        assert driver.fetch()[0][2] != OK


def test_probe_names_swapped_wires_and_a_wrong_baud_rate():
    driver, model, _ = wired()
    assert driver.probe() == 1234
    model.faults.add("nak")
    with pytest.raises(DriverError, match="swapped"):
        driver.probe()
    driver, _ = on_stream(b"\x80\x78\x00\xf8" * 100)
    with pytest.raises(DriverError, match="baud rate"):
        driver.probe()

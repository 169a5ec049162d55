"""The LIS3DH driver and the integer angle: against math.atan2, the model, and any bytes."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.angles import angle_tenths, isqrt
from drivers.errors import DriverError
from drivers.lis3dh import LIS3DH
from simulator.chips import lis3dh as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import DEGRADED, NO_ANSWER, OK, STATE_NAMES, TIMEOUT, WARMUP

TILT = 28
AXIS = st.integers(-2048, 2047)


def wired(tilt_deg=12.3, **options):
    clock = FakeClock()
    model = chips.LIS3DH(Constants(tilt_deg=tilt_deg, motion_mg=0.0))
    driver = LIS3DH(ModelI2C(clock, model), clock, **options)
    driver.start()
    clock.sleep_ms(driver.settle_ms)
    return driver, model, clock


@given(st.integers(0, 10**18))
def test_square_root(n):
    assert isqrt(n) == math.isqrt(n)


@given(st.tuples(AXIS, AXIS, AXIS), st.tuples(AXIS, AXIS, AXIS))
@settings(max_examples=300, deadline=None)
def test_angle_is_that_of_floating_point(a, b):
    assume(min(sum(p * p for p in a), sum(q * q for q in b)) > 100 * 100)
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    cross = math.sqrt(max(0, sum(p * p for p in a) * sum(q * q for q in b) - dot * dot))
    assert abs(angle_tenths(a, b) - 10 * math.degrees(math.atan2(cross, dot))) <= 0.6


@given(st.integers(0, 180))
@settings(max_examples=60, deadline=None)
def test_tilt_comes_back(degrees):
    driver, _, _ = wired(float(degrees))
    ((_, raw, state),) = driver.fetch()
    assert state == OK
    assert abs(raw - 10 * degrees) <= 1


def test_tilt_is_from_the_position_of_installation():
    driver, model, clock = wired(30.0)
    upright = driver.at()
    driver = LIS3DH(ModelI2C(clock, model), clock, upright=upright)
    driver.start()
    clock.sleep_ms(1000)
    assert driver.fetch() == [(TILT, 0, OK)]
    model.source.set(tilt_deg=75.0)
    clock.sleep_ms(200)
    ((_, raw, _),) = driver.fetch()
    assert abs(raw - 450) <= 1


@pytest.mark.parametrize(
    ("fault", "state"), [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("stuck", TIMEOUT)]
)
def test_faults_become_states(fault, state):
    driver, model, _ = wired()
    driver.fetch()
    model.faults.add(fault)
    assert driver.fetch() == [(TILT, 0, state)]


def test_motion_and_a_dead_axis_are_marked():
    driver, model, clock = wired()
    model.source.set(motion_mg=600.0)
    clock.sleep_ms(200)
    assert driver.fetch()[0][2] == DEGRADED
    model.source.set(motion_mg=0.0)
    model.faults.add("dead_axis")
    clock.sleep_ms(200)
    assert driver.fetch()[0][2] == DEGRADED


def test_before_it_has_settled_it_is_marked():
    clock = FakeClock()
    driver = LIS3DH(ModelI2C(clock, chips.LIS3DH()), clock)
    driver.start()
    clock.sleep_ms(250)
    assert driver.fetch()[0][2] == WARMUP


def test_after_a_dip_of_the_supply_it_is_switched_on_again():
    driver, model, clock = wired()
    model.power_on()
    assert driver.fetch()[0][2] == TIMEOUT
    clock.sleep_ms(1000)
    assert driver.fetch()[0][2] == OK


def test_the_interrupt_is_armed():
    driver, model, _ = wired()
    assert driver.arm(350) == OK
    assert bytes(model.registers[0x30:0x34:2]) == bytes([0x7F, 350 // 16])
    assert model.registers[0x22] == 0x40
    assert driver.why() == 0


def test_probe_names_another_chip_and_the_address_pin():
    driver, model, clock = wired()
    assert driver.probe() == 0x33
    with pytest.raises(DriverError, match=r"0x18 answers.*SDO"):
        LIS3DH(ModelI2C(clock, model), clock, address=0x19).probe()
    model.registers[0x0F] = 0x44
    with pytest.raises(DriverError, match="0x44, not 0x33"):
        driver.probe()


@given(st.binary(min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_a_reading(data):
    driver = LIS3DH(NoisyI2C(data), FakeClock())
    driver.start()
    ((measurement, _, state),) = driver.fetch()
    assert measurement == TILT
    assert state in STATE_NAMES

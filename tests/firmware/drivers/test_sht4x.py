"""The SHT4x driver against its model, and against disturbed bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.sht4x import SHT4x, humidity_tenths, temperature_centi
from simulator.chips.base import Constants
from simulator.chips.sht4x import SHT4x as Model
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import CHECKSUM, NO_ANSWER, OK, STATE_NAMES, TIMEOUT

T, RH = 5, 6


def wired(**values):
    clock = FakeClock()
    model = Model(Constants(**({"temperature_c": 21.37, "relative_humidity_pct": 48.2} | values)))
    return SHT4x(ModelI2C(clock, model), clock), model, clock


def states(readings):
    return [state for _, _, state in readings]


def test_reads_what_the_air_has():
    driver, _, _ = wired()
    assert driver.fetch() == [(T, 2137, OK), (RH, 482, OK)]


@given(st.integers(-4400, 12900), st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_every_value_survives_to_its_resolution(centi, tenths):
    driver, _, _ = wired(temperature_c=centi / 100, relative_humidity_pct=tenths / 10)
    assert driver.fetch() == [(T, centi, OK), (RH, tenths, OK)]


def test_conversion_equals_the_formula_for_every_raw_word():
    for raw in range(0, 65536, 7):
        # the data sheet's formula in whole numbers: round(x) = floor(x + 1/2)
        assert temperature_centi(raw) == (2 * (17500 * raw - 4500 * 65535) + 65535) // (2 * 65535)
        exact = (2 * (1250 * raw - 60 * 65535) + 65535) // (2 * 65535)
        assert humidity_tenths(raw) == min(1000, max(0, exact))


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("slow", TIMEOUT)],
)
def test_faults_become_states(fault, state):
    driver, model, _ = wired()
    model.faults.add(fault)
    assert driver.fetch() == [(T, 0, state), (RH, 0, state)]
    model.faults.clear()
    driver._chip.clock.sleep_ms(200)
    assert states(driver.fetch()) == [OK, OK]


def test_a_fetch_is_short_even_when_the_chip_hangs():
    driver, model, clock = wired()
    model.faults.add("slow")
    driver.fetch()
    assert clock.us < 60_000


def test_one_disturbed_transfer_costs_nothing():
    driver, model, _ = wired()
    original = model.read

    def once(n, now_us):
        model.read = original
        answer = original(n, now_us)
        return bytes([answer[0] ^ 1]) + answer[1:]

    model.read = once
    assert states(driver.fetch()) == [OK, OK]


def test_saturated_humidity_is_cropped_to_100():
    driver, model, _ = wired()
    model.faults.add("condensation")
    assert driver.fetch()[1] == (RH, 1000, OK)


@given(st.binary(min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_readings(data):
    readings = SHT4x(NoisyI2C(data), FakeClock()).fetch()
    assert [m for m, _, _ in readings] == [T, RH]
    assert set(states(readings)) <= set(STATE_NAMES)


def test_every_single_bit_error_is_seen():
    frame = bytes.fromhex("6666938000a2")  # shared vectors, sht4x
    for bit in range(48):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert states(SHT4x(NoisyI2C(bytes(spoilt)), FakeClock()).fetch()) == [CHECKSUM, CHECKSUM]


def test_probe_returns_the_serial_number():
    driver, model, _ = wired()
    assert driver.probe() == model.serial


def test_probe_names_a_wrong_address():
    clock = FakeClock()
    driver = SHT4x(ModelI2C(clock, Model(address=0x45)), clock)
    with pytest.raises(DriverError, match=r"0x44.*bus works \(0x45 answers\).*-B at 0x45") as caught:
        driver.probe()
    assert caught.value.state == NO_ANSWER


def test_probe_names_a_dead_bus():
    clock = FakeClock()
    with pytest.raises(DriverError, match=r"nothing answers on this bus.*SDA and SCL swapped"):
        SHT4x(ModelI2C(clock), clock).probe()


def test_probe_names_a_bus_that_is_held_low():
    class Held:
        def writeto(self, address, buf):
            raise OSError(116)

    with pytest.raises(DriverError, match="held low"):
        SHT4x(Held(), FakeClock()).probe()

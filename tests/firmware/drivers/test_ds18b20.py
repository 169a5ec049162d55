"""The DS18B20 driver: published values, the 85 degrees after power-up, faults, any bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import ds18b20
from drivers.errors import DriverError
from simulator.chips import ds18b20 as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelOneWire
from wire.record import CHECKSUM, FAULT, NO_ANSWER, NOT_READY, OK, STATE_NAMES

SOIL = 24


def wired(celsius=12.25):
    clock = FakeClock()
    model = chips.DS18B20(Constants(soil_temperature_c=celsius))
    return ds18b20.DS18B20(ModelOneWire(clock, model), clock), model, clock


class Bytes:
    """A 1-Wire bus with presence and fixed bytes."""

    def __init__(self, data):
        self.data = data

    def reset(self):
        return True

    def writebyte(self, value):
        pass

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self.data[i % len(self.data)]


def test_published_temperatures(shared):
    vectors = json.loads(shared("vectors/sensors.json").read_text())["ds18b20"]
    for raw, celsius in vectors["raw_to_c"].items():
        # to the sixteenth of a degree, half a hundredth away from zero: 25.0625 -> 25.06, -10.125 -> -10.13
        word = int(raw, 16)
        got = ds18b20.centi(word - 65536 if word & 0x8000 else word)
        assert abs(got - celsius * 100) <= 0.5
        driver, _, _ = wired(celsius)
        assert driver.fetch() == [(SOIL, got, OK)]
    data = bytes.fromhex(vectors["scratchpad"])
    assert ds18b20.crc8(data, 8) == int(vectors["scratchpad_crc"], 16)
    assert ds18b20.crc8(bytes.fromhex(vectors["rom"]), 7) == int(vectors["rom_crc"], 16)


def test_a_true_85_degrees_is_believed_the_power_up_value_is_not():
    driver, model, _ = wired(85.0)
    assert driver.fetch() == [(SOIL, 8500, OK)]
    driver, model, _ = wired(12.0)
    model.faults.add("no_conversion")
    assert driver.fetch() == [(SOIL, 0, NOT_READY)]


@pytest.mark.parametrize(
    ("fault", "state"),
    [("nak", NO_ANSWER), ("brown_out", NO_ANSWER), ("bad_crc", CHECKSUM), ("short", FAULT)],
)
def test_faults_become_states(fault, state):
    driver, model, _ = wired()
    model.faults.add(fault)
    assert driver.fetch() == [(SOIL, 0, state)]


def test_probe():
    driver, model, _ = wired()
    assert driver.probe() == model.rom.hex()
    model.faults.add("nak")
    with pytest.raises(DriverError, match="pull-up"):
        driver.probe()
    other = ds18b20.DS18B20(
        Bytes(b"\x10\0\0\0\0\0\0" + bytes([chips.crc8(b"\x10\0\0\0\0\0\0")])), FakeClock()
    )
    with pytest.raises(DriverError, match="family 0x10"):
        other.probe()


@given(st.binary(min_size=1, max_size=9))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_reading(data):
    ((measurement, _, state),) = ds18b20.DS18B20(Bytes(data), FakeClock()).fetch()
    assert measurement == SOIL
    assert state in STATE_NAMES


def test_every_single_bit_error_is_seen():
    frame = bytes.fromhex("50054b467fff0c101c")  # shared vectors, ds18b20
    for bit in range(72):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert ds18b20.DS18B20(Bytes(bytes(spoilt)), FakeClock()).fetch()[0][2] == CHECKSUM

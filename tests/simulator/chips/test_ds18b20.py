"""The DS18B20 model by itself: published bytes, conversion time, ROM commands, faults."""

import json

import pytest

from simulator.chips.base import Constants
from simulator.chips.ds18b20 import DS18B20, crc8

MS = 1000


@pytest.fixture(scope="module")
def vectors(shared):
    return json.loads(shared("vectors/sensors.json").read_text())["ds18b20"]


def scratchpad(model: DS18B20, now_us: int) -> bytes:
    model.reset(now_us)
    for byte in (0xCC, 0xBE):
        model.write_byte(byte, now_us)
    return bytes(model.read_byte(now_us) for _ in range(9))


def convert(model: DS18B20, now_us: int) -> None:
    model.reset(now_us)
    for byte in (0xCC, 0x44):
        model.write_byte(byte, now_us)


def test_published_crcs(vectors):
    assert crc8(bytes.fromhex(vectors["scratchpad"])) == int(vectors["scratchpad_crc"], 16)
    assert crc8(bytes.fromhex(vectors["rom"])) == int(vectors["rom_crc"], 16)


def test_scratchpad_after_power_up(vectors):
    assert scratchpad(DS18B20(), 0).hex() == vectors["scratchpad"] + vectors["scratchpad_crc"]


def test_published_temperatures(vectors):
    for raw, celsius in vectors["raw_to_c"].items():
        model = DS18B20(Constants(soil_temperature_c=celsius))
        convert(model, 0)
        assert scratchpad(model, 750 * MS)[1::-1].hex() == raw


def test_a_conversion_takes_750_ms():
    model = DS18B20(Constants(soil_temperature_c=20.0))
    convert(model, 0)
    assert scratchpad(model, 740 * MS)[:2] == b"\x50\x05"
    assert scratchpad(model, 751 * MS)[:2] == b"\x40\x01"


def test_match_rom_speaks_to_this_chip_only():
    model = DS18B20()
    for rom, answers in ((model.rom, True), (bytes(8), False)):
        model.reset(0)
        for byte in (0x55, *rom, 0xBE):
            model.write_byte(byte, 0)
        assert (model.read_byte(0) == 0x50) is answers
    model.reset(0)
    model.write_byte(0x33, 0)
    assert bytes(model.read_byte(0) for _ in range(8)) == model.rom


def test_faults():
    model = DS18B20(Constants(soil_temperature_c=20.0))
    model.faults = {"nak"}
    assert not model.reset(0)
    model.faults = {"no_conversion"}
    convert(model, 0)
    assert scratchpad(model, 800 * MS)[:2] == b"\x50\x05"
    model.faults = {"short"}
    assert scratchpad(model, 900 * MS) == bytes(9)

"""The model's CRC and words against Sensirion's published values (shared vectors, sensirion_crc8)."""

import json

import pytest

from simulator.chips.base import Nak
from simulator.chips.sensirion import crc8, pack, unpack


def test_crc_of_published_cases(shared):
    cases = json.loads(shared("vectors/sensors.json").read_text())["sensirion_crc8"]["cases"]
    for data, crc in cases.items():
        assert crc8(bytes.fromhex(data)) == int(crc, 16)


def test_beef_gives_92():
    assert pack([0xBEEF]) == b"\xbe\xef\x92"  # SHT4x data sheet, checksum example


def test_wrong_argument_crc_is_not_acknowledged():
    with pytest.raises(Nak):
        unpack(b"\x03\x00\xad")
    with pytest.raises(Nak):
        unpack(b"\x03\x00")

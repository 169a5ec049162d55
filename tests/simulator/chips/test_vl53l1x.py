"""The VL53L1X model by itself: identity, boot, shots, result registers."""

import json

from simulator.chips.base import Constants
from simulator.chips.vl53l1x import VL53L1X

MS = 1000
CONFIGURED = {0x0040: 0x0F, 0x0046: 0x20, 0x0030: 0x01}


def read(model, register, n, now_us):
    model.write(register.to_bytes(2, "big"), now_us)
    return model.read(n, now_us)


def write(model, register, value, now_us):
    model.write(register.to_bytes(2, "big") + bytes([value]), now_us)


def configured(distance_mm=1000.0):
    model = VL53L1X(Constants(distance_mm=distance_mm))
    for register, value in CONFIGURED.items():
        write(model, register, value, 0)
    write(model, 0x86, 1, 0)
    return model


def test_identity_and_boot():
    model = VL53L1X()
    assert read(model, 0xE5, 1, 0) == b"\x00"
    assert read(model, 0xE5, 1, 2 * MS) == b"\x03"
    assert read(model, 0x010F, 2, 2 * MS) == b"\xea\xcc"  # firmware reference 3.4


def test_a_single_shot_takes_its_budget_and_ends():
    model = configured()
    write(model, 0x87, 0x10, 0)
    assert read(model, 0x31, 1, 90 * MS)[0] & 1 == 0
    assert read(model, 0x31, 1, 110 * MS)[0] & 1 == 1
    write(model, 0x86, 1, 120 * MS)
    assert read(model, 0x31, 1, 900 * MS)[0] & 1 == 0


def test_continuous_mode_goes_on():
    model = configured()
    write(model, 0x87, 0x40, 0)
    read(model, 0x31, 1, 110 * MS)
    write(model, 0x86, 1, 120 * MS)
    assert read(model, 0x31, 1, 230 * MS)[0] & 1 == 1


def test_without_configuration_nothing_is_ever_ready():
    model = VL53L1X()
    write(model, 0x30, 0x01, 0)
    write(model, 0x86, 1, 0)
    write(model, 0x87, 0x10, 0)
    assert read(model, 0x31, 1, 900 * MS)[0] & 1 == 0


def test_raw_range_of_the_vector(shared):
    case = json.loads(shared("vectors/sensors.json").read_text())["vl53l1x"]
    model = configured(case["mm"])
    write(model, 0x87, 0x10, 0)
    block = read(model, 0x89, 17, 110 * MS)
    assert block[0] & 0x1F == 9
    assert int.from_bytes(block[13:15], "big") == case["raw"]

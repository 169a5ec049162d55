"""The models that talk by themselves (PMS5003, SDS011, MB7389): published frames, modes, faults."""

import json

import pytest

from simulator.chips.base import Constants
from simulator.chips.mb7389 import MB7389
from simulator.chips.pms5003 import PMS5003
from simulator.chips.sds011 import SDS011

S = 1_000_000


def listen(model, start_us: int, seconds: float) -> bytes:
    """What comes while the line is polled every 10 ms."""
    return b"".join(model.read_available(start_us + t * 1000) for t in range(0, int(seconds * 1000), 10))


def settled(model, at_us: int = 60 * S, seconds: float = 1.2) -> bytes:
    model.read_available(0)
    for t in range(1, at_us // S):
        model.read_available(t * S)
    return listen(model, at_us, seconds)


@pytest.fixture(scope="module")
def vectors(shared):
    return json.loads(shared("vectors/sensors.json").read_text())


def test_pms_frame_has_the_form_of_the_captured_one(vectors):
    captured = bytes.fromhex(vectors["pms"][0]["frame"])
    pm1, pm2_5, pm10 = vectors["pms"][0]["pm_cf1"]
    model = PMS5003(Constants(pm1_ug_m3=pm1, pm2_5_ug_m3=pm2_5, pm10_ug_m3=pm10))
    line = settled(model)
    frame = line[line.index(b"\x42\x4d") :][:32]
    assert frame[:16] == captured[:16]  # header, length, both sets of columns
    assert frame[28] == captured[28]
    assert sum(frame[:30]) == int.from_bytes(frame[30:], "big")


def test_pms_atmospheric_columns_fall_behind_in_dense_air(vectors):
    # captured from a PMS5003T: CF=1 23/39/41, atmospheric 22/35/41 (shared vectors, pms)
    model = PMS5003(Constants(pm1_ug_m3=23, pm2_5_ug_m3=39, pm10_ug_m3=41))
    line = settled(model)
    frame = line[line.index(b"\x42\x4d") :][:32]
    assert [int.from_bytes(frame[i : i + 2], "big") for i in (4, 6, 8)] == [23, 39, 41]
    assert 33 <= int.from_bytes(frame[12:14], "big") < 39


def test_pms_modes_and_sleep(vectors):
    commands = {
        name: bytes.fromhex(text) for name, text in vectors["pms_commands"].items() if name != "source"
    }
    model = PMS5003()
    settled(model)
    model.host_wrote(commands["passive"], 70 * S)
    model.read_available(71 * S)
    assert listen(model, 72 * S, 3) == b""
    model.host_wrote(commands["read"], 75 * S)
    assert len(listen(model, 75 * S, 0.2)) == 32
    model.host_wrote(commands["sleep"], 76 * S)
    model.read_available(77 * S)
    model.host_wrote(commands["read"], 77 * S)
    assert listen(model, 77 * S, 0.5) == b""
    model.host_wrote(commands["wake"] + commands["active"], 80 * S)
    line = listen(model, 80 * S, 2.5)
    assert line.count(b"\x42\x4d\x00\x1c") == 2
    assert int.from_bytes(line[6:8], "big") < 3  # PM2.5 of 10 ug/m3, one second after waking


def test_sds_reports_are_the_captured_ones(vectors):
    for case in vectors["sds011"]:
        model = SDS011(
            Constants(pm2_5_ug_m3=case["pm2_5"], pm10_ug_m3=case["pm10"]), bytes.fromhex(case["id"])
        )
        assert bytes.fromhex(case["frame"]) in settled(model, seconds=1.5)


def test_sds_sleeps_and_answers(vectors):
    commands = vectors["sds011_commands"]
    model = SDS011()
    settled(model)
    model.host_wrote(bytes.fromhex(commands["sleep"]), 70 * S)
    assert listen(model, 70 * S, 3).hex().endswith("aac50601000058d938ab")
    assert listen(model, 75 * S, 3) == b""
    model.host_wrote(bytes.fromhex(commands["wake"]), 80 * S)
    assert b"\xaa\xc0" in listen(model, 80 * S, 2)
    model.host_wrote(bytes.fromhex(commands["query_mode"]), 90 * S)
    listen(model, 90 * S, 0.5)
    assert listen(model, 91 * S, 3) == b""


def test_sds_ignores_a_wrong_sum(vectors):
    model = SDS011()
    settled(model)
    spoilt = bytearray(bytes.fromhex(vectors["sds011_commands"]["sleep"]))
    spoilt[17] ^= 1
    model.host_wrote(bytes(spoilt), 70 * S)
    assert b"\xaa\xc0" in listen(model, 72 * S, 2)


def test_maxbotix_form_and_boot_text(vectors):
    for case in vectors["maxbotix_hrxl"]:
        line = listen(MB7389(Constants(distance_mm=case["mm"])), 0, 2)
        assert line.startswith(b"HRXL-MaxSonar-WRL\r")
        assert b"RoHS" in line
        assert line.endswith(bytes.fromhex(case["frame"]) * 3)


@pytest.mark.parametrize(("distance", "digits"), [(120, b"R0300\r"), (7000, b"R5000\r")])
def test_maxbotix_ends_of_its_scale(distance, digits):
    assert listen(MB7389(Constants(distance_mm=distance)), 0, 2).endswith(digits)


@pytest.mark.parametrize("chip", [PMS5003, SDS011, MB7389])
def test_no_supply_is_silence(chip):
    model = chip()
    model.faults.add("brown_out")
    assert settled(model) == b""

"""The SPS30 model by itself: commands as published, a value a second, settling, faults."""

import json
import struct

import pytest

from simulator.chips.base import Constants, Nak
from simulator.chips.sensirion import unpack
from simulator.chips.sps30 import SPS30

S = 1_000_000
START_FLOAT = bytes.fromhex("00100300ac")  # shared vectors, sps30.i2c_start_float
READ, READY, STOP, STATUS = b"\x03\x00", b"\x02\x02", b"\x01\x04", b"\xd2\x06"
FULL = Constants(
    pm1_ug_m3=5.2348, pm2_5_ug_m3=9.4667, pm4_ug_m3=12.6483, pm10_ug_m3=13.2846, n10_per_cm3=42.5408
)


def ask(model: SPS30, command: bytes, n: int, now_us: int) -> bytes:
    model.write(command, now_us)
    return model.read(n, now_us + 1000)


def floats(raw: bytes) -> tuple[float, ...]:
    return struct.unpack(">10f", b"".join(w.to_bytes(2, "big") for w in unpack(raw)))


def ready(model: SPS30, now_us: int) -> int:
    return unpack(ask(model, READY, 3, now_us))[0]


def test_settled_values_match_the_captured_frame(shared):
    vector = json.loads(shared("vectors/sensors.json").read_text())["sps30"]["i2c_read"]
    names = ("pm1", "pm2_5", "pm4", "pm10")
    model = SPS30(Constants(**{n + "_ug_m3": vector[n] for n in names}, n10_per_cm3=vector["n10"]))
    model.write(START_FLOAT, 0)
    got = floats(ask(model, READ, 60, 40 * S))
    captured = floats(bytes.fromhex(vector["frame"]))
    assert got[:4] == pytest.approx(captured[:4], abs=1e-4)
    assert got[8] == pytest.approx(captured[8], abs=1e-4)


def test_a_new_value_every_second():
    model = SPS30(FULL)
    model.write(START_FLOAT, 0)
    assert ready(model, S // 2) == 0
    assert ready(model, S + 10) == 1
    ask(model, READ, 60, S + 20_000)
    assert ready(model, S + 40_000) == 0
    assert ready(model, 2 * S) == 1


def test_counts_rise_while_it_settles():
    model = SPS30(FULL)
    model.write(START_FLOAT, 0)
    early, late = (floats(ask(model, READ, 60, t * S))[1] for t in (5, 31))
    assert early < 0.3 * late


def test_dense_air_settles_sooner():
    model = SPS30(Constants(pm2_5_ug_m3=80.0, n10_per_cm3=500.0))
    model.write(START_FLOAT, 0)
    assert floats(ask(model, READ, 60, 9 * S))[1] == pytest.approx(80.0, rel=1e-6)


def test_integer_format():
    model = SPS30(FULL)
    model.write(bytes.fromhex("00100500f6"), 0)  # shared vectors, sps30.i2c_start_uint16
    assert unpack(ask(model, READ, 30, 40 * S)) == [5, 9, 13, 13, 34, 40, 42, 42, 43, 600]


def test_no_values_in_idle_and_start_takes_twenty_milliseconds():
    model = SPS30(FULL)
    with pytest.raises(Nak):
        ask(model, READ, 60, 0)
    model.write(START_FLOAT, S)
    with pytest.raises(Nak):
        ask(model, READY, 3, S + 10_000)


def test_wrong_argument_crc_does_not_start():
    model = SPS30(FULL)
    with pytest.raises(Nak):
        model.write(bytes.fromhex("00100300ad"), 0)
    assert model.state == "idle"


@pytest.mark.parametrize(("fault", "bit"), [("worn_fan", 21), ("old_laser", 5), ("dead_fan", 4)])
def test_status_bits(fault, bit):
    model = SPS30(FULL)
    model.write(START_FLOAT, 0)
    assert unpack(ask(model, STATUS, 6, S)) == [0, 0]
    model.faults.add(fault)
    high, low = unpack(ask(model, STATUS, 6, 2 * S))
    assert high << 16 | low == 1 << bit


def test_cleaning_holds_the_values_back_for_ten_seconds():
    model = SPS30(FULL)
    model.write(START_FLOAT, 0)
    ask(model, READ, 60, 40 * S)
    model.write(b"\x56\x07", 41 * S)
    assert ready(model, 50 * S) == 0
    assert ready(model, 52 * S) == 1


def test_it_cleans_itself_after_its_interval_of_measuring():
    model = SPS30(FULL)
    assert unpack(ask(model, b"\x80\x04", 6, 0)) == [0x0009, 0x3A80]  # 604800 s
    model.auto_clean_s = 100
    model.write(START_FLOAT, 0)
    ready(model, 99 * S)
    assert model.cleanings == 0
    ready(model, 101 * S)
    assert model.cleanings == 1
    ready(model, 199 * S)
    ready(model, 202 * S)
    assert model.cleanings == 2


def test_sleep_needs_two_wake_commands():
    model = SPS30(FULL)
    model.write(b"\x10\x01", 0)
    with pytest.raises(Nak):
        model.write(READY, 10_000_000)
    with pytest.raises(Nak):
        model.write(b"\x11\x03", 20_000_000)
    model.write(b"\x11\x03", 20_001_000)
    model.write(START_FLOAT, 20_010_000)
    assert model.state == "measuring"


def test_brown_out_forgets_that_it_measured():
    model = SPS30(FULL)
    model.write(START_FLOAT, 0)
    model.faults.add("brown_out")
    with pytest.raises(Nak):
        ask(model, READY, 3, S)
    model.faults.clear()
    assert ready(model, 5 * S) == 0
    assert model.state == "idle"

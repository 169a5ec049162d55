"""The serial side of the SPS30 model by itself: frames captured from real sensors, error codes, faults."""

import json

from simulator.chips.base import Constants
from simulator.chips.sps30_uart import SPS30Uart, stuffed, unstuffed

S = 1_000_000
START = bytes.fromhex("7e0000020103f97e")  # shared vectors, sps30.shdlc_start_float


def ask(model: SPS30Uart, request: bytes, now_us: int) -> bytes:
    model.host_wrote(request, now_us)
    return model.read_available(now_us + 20_000)


def content(answer: bytes) -> bytes:
    assert answer[0] == answer[-1] == 0x7E
    inner = unstuffed(answer[1:-1])
    assert inner is not None
    return inner


def test_captured_frames_unstuff_and_stuff_back(shared):
    for case in json.loads(shared("vectors/sensors.json").read_text())["sps30"]["shdlc_read"]:
        frame = bytes.fromhex(case["frame"])
        assert len(content(frame)) == 44
        assert stuffed(content(frame)) == frame


def test_a_settled_value_is_the_captured_frame(shared):
    case = json.loads(shared("vectors/sensors.json").read_text())["sps30"]["shdlc_read"][0]
    names = ("pm1", "pm2_5", "pm4", "pm10")
    model = SPS30Uart(Constants(**{n + "_ug_m3": case[n] for n in names}, n10_per_cm3=case["n10"]))
    assert ask(model, START, 0) == bytes.fromhex("7e00000000ff7e")
    answer = content(ask(model, bytes.fromhex("7e000300fc7e"), 40 * S))
    captured = content(bytes.fromhex(case["frame"]))
    assert answer[:4] == captured[:4]
    # four decimals of the published values leave the last byte or two of each float open
    assert [answer[4 + 4 * i : 6 + 4 * i] for i in range(4)] == [
        captured[4 + 4 * i : 6 + 4 * i] for i in range(4)
    ]


def test_without_a_new_value_the_answer_is_empty():
    model = SPS30Uart()
    ask(model, START, 0)
    assert content(ask(model, stuffed(b"\0\3\0"), 500_000)) == b"\0\3\0\0"


def test_error_codes():
    model = SPS30Uart()
    assert content(ask(model, stuffed(b"\0\3\0"), 0))[2] == 0x43  # not while idle
    assert content(ask(model, stuffed(b"\0\x77\0"), S))[2] == 0x02
    assert content(ask(model, stuffed(b"\0\0\2\1\7"), 2 * S))[2] == 0x04
    ask(model, START, 3 * S)
    assert content(ask(model, START, 4 * S))[2] == 0x43


def test_a_wrong_checksum_is_not_answered():
    model = SPS30Uart()
    assert ask(model, bytes.fromhex("7e0000020103f87e"), 0) == b""


def test_sleep_and_wake():
    model = SPS30Uart()
    ask(model, stuffed(b"\0\x10\0"), 0)
    assert ask(model, START, S) == b""
    model.host_wrote(b"\xff", 3 * S)
    assert content(ask(model, stuffed(b"\0\x11\0"), 3 * S + 1000))[2] == 0
    assert content(ask(model, START, 4 * S))[2] == 0


def test_health_shows_in_every_answer_and_in_the_status_register():
    model = SPS30Uart()
    ask(model, START, 0)
    model.faults.add("old_laser")
    answer = content(ask(model, stuffed(b"\0\xd2\1\0"), S))
    assert answer[2] == 0x80
    assert answer[4:8] == (1 << 5).to_bytes(4, "big")

"""The A02YYUW model by itself: the maker's example frame, baud rate, period, faults."""

import json

import pytest

from simulator.chips.a02yyuw import A02YYUW
from simulator.chips.base import Constants

MS = 1000


def frames(model: A02YYUW, upto_ms: int = 2000) -> list[bytes]:
    model.read_available(0)
    line = b"".join(model.read_available(t * MS) for t in range(1, upto_ms + 1))
    assert len(line) >= 4
    return [line[i : i + 4] for i in range(0, len(line) // 4 * 4, 4)]


def test_makers_example(shared):
    for case in json.loads(shared("vectors/sensors.json").read_text())["a02yyuw"]:
        assert frames(A02YYUW(Constants(distance_mm=case["mm"])))[0].hex() == case["frame"]


@pytest.mark.parametrize(("averaged", "a_second"), [(True, 4), (False, 10)])
def test_frame_rate(averaged, a_second):
    assert len(frames(A02YYUW(averaged=averaged), 999)) == a_second


def test_bytes_take_their_time_at_9600_baud():
    model = A02YYUW()
    assert model.read_available(0) == b""
    assert len(model.read_available(2 * MS)) == 1
    assert len(model.read_available(5 * MS)) == 3


def test_nothing_is_said_about_a_long_silence():
    model = A02YYUW()
    model.read_available(0)
    assert len(model.read_available(3_600_000 * MS)) <= 20


@pytest.mark.parametrize("distance", [10, 5000])
def test_no_echo_is_zero(distance):
    assert frames(A02YYUW(Constants(distance_mm=distance)))[0] == b"\xff\x00\x00\xff"


def test_cold_air_reads_too_far_without_compensation():
    # 331.3 + 0.606 T m/s: at 0 C sound needs 3.66 % longer than at 20 C
    model = A02YYUW(Constants(distance_mm=1000.0, temperature_c=0.0), uncompensated=True)
    assert frames(model)[0][1:3] == (1037).to_bytes(2, "big")


def test_faults():
    def seen(fault):
        model = A02YYUW(Constants(distance_mm=1000.0))
        model.faults.add(fault)
        return frames(model)

    assert all((sum(f[:3]) & 0xFF) != f[3] for f in seen("bad_crc"))
    assert [int.from_bytes(f[1:3], "big") for f in seen("ghost_echo")][:3] == [1000, 1000, 500]
    assert {f[1:3] for f in seen("blocked_cone")} == {(35).to_bytes(2, "big")}
    assert len(seen("slow")) == 1
    with pytest.raises(AssertionError):
        seen("nak")

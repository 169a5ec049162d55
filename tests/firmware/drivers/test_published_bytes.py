"""Bytes that others published (sources: the shared vectors), through drivers on both Pythons."""

import json
import struct
from decimal import ROUND_HALF_UP, Decimal

import pytest

from simulator.chips.sensirion import pack
from simulator.chips.sps30_uart import stuffed
from tests.dual import run_on_both

PM1, PM2_5, PM4, PM10, T, RH = 1, 2, 3, 4, 5, 6
DISTANCE, RAIN_TIPS, BATTERY = 15, 16, 17
OK, NO_ANSWER, CHECKSUM = 0, 8, 10


@pytest.fixture(scope="module")
def vectors(shared):
    return json.loads(shared("vectors/sensors.json").read_text())


def float_words(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def exact_tenths(value: float) -> int:
    """Return the single float's exact value times ten, half away from zero, by decimal arithmetic."""
    single = struct.unpack(">f", struct.pack(">f", value))[0]
    return int((Decimal(single) * 10).quantize(Decimal(1), ROUND_HALF_UP))


FLOATS = [
    0.0,
    0.05,
    0.25,
    0.75,
    1.0,
    5.2348,
    9.4667,
    13.2846,
    99.95,
    999.9,
    1000.0,
    2999.95,
    1e-30,
    -0.25,
    -3.3,
]


def tenths(value: float) -> int:
    return int(Decimal(str(value)).scaleb(1).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.mpy
def test_published_bytes_give_published_values_on_both_pythons(vectors):
    names = ((PM1, "pm1"), (PM2_5, "pm2_5"), (PM4, "pm4"), (PM10, "pm10"))
    crc = vectors["sensirion_crc8"]["cases"]
    sps = vectors["sps30"]["i2c_read"]
    spoilt = bytearray(bytes.fromhex(sps["frame"]))
    spoilt[7] ^= 0x20
    shdlc = vectors["sps30"]["shdlc_read"]
    start = vectors["sps30"]["shdlc_start_float"]["frame"]
    shdlc_common = {
        start: stuffed(b"\0\0\0\0").hex(),
        stuffed(b"\0\xd1\0").hex(): stuffed(b"\0\xd1\0\x07\x02\x02\0\7\0\2\0").hex(),
        stuffed(b"\0\xd2\x01\0").hex(): stuffed(b"\0\xd2\0\x05\0\0\0\0\0").hex(),
    }
    pms = vectors["pms"][0]
    common = {"0202": pack([1]).hex(), "d100": pack([0x0202]).hex(), "d206": pack([0, 0]).hex()}
    result = run_on_both(
        "driver_bytes",
        {
            "crc": list(crc),
            "floats": [[*float_words(value), 10] for value in FLOATS] + [[0x7FC0, 0, 10], [0xFF80, 0, 10]],
            "sht4x": [{"fd": case["frame"]} for case in vectors["sht4x"]] + [{"fd": "6666938000a3"}, {}],
            "a02yyuw": ["a7" + case["frame"] * 3 for case in vectors["a02yyuw"]],
            "maxbotix": ["520d" + case["frame"] * 3 for case in vectors["maxbotix_hrxl"]],
            "pms": ["00424d" + pms["frame"]],
            "sds011": ["aac0" + case["frame"] for case in vectors["sds011"]],
            "sps30_uart": [case["frame"] for case in shdlc],
            "sps30_uart_common": shdlc_common,
            "rain_gauge": [41, 65_541],
            "battery": [[1_850_400, 2, 1], [1_000_000, 49, 10], [3_000, 2, 1]],
            "sps30": [common | {"0300": sps["frame"]}, common | {"0300": spoilt.hex()}],
        },
    )
    assert result["crc"] == [int(value, 16) for value in crc.values()]
    assert result["floats"] == [*map(exact_tenths, FLOATS), None, None]
    for case, readings in zip(vectors["sht4x"], result["sht4x"], strict=False):
        assert readings == [[T, round(case["t_c"] * 100), OK], [RH, round(case["rh_pct"] * 10), OK]]
    assert result["sht4x"][-2] == [[T, 0, CHECKSUM], [RH, 0, CHECKSUM]]
    assert [state for _, _, state in result["sht4x"][-1]] == [9, 9]  # TIMEOUT: acknowledged, no data
    assert result["a02yyuw"] == [[[DISTANCE, case["mm"], OK]] for case in vectors["a02yyuw"]]
    assert result["maxbotix"] == [[[DISTANCE, case["mm"], OK]] for case in vectors["maxbotix_hrxl"]]
    readings, written, words = result["pms"][0]
    assert readings == [
        [i, 10 * value, OK] for i, value in zip((PM1, PM2_5, PM10), pms["pm_cf1"], strict=True)
    ]
    assert words[3:12] == pms["pm_atm"] + pms["n_per_0_1l"]
    assert vectors["pms_commands"]["wake"] in written
    for case, (readings, written, _) in zip(vectors["sds011"], result["sds011"], strict=True):
        assert readings == [[PM2_5, tenths(case["pm2_5"]), OK], [PM10, tenths(case["pm10"]), OK]]
        assert vectors["sds011_commands"]["wake"] in written
    assert result["rain_gauge"] == [[[RAIN_TIPS, 41, OK]], [[RAIN_TIPS, 5, OK]]]
    assert result["battery"] == [[[BATTERY, 3701, OK]], [[BATTERY, 4900, OK]], [[BATTERY, 0, NO_ANSWER]]]
    for case, (readings, numbers, size, written) in zip(shdlc, result["sps30_uart"], strict=True):
        assert readings == [[i, tenths(case[name]), OK] for i, name in names]
        assert numbers == [tenths(case[name]) for name in ("n0_5", "n1", "n2_5", "n4", "n10")]
        assert size == round(case["typical_um"] * 1000)
        assert start in written
    good, bad = result["sps30"]
    assert good[0] == [[i, tenths(sps[name]), OK] for i, name in names]
    assert good[1] == [tenths(sps[name]) for name in ("n0_5", "n1", "n2_5", "n4", "n10")]
    assert good[2] == round(sps["typical_um"] * 1000)
    assert vectors["sps30"]["i2c_start_float"] in good[3]
    assert {state for _, _, state in bad[0]} == {CHECKSUM}

"""Published bytes of the climate, gas and soil sensors (sources: the shared vectors) on both Pythons."""

import json

import pytest

from simulator.chips.ds18b20 import crc8
from simulator.chips.sensirion import pack
from tests.dual import run_on_both

PM1, PM2_5, PM4, PM10, T, RH, P, CO2, VOC, NOX = 1, 2, 3, 4, 5, 6, 18, 19, 20, 21
DISTANCE, SOIL_T, SOIL_M, SOLAR, CURRENT, TILT = 15, 24, 25, 26, 27, 28
OK, CHECKSUM, NO_ANSWER, OUT_OF_RANGE, NOT_READY = 0, 10, 8, 11, 13


# between the axes, a face's diagonal, a cube's diagonal (54.7 degrees), and a vector without length
UP = (0, 0, 1000)


def bme680_trimming() -> list[bytes]:
    """Return the trimming memory (0x8A, 0xE1, 0x00) of the chip that pimoroni/bme680-python tests with."""

    def le(value: int) -> bytes:
        return (value & 0xFFFF).to_bytes(2, "little")

    first = le(26469) + bytes([3, 0]) + le(36673) + le(-10515) + bytes([88, 0]) + le(7310) + le(-129)
    first += bytes([46, 30, 0, 0]) + le(-3177) + le(-2379) + bytes([30])
    second = bytes([1029 >> 4, (1029 & 15) << 4 | 676 & 15, 676 >> 4, 0, 45, 20, 120, -100 & 255])
    second += le(26041) + le(-24754) + bytes([-30 & 255, 18])
    return [first, second, bytes([48, 0, 1 << 4, 0, 0])]


def bme680_heater(target_c: float, ambient_c: float) -> int:
    """Return res_heat by the data sheet's formula in floating point."""
    var1, var2, var3 = -30 / 16 + 49, -24754 / 32768 * 0.0005 + 0.00235, 18 / 1024
    var5 = var1 * (1 + var2 * target_c) + var3 * ambient_c
    return int(3.4 * (var5 * (4 / (4 + 1)) * (1 / (1 + 48 * 0.002)) - 25))


ANGLES = [
    (UP, other)
    for other in (UP, (0, 0, -1000), (1000, 0, 0), (0, 7, 7), (0, -1000, 1000), (9, 9, 9), (0, 0, 0))
]


def axes(x: int, y: int, z: int) -> str:
    """Return LIS3DH output registers: 12 bits left-justified, least significant byte first."""
    return b"".join(((v << 4) & 0xFFFF).to_bytes(2, "little") for v in (x, y, z)).hex()


def tof_block(raw: int, code: int) -> str:
    """Return VL53L1X result registers: status code, raw range at 13, 10 MCPS of light at 15."""
    return (bytes([code]) + bytes(12) + raw.to_bytes(2, "big") + (1280).to_bytes(2, "big")).hex()


@pytest.fixture(scope="module")
def vectors(shared):
    return json.loads(shared("vectors/sensors.json").read_text())


def sen(read_code: str, words: list[int], extra: dict[str, str]) -> dict[str, str]:
    common = {"0202": pack([1]).hex(), "d206": pack([0, 0]).hex()}
    return common | {read_code: pack(words).hex()} | extra


@pytest.mark.mpy
def test_published_bytes_give_published_values_on_both_pythons(vectors):
    scd_ready = pack([0x8006]).hex()
    particles = pack([51, 73, 80, 99, 300, 400, 410, 415, 420, 600]).hex()
    vl = vectors["vl53l1x"]
    ds, bmp = vectors["ds18b20"], vectors["bmp280"]
    scratchpads = []
    for raw in ds["raw_to_c"]:
        low = bytes.fromhex(raw)[::-1] + b"\x4b\x46\x7f\xff" + bytes([16 - int(raw, 16) % 16]) + b"\x10"
        scratchpads.append((low + bytes([crc8(low)])).hex())
    calibration = b"".join((v & 0xFFFF).to_bytes(2, "little") for v in bmp["dig_t"] + bmp["dig_p"])
    # humidity: a flat curve, H2 = 362 and H1 = H3..H6 = 0: RH = adc * 362 / 65536 / 100 at any temperature
    low, high = (calibration + b"\0\0").hex(), "6a010000000000"
    adc = [(bmp["adc_p"] << 4).to_bytes(3, "big"), (bmp["adc_t"] << 4).to_bytes(3, "big")]
    result = run_on_both(
        "driver_values",
        {
            "continuous": [
                *[["scd4x", {"e4b8": scd_ready, "ec05": case["frame"]}] for case in vectors["scd4x"]],
                ["sen5x", sen("03c4", [51, 73, 80, 99, 4820, 4274, 1120, 10], {"0413": particles})],
                ["sen5x", sen("03c4", [0xFFFF] * 4 + [4820, 0xF001, 0x7FFF, 0x7FFF], {"0413": particles})],
                [
                    "sen66",
                    sen("0300", [51, 73, 80, 99, 4820, 4274, 1120, 10, 612], {"0316": pack([420] * 5).hex()}),
                ],
            ],
            "ds18b20": [*scratchpads, ds["scratchpad"] + ds["scratchpad_crc"], ds["scratchpad"] + "1d"],
            "ina219": [{"02": "2802", "01": "fb2e"}, {"02": "2803", "01": "04d2"}],
            "lis3dh": [{"27": "0f", "a8": axes(0, 500, 866)}, {"27": "0f", "a8": axes(-1000, 0, 0)}],
            "vl53l1x": [
                {"00e5": "03", "0030": "01", "0031": "03", "0089": tof_block(vl["raw"], code)}
                for code in (9, 4)
            ],
            "angles": ANGLES,
            "soil": [2_790_000, 1_310_000, 2_050_000, 0],
            "bme280": [
                {"d0": "60", "88": low, "e1": high, "f3": "00", "f7": (b"".join(adc) + b"\x40\x00").hex()}
            ],
            "bme680": [part.hex() for part in bme680_trimming()],
            "compensation": [low, high, bmp["adc_t"], bmp["adc_p"], 0x4000],
        },
    )
    scd = result["continuous"]
    for case, readings in zip(vectors["scd4x"], scd, strict=False):
        assert readings[0] == [CO2, case["co2_ppm"], OK]
        assert readings[1] == [T, pytest.approx(case["t_c"] * 100, abs=1), OK]
        assert readings[2] == [RH, pytest.approx(case["rh_pct"] * 10, abs=1), OK]
    pm = [[PM1, 51, OK], [PM2_5, 73, OK], [PM4, 80, OK], [PM10, 99, OK]]
    climate = [[RH, 482, OK], [T, 2137, OK], [VOC, 1120, OK], [NOX, 10, OK]]
    assert scd[2] == pm + climate
    assert scd[3] == [[i, 0, NOT_READY] for i in (1, 2, 3, 4)] + [
        [RH, 482, OK],
        [T, -2048, OK],  # -4095 / 200 = -20.475
        [VOC, 0, NOT_READY],
        [NOX, 0, NOT_READY],
    ]
    assert scd[4] == [*pm, *climate, [CO2, 612, OK]]
    for celsius, ((measurement, raw, state),) in zip(
        ds["raw_to_c"].values(), result["ds18b20"], strict=False
    ):
        assert (measurement, state) == (SOIL_T, OK)
        assert abs(raw - 100 * celsius) <= 0.5
    assert result["ds18b20"][-2:] == [[[SOIL_T, 0, NOT_READY]], [[SOIL_T, 0, CHECKSUM]]]
    assert result["ina219"][0] == [[SOLAR, 5120, OK], [CURRENT, -1234, OK]]
    assert result["soil"] == [[[SOIL_M, v, s]] for v, s in ((0, OK), (1000, OK), (500, OK), (0, NO_ANSWER))]
    assert result["lis3dh"] == [[[TILT, 300, OK]], [[TILT, 900, OK]]]
    assert result["vl53l1x"] == [[[DISTANCE, vl["mm"], OK]], [[DISTANCE, 0, OUT_OF_RANGE]]]
    assert result["angles"] == [0, 1800, 900, 450, 450, 547, 0]
    fine, centi, pa_256, rh_1024 = result["compensation"]
    assert (fine, centi) == (bmp["t_fine"], round(bmp["t_c"] * 100))
    assert pa_256 / 256 == pytest.approx(bmp["p_pa"], abs=0.02)
    assert rh_1024 / 1024 == pytest.approx(0x4000 * 362 / 65536, abs=0.01)
    fine, pa_256, rh_1024, low_ohm, high_ohm, heat = result["bme680"]
    # A real chip's trimming and what comes of it: tests/test_compensation.py of pimoroni/bme680-python.
    assert (fine, fine * 5 + 128 >> 8) == (136667, 2669)
    assert pa_256 / 256 == pytest.approx(98712, abs=5)  # theirs in 32 bits, which costs 4 Pa
    assert rh_1024 / 1024 == pytest.approx(42.402, abs=0.01)
    assert (low_ohm, high_ohm) == (12946860, 102400000)
    # The data sheet's floating-point formula for the heater, with the same trimming
    assert heat == [pytest.approx(bme680_heater(c, 25), abs=1) for c in (100, 200, 320, 400)]
    assert result["bme280"][0][0] == [T, 2508, OK]
    assert result["bme280"][0][2] == [P, 10065, OK]

"""SEN5x, SEN66 and SCD4x models by themselves: published words, unknown values, modes, faults."""

import json

import pytest

from simulator.chips.base import Constants, Nak
from simulator.chips.scd4x import SCD4x
from simulator.chips.sen5x import SEN5x
from simulator.chips.sen66 import SEN66
from simulator.chips.sensirion import pack, unpack

S = 1_000_000
AIR = {
    "pm1_ug_m3": 5.1,
    "pm2_5_ug_m3": 7.3,
    "pm4_ug_m3": 8.0,
    "pm10_ug_m3": 9.9,
    "n10_per_cm3": 300.0,
    "temperature_c": 21.37,
    "relative_humidity_pct": 48.2,
    "voc_index": 112.0,
    "nox_index": 1.0,
    "co2_ppm": 612.0,
}


def ask(model, code: int, n_words: int, now_us: int) -> list[int]:
    model.write(code.to_bytes(2, "big"), now_us)
    return unpack(model.read(3 * n_words, now_us + 20_000))


def test_sen55_words():
    model = SEN5x(Constants(**AIR))
    model.write(b"\x00\x21", 0)
    assert ask(model, 0x03C4, 8, S // 2) == [0xFFFF] * 4 + [0x7FFF] * 4
    early = ask(model, 0x03C4, 8, 5 * S)
    assert early[7] == 0x7FFF  # no NOx index in the first 10 s
    assert ask(model, 0x0202, 1, 31 * S) == [1]
    words = ask(model, 0x03C4, 8, 31 * S + 100_000)
    assert words == [51, 73, 80, 99, 4820, 4274, 1120, 10]
    model.write(b"\x03\xc4", 32 * S)
    assert model.read(6, 32 * S)[3:] == bytes.fromhex(
        "004934"
    )  # PM2.5 7.3 -> 00 49 34 (firmware reference 3.1)


def test_sen54_has_no_nox():
    model = SEN5x(Constants(**AIR), "SEN54")
    model.write(b"\x00\x21", 0)
    assert ask(model, 0x03C4, 8, 40 * S)[7] == 0x7FFF
    assert (
        bytes(b for w in ask(model, 0xD014, 16, 41 * S) for b in w.to_bytes(2, "big")).rstrip(b"\0")
        == b"SEN54"
    )


def test_sen55_stop_takes_200_ms_and_the_stop_of_another_chip_is_refused():
    model = SEN5x()
    model.write(b"\x00\x21", 0)
    with pytest.raises(Nak):
        model.write(b"\x3f\x86", S)  # the SCD4x's stop: a mistake of a public driver
    model.write(b"\x01\x04", 2 * S)
    with pytest.raises(Nak):
        ask(model, 0x0202, 1, 2 * S + 100_000)
    assert ask(model, 0x0202, 1, 2 * S + 200_000) == [0]


@pytest.mark.parametrize(
    ("fault", "bit"), [("worn_fan", 21), ("gas_fail", 7), ("rht_fail", 6), ("old_laser", 5), ("dead_fan", 4)]
)
def test_sen55_status_bits(fault, bit):
    model = SEN5x()
    model.write(b"\x00\x21", 0)
    model.faults.add(fault)
    high, low = ask(model, 0xD206, 2, S)
    assert high << 16 | low == 1 << bit


def test_sen66_has_co2_after_six_seconds_and_its_own_address():
    model = SEN66(Constants(**AIR))
    assert model.address == 0x6B
    model.write(b"\x00\x21", 0)
    assert ask(model, 0x0300, 9, 2 * S)[8] == 0xFFFF
    assert ask(model, 0x0300, 9, 31 * S) == [51, 73, 80, 99, 4820, 4274, 1120, 10, 612]
    assert ask(model, 0x0316, 5, 31 * S)[4] == 3000


def test_sen66_cleans_in_idle_only():
    model = SEN66()
    model.write(b"\x00\x21", 0)
    with pytest.raises(Nak):
        model.write(b"\x56\x07", S)
    model.write(b"\x01\x04", 2 * S)
    model.write(b"\x56\x07", 4 * S)
    with pytest.raises(Nak):
        ask(model, 0x0202, 1, 13 * S)
    assert ask(model, 0x0202, 1, 14 * S) == [0]


def test_scd4x_published_frames(shared):
    for case in json.loads(shared("vectors/sensors.json").read_text())["scd4x"]:
        model = SCD4x(
            Constants(
                co2_ppm=case["co2_ppm"], temperature_c=case["t_c"], relative_humidity_pct=case["rh_pct"]
            )
        )
        model.write(b"\x21\xb1", 0)
        words = ask(model, 0xEC05, 3, 5 * S)
        assert pack(case["raw"]).hex() == case["frame"]
        assert words[0] == case["raw"][0]
        # published temperatures and humidities are rounded
        assert words[1] == pytest.approx(case["raw"][1], abs=20)
        assert words[2] == pytest.approx(case["raw"][2], abs=20)


def test_scd4x_gives_a_value_once_and_every_five_seconds():
    model = SCD4x()
    model.write(b"\x21\xb1", 0)
    assert ask(model, 0xE4B8, 1, 4 * S)[0] & 0x7FF == 0
    assert ask(model, 0xE4B8, 1, 5 * S)[0] & 0x7FF
    ask(model, 0xEC05, 3, 5 * S)
    with pytest.raises(Nak):
        ask(model, 0xEC05, 3, 6 * S)
    assert len(ask(model, 0xEC05, 3, 10 * S)) == 3


def test_scd4x_takes_little_while_it_measures():
    model = SCD4x()
    model.write(b"\x21\xb1", 0)
    with pytest.raises(Nak):
        ask(model, 0x3682, 3, S)
    model.write(b"\x3f\x86", 2 * S)
    with pytest.raises(Nak):
        ask(model, 0x3682, 3, 2 * S + 100_000)
    assert ask(model, 0x3682, 3, 3 * S) == [0xBEEF, 0x0731, 0x9A55]

"""Profiles as files: the built-in ones against their manuals, a user's own, and what is wrong with one."""

from __future__ import annotations

import struct
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gateway.decode.foreign import FormatError, ProfileError, Profiles, loading
from gateway.decode.foreign.checking import faults
from gateway.decode.foreign.loading import parse
from gateway.decode.foreign.units import conversion, units_of
from wire import measurements

HEAD = {"title": "A sensor", "source": "its manual"}
FIELD = {"quantity": "temperature", "unit": "Cel", "offset": 0, "type": "i16"}


def a_table(*fields, **more):
    return parse("mine", {**HEAD, "format": "bytes", "field": list(fields), **more})


def values(profile, payload, port=1):
    return {one.quantity: one.value for one in profile.read(payload, port, 1.8e9).values}


@pytest.mark.parametrize("name", Profiles().names())
def test_every_built_in_profile_reads_the_examples_of_its_source(name):
    profile = Profiles().get(name)
    assert faults(profile) == []
    assert profile.source


@pytest.mark.parametrize(
    ("kind", "endian", "code", "value"),
    [
        ("u8", "big", ">B", 200), ("i8", "big", ">b", -7), ("u16", "big", ">H", 60_000),
        ("i16", "little", "<h", -300), ("u32", "little", "<I", 100_000), ("i32", "big", ">i", -100_000),
        ("u64", "big", ">Q", 70_000), ("i64", "little", "<q", -70_000), ("f32", "little", "<f", 21.5),
        ("f64", "big", ">d", -3.25),
    ],
)  # fmt: skip
def test_types_are_those_of_struct(kind, endian, code, value):
    field = {"quantity": "gas_resistance", "unit": "Ohm", "offset": 1, "type": kind, "endian": endian}
    assert values(a_table(field), b"\xaa" + struct.pack(code, value)) == {"gas_resistance": value}


def test_three_bytes_masks_scale_missing_ends_and_conditions():
    assert values(
        a_table({**FIELD, "type": "u24", "quantity": "gas_resistance", "unit": "kOhm"}), b"\0\1\0"
    ) == {"gas_resistance": 256_000}
    masked = {**FIELD, "quantity": "battery", "unit": "mV", "type": "u16", "mask": 0x3FF0}
    assert values(a_table(masked), bytes.fromhex("CBF6")) == {"battery": 0x0BF}
    assert values(a_table({**FIELD, "scale": 0.01, "add": -40}), bytes.fromhex("1770")) == {"temperature": 20}
    assert values(a_table({**FIELD, "missing": [0x7FFF]}), bytes.fromhex("7FFF")) == {}
    assert values(a_table({**FIELD, "offset": -2, "scale": 0.1}), b"\xff\xff\0\xd7") == {"temperature": 21.5}
    one_of = a_table(
        {**FIELD, "offset": 1, "when": {"offset": 0, "equals": 3}}, {**FIELD, "offset": 1, "port": 9}
    )
    assert values(one_of, b"\3\0\1") == {"temperature": 1}
    assert values(one_of, b"\4\0\2", port=9) == {"temperature": 2}
    assert values(one_of, b"\4") == {}
    nan = a_table({**FIELD, "type": "f32"})
    assert values(nan, struct.pack(">f", float("nan"))) == {}


def test_a_message_that_is_too_short_or_has_a_strange_tag_says_so():
    with pytest.raises(FormatError, match="has 1 bytes and ends before the i16 at byte 0"):
        values(a_table(FIELD), b"\0")
    tagged = Profiles().get("milesight-em300-th")
    with pytest.raises(FormatError, match="unknown tag 05ff at byte 4"):
        values(tagged, bytes.fromhex("0367100105FF00"))
    with pytest.raises(FormatError, match="ends within what follows tag 0367"):
        values(tagged, bytes.fromhex("036710"))


def test_units_are_turned_into_the_table_s():
    for quantity, unit, value, expected in (
        ("temperature", "degF", 212, 100), ("temperature", "K", 273.15, 0),
        ("pressure", "Pa", 101_325, 1013.25),
        ("battery", "V", 3.6, 3600), ("relative_humidity", "/", 0.5, 50), ("distance", "cm", 12, 120),
        ("pm2_5", "mg/m3", 0.01, 10), ("tilt", "rad", 3.141592653589793, 180),
    ):  # fmt: skip
        factor, offset = conversion(quantity, unit)
        assert value * factor + offset == pytest.approx(expected, abs=1e-9)
    for row in measurements.MEASUREMENTS:
        assert units_of(row[1])[0] == row[2]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            {"field": [{**FIELD, "unit": "ppm"}]},
            r"field\]\] 1: unit 'ppm' is none of temperature.*give Cel or",
        ),
        ({"field": [{**FIELD, "quantity": "temprature"}]}, "'temprature' is not in the measurement table"),
        ({"field": [{**FIELD, "ofset": 1}]}, 'unknown key .ofset.; did you mean "offset"'),
        ({"field": [{**FIELD, "type": "int16"}]}, "type 'int16': give u8, i8"),
        ({"field": [{**FIELD, "endian": "middle"}]}, "endian 'middle'"),
        ({"field": [{**FIELD, "offset": 5000}]}, "offset: 5000: give a whole number, -4096 to 4096"),
        ({"field": [{**FIELD, "mask": 1 << 16}]}, "mask"),
        ({"field": [{**FIELD, "type": "f32", "mask": 1}]}, "a float has no bits"),
        ({"field": [{**FIELD, "tag": "01"}]}, "only with format"),
        ({"field": [{"quantity": "temperature", "unit": "Cel", "type": "i16"}]}, "offset is missing"),
        ({"field": []}, "nothing would be read"),
        ({"field": FIELD}, r"write \[\[field\]\]"),
        ({"format": "jason"}, "give one of json, cbor"),
        ({"ports": [300], "field": [FIELD]}, "ports"),
        ({"field": [FIELD], "time": {"offset": 0, "type": "u32", "unit": "iso"}}, "unit 'iso'"),
        ({"field": [FIELD], "test": [{"hex": "0"}]}, "hex: give pairs"),
        ({"field": [FIELD], "test": [{"hex": "00"}]}, "expect"),
        ({"field": [FIELD], "tset": []}, 'did you mean "test"'),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_row_and_the_remedy(content, why):
    with pytest.raises(ProfileError, match=why) as error:
        parse("mine", {**HEAD, "format": "bytes", **content})
    assert str(error.value).startswith("mine.toml")


def test_a_user_s_file_is_one_more_profile_and_a_broken_one_hurts_nobody(tmp_path: Path):
    field = '[[field]]\nquantity = "co2"\nunit = "ppm"\noffset = 0\ntype = "u16"\n'
    good = f'title = "T"\nsource = "S"\nformat = "bytes"\n{field}'
    (tmp_path / "my-co2.toml").write_text(good)
    (tmp_path / "broken.toml").write_text("title = ")
    (tmp_path / "Bad Name.toml").write_text(good)
    (tmp_path / "airrohr.toml").write_text(good)
    (tmp_path / "huge.toml").write_text(good + "#" * 70_000)
    profiles = Profiles(tmp_path)
    assert values(profiles.get("my-co2"), b"\1\0") == {"co2": 256}
    assert not profiles.get("my-co2").built_in
    assert set(profiles.broken()) == {"broken", "Bad Name", f"airrohr ({tmp_path.name})", "huge"}
    assert "built-in" in profiles.broken()[f"airrohr ({tmp_path.name})"]
    assert profiles.get("airrohr").built_in
    with pytest.raises(ProfileError, match='did you mean "my-co2"'):
        profiles.get("my-co")
    (tmp_path / "my-co2.toml").unlink()
    profiles.load()
    with pytest.raises(ProfileError):
        profiles.get("my-co2")


def test_a_plug_in_is_an_entry_point_and_what_it_does_wrong_is_a_message_s_fault(monkeypatch):
    module = types.ModuleType("a_plug_in")

    def read(payload: bytes, port: int):
        if payload == b"bang":
            raise ZeroDivisionError("bang")
        if payload == b"unit":
            return [("temperature", 1, "ppm")]
        if payload == b"none":
            return [("temperature", None, "Cel")]
        return [("temperature", len(payload), "Cel"), ("co2", "400", "ppm", 1.79e9)]

    module.read = read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_plug_in", module)
    point = EntryPoint("acme", "a_plug_in:read", loading.PLUG_INS)
    monkeypatch.setattr(loading, "entry_points", lambda group, name: [point] if name == "acme" else [])
    profile = parse("acme-7", {**HEAD, "format": "acme"})
    assert values(profile, b"123") == {"temperature": 3, "co2": 400}
    for payload in (b"bang", b"unit", b"none"):
        with pytest.raises(FormatError):
            profile.read(payload, 1, 1.8e9)
    broken = EntryPoint("acme", "no_such_module:read", loading.PLUG_INS)
    monkeypatch.setattr(loading, "entry_points", lambda group, name: [broken])
    with pytest.raises(ProfileError, match="cannot be loaded"):
        parse("acme-7", {**HEAD, "format": "acme"})

"""SenML by the examples of RFC 8428, Cayenne LPP by those of its own page, airRohr by recorded posts."""

from __future__ import annotations

import io
import json
import math
import random

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decode.foreign import FormatError, Profiles
from gateway.decode.foreign.formats import FORMATS
from gateway.decode.foreign.senml import absolute_s

# RFC 8428 section 5.1.3 (the pack of 5.1.2 with times) and its CBOR form in section 6
RFC_PACK = """[
 {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09, "bu":"A","bver":5,
  "n":"voltage","u":"V","v":120.1},
 {"n":"current","t":-5,"v":1.2}, {"n":"current","t":-4,"v":1.3}, {"n":"current","t":-3,"v":1.4},
 {"n":"current","t":-2,"v":1.5}, {"n":"current","t":-1,"v":1.6}, {"n":"current","v":1.7}]"""
RFC_CBOR = bytes.fromhex(
    "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a"
    "22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06"
    "66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75"
    "72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f"
    "f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e"
    "74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33"
    "33 33 33"
)
RFC_RESOLVED = [
    ("voltage", 120.1, "V", 1276020076.001),
    *[("current", 1.2 + n / 10, "A", 1276020071.001 + n) for n in range(6)],
]


def read(form: str, payload: bytes | str):
    return FORMATS[form].read(payload.encode() if isinstance(payload, str) else payload)


@pytest.mark.parametrize("payload", [RFC_PACK, RFC_CBOR], ids=["json", "cbor"])
def test_the_rfc_s_pack_is_resolved_as_in_the_rfc(payload):
    found = read("senml", payload)
    assert [(one.name, one.unit) for one in found] == [(row[0], row[2]) for row in RFC_RESOLVED]
    for one, row in zip(found, RFC_RESOLVED, strict=True):
        assert one.value == pytest.approx(row[1])
        assert one.at_s == pytest.approx(row[3])


def test_a_pack_of_several_places_and_units_keeps_base_values():
    # RFC 8428 section 5.1.5, first half: base unit and base time, units of their own beside it
    found = read(
        "senml",
        '[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},'
        '{"u":"lon","v":24.30621},{"u":"lat","v":60.07965},{"t":60,"v":20.3}]',
    )
    assert [(one.value, one.unit, one.at_s) for one in found] == [
        (20, "%RH", 1320067464), (24.30621, "lon", 1320067464), (60.07965, "lat", 1320067464),
        (20.3, "%RH", 1320067524),
    ]  # fmt: skip
    assert {one.name for one in found} == {"10e2073a01080063"}


def test_relative_times_and_base_values():
    assert absolute_s(-5, 1000) == 995  # section 4.5.3
    assert absolute_s(1 << 28, 1000) == 1 << 28
    (one,) = read("senml", '[{"bn":"x:","bv":100,"n":"co2","u":"ppm","v":15}]')
    assert (one.value, one.at_s) == (115, None)
    assert [f.value for f in read("senml", '[{"bn":"x:","bv":100,"n":"co2"}]')] == [100]
    assert read("senml", '[{"n":"label","vs":"Machine Room"},{"n":"open","vb":false}]') == []


@pytest.mark.parametrize(
    ("pack", "why"),
    [
        ("{}", "no SenML pack"),
        ("[1]", "no map"),
        ('[{"v":1}]', "no usable name"),
        ('[{"n":"_a","v":1}]', "no usable name"),
        ('[{"n":"a","v":"1"}]', "no number"),
        ('[{"n":"a","v":true}]', "no number"),
        ('[{"n":1,"v":1}]', "no text"),
        ('[{"bver":11,"n":"a","v":1}]', "version 11"),
        ('[{"n":"a","v":1,"must_":1}]', "must be understood"),
        ("[" + ",".join(['{"n":"a","v":1}'] * 501) + "]", "more than 500"),
    ],
)
def test_what_is_no_senml_says_why(pack, why):
    with pytest.raises(FormatError, match=why):
        read("senml", pack)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        # Cayenne Docs, "Cayenne Low Power Payload", its four examples
        ("03670110056700FF", {"temperature_3": 27.2, "temperature_5": 25.5}),
        ("0167FFD7067104D2FB2E0000", {
            "temperature_1": -4.1, "accelerometer_6.x": 1.234, "accelerometer_6.y": -1.234,
            "accelerometer_6.z": 0.0}),
        ("018806765ff2960a0003e8", {
            "gps_1.latitude": 42.3519, "gps_1.longitude": -87.9094, "gps_1.altitude": 10.0}),
        ("0567FFD1", {"temperature_5": -4.7}),  # ElectronicCats/CayenneLPP, its tests
        ("02686C", {"relative_humidity_2": 54.0}),
    ],
)  # fmt: skip
def test_cayenne_s_own_examples(payload, expected):
    assert {one.name: one.value for one in read("cayenne", bytes.fromhex(payload))} == expected


@pytest.mark.parametrize(
    ("payload", "why"), [("03", "within a channel"), ("0367", "ends within"), ("03FF00", "0xff")]
)
def test_torn_cayenne_says_where(payload, why):
    with pytest.raises(FormatError, match=why):
        read("cayenne", bytes.fromhex(payload))


# As posted by airRohr firmware NRZ-2017-090 (with a DHT22) and NRZ-2020-129 (with a BME280).
AIRROHR = [
    (
        {"SDS_P1": "4.30", "SDS_P2": "3.53", "temperature": "20.80", "humidity": "52.30", "samples": "670215",
         "min_micro": "205", "max_micro": "505594", "signal": "-82"},
        {"pm10": 4.3, "pm2_5": 3.53, "temperature": 20.8, "relative_humidity": 52.3},
    ),
    (
        {"SDS_P1": "18.83", "SDS_P2": "10.60", "BME280_temperature": "17.00", "BME280_pressure": "101001.28",
         "BME280_humidity": "66.66", "samples": "4314326"},
        {"pm10": 18.83, "pm2_5": 10.6, "temperature": 17.0, "pressure": 1010.0128,
         "relative_humidity": 66.66},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), AIRROHR)
def test_airrohr_posts_as_they_were_recorded(values, expected):
    body = {
        "esp8266id": "3394227", "software_version": "NRZ-2017-090",
        "sensordatavalues": [{"value_type": k, "value": v} for k, v in values.items()],
    }  # fmt: skip
    message = Profiles().get("airrohr").read(json.dumps(body).encode(), 0, 1.8e9)
    assert {one.quantity: one.value for one in message.values} == pytest.approx(expected)


def test_bombs_are_refused_before_they_cost():
    for payload in (b"[" * 60_000, b'{"a":' * 9_000 + b"1" + b"}" * 9_000, b"\x81" * 60_000 + b"\x01"):
        for form in ("json", "cbor", "senml", "airrohr", "object"):
            with pytest.raises(FormatError):
                read(form, payload)
    with pytest.raises(FormatError, match="more than 500"):
        read("json", json.dumps({str(n): n for n in range(501)}))
    shared = io.BytesIO()
    cbor2.CBOREncoder(shared, value_sharing=True).encode(_cyclic())
    with pytest.raises(FormatError):
        read("cbor", shared.getvalue())


def _cyclic():
    found: list[object] = []
    found.append(found)
    return found


CASES = [(name, profile) for name in Profiles().names() for profile in (Profiles().get(name),)]


@pytest.mark.parametrize(("name", "profile"), CASES, ids=[name for name, _ in CASES])
@settings(max_examples=60)
@given(payload=st.binary(max_size=80), port=st.integers(0, 255), data=st.data())
def test_every_profile_is_total(name, profile, payload, port, data):
    seeds = [example.payload for example in profile.examples]
    if seeds and data.draw(st.booleans()):
        seed = bytearray(data.draw(st.sampled_from(seeds)))
        for at in data.draw(st.lists(st.integers(0, len(seed) - 1), max_size=4)):
            seed[at] = data.draw(st.integers(0, 255))
        payload = bytes(seed)
    try:
        message = profile.read(payload, port, 1.8e9)
    except FormatError as error:
        assert str(error)
        return
    assert all(math.isfinite(one.value) for one in message.values)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_millions_of_broken_messages_are_refused_or_read() -> None:
    dice = random.Random(8428)
    read = refused = 0
    for _, profile in CASES:
        seeds = [example.payload for example in profile.examples]
        for _ in range(200_000):
            payload = bytearray(dice.choice(seeds))
            for _ in range(dice.randrange(1, 6)):
                at = dice.randrange(len(payload) + 1)
                match dice.randrange(3):
                    case 0 if at < len(payload):
                        payload[at] = dice.randrange(256)
                    case 1:
                        payload[at:at] = dice.randbytes(dice.randrange(1, 4))
                    case _:
                        del payload[at : at + dice.randrange(1, 4)]
            try:
                message = profile.read(bytes(payload), dice.randrange(256), 1.8e9)
            except FormatError:
                refused += 1
            else:
                read += 1
                assert all(math.isfinite(one.value) for one in message.values)
    assert read > 10_000
    assert refused > 10_000

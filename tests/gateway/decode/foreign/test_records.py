"""Strangers' messages through log, decoder, quality and store: once, at their time, in the table's units."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.decode import Foreign, Profiles
from gateway.envelope import wrapped
from gateway.ingest import lns_json
from gateway.model import Uplink
from gateway.registry import Device

from ...house import T0_MS, a_house, a_site

DEVICE = "a84041000181c061"
SENML = "a84041000181c062"


def an_uplink(payload: bytes, dev_eui: str = DEVICE, at_ms: int = T0_MS, **more) -> Uplink:
    return Uplink(
        **({"source": "chirpstack", "f_port": 2} | more),
        dev_eui=dev_eui,
        payload=payload,
        received_at_ms=at_ms,
    )


def fill(registry):
    for dev_eui, profile in ((DEVICE, "dragino-lht65"), (SENML, "senml")):
        registry.put_site(a_site(f"site-{profile}", "garden"))
        registry.put_device(Device(dev_eui, "garden", "lorawan", profile=profile))
        registry.deploy(dev_eui, f"site-{profile}", None)


def rows(house, site, quantity):
    return [
        (row.observed_at_ms - T0_MS, row.value) for row in house.store.series(site, quantity, 0, 2**60, 99)
    ]


async def test_a_stranger_s_frames_are_stored_once_and_nobody_asks_it_for_what_is_missing(tmp_path: Path):
    heard = []
    async with a_house(tmp_path) as house:
        house.pipeline._on_heard = heard.extend
        fill(house.registry)
        frame = bytes.fromhex("CBF60B0D0376010ADD7FFF")
        for at_ms in (0, 0, 600_000):  # the network server sent the first one twice
            await house.log.accept(an_uplink(frame, at_ms=T0_MS + at_ms, f_cnt=at_ms // 600_000))
        await house.log.accept(an_uplink(frame[:5], at_ms=T0_MS + 900_000))
        await house.pipeline.drained()
        assert rows(house, "site-dragino-lht65", "temperature") == [(0, 28.29), (600_000, 28.29)]
        assert house.counters.get("pipeline.duplicate") == 1
        (dead,) = house.store.dead_letters()
        assert dead["cause"] == "decode.foreign_malformed"
        assert "ends before the u16 at byte 4 (profile dragino-lht65)" in dead["detail"]
        assert [one.seqs for one in heard] == [(), (), ()]


async def test_a_message_with_its_own_times_fills_the_past_and_may_come_twice(tmp_path: Path):
    pack = [{"bn": "x:", "bt": T0_MS / 1000 - 3600, "n": "temperature", "u": "Cel", "v": 20}]
    pack += [{"n": "temperature", "t": 600 * n, "u": "K", "v": 293.15 + n} for n in (1, 2)]
    pack += [{"n": "humidity", "u": "%RH", "v": 50}]
    async with a_house(tmp_path) as house:
        fill(house.registry)
        for at_ms in (0, 5_000):  # a retry, received later
            await house.log.accept(an_uplink(json.dumps(pack).encode(), SENML, T0_MS + at_ms))
        await house.pipeline.drained()
        hour = -3_600_000
        expected = [(hour, 20), (hour + 600_000, 21), (hour + 1_200_000, 22)]
        assert rows(house, "site-senml", "temperature") == expected
        assert rows(house, "site-senml", "relative_humidity") == [(hour, 50)]
        assert house.counters.get("pipeline.duplicate") == 3


async def test_a_profile_that_is_not_there_leaves_a_dead_letter_and_a_new_one_takes_effect(tmp_path: Path):
    async with a_house(tmp_path) as house:
        fill(house.registry)
        house.registry.put_device(Device(DEVICE, "garden", "lorawan", profile="gone"))
        await house.log.accept(an_uplink(b"\0" * 11))
        await house.pipeline.drained()
        assert house.store.dead_letters()[0]["cause"] == "decode.profile_unknown"
        house.registry.put_device(Device(DEVICE, "garden", "lorawan", profile="cayenne"))
        await house.log.accept(an_uplink(bytes.fromhex("03670110"), at_ms=T0_MS + 1))
        await house.pipeline.drained()
        assert rows(house, "site-dragino-lht65", "temperature") == [(1, 27.2)]


def decode(profile: str, uplink: Uplink):
    return Foreign(Profiles().get).decode(uplink, profile)


def test_what_a_network_server_decoded_is_taken_with_the_bytes_beside_it():
    body = {"object": {"temperature": 21.5, "pm2_5": 3}, "data": "AQ=="}
    uplink = lns_json.with_object(an_uplink(b"\1"), json.dumps(body).encode())
    (record,), _ = decode("object", uplink)
    assert [(r.quantity, r.value, r.unit) for r in record.readings] == [
        ("temperature", 21.5, "Cel"), ("pm2_5", 3, "ug/m3"),
    ]  # fmt: skip
    up = {
        "uplink_message": {
            "decoded_payload": {"temperature_3": 4},
            "normalized_payload": [{"air": {"co2": 400}}],
        }
    }
    uplink = lns_json.with_object(an_uplink(bytes.fromhex("03670110")), json.dumps(up).encode())
    assert decode("cayenne-object", uplink)[0][0].readings[0].value == 4
    assert decode("ttn-normalized", uplink)[0][0].readings[0].value == 400
    assert decode("cayenne", uplink)[0][0].readings[0].value == 27.2  # the bytes are still there
    assert lns_json.with_object(an_uplink(b"x"), b"no json") == an_uplink(b"x")


def test_values_out_of_range_wrong_clocks_and_doubles_are_told():
    (record,), _ = decode("json", an_uplink(b'{"temperature": 999, "co2": 400}'))
    assert [(r.value, r.state) for r in record.readings] == [(None, "out_of_range"), (400, "ok")]
    for when in ("1970-01-01T00:00:05Z", "2099-01-01T00:00:00Z", "yesterday", 7):
        (record,), _ = decode("json", an_uplink(json.dumps({"observed_at": when, "co2": 400}).encode()))
        assert (record.observed_at_ms, record.time_quality) == (T0_MS, "reception")
    _, notes = decode("senml", an_uplink(b'[{"n":"co2","v":400},{"n":"co2","v":401}]'))
    assert notes[0][0] == "decode.foreign_twice"


def test_two_readings_of_one_moment_are_two_and_one_that_comes_again_is_one():
    def seq(payload: bytes, **more) -> int:
        return decode("json", an_uplink(payload, **more))[0][0].seq

    assert seq(b'{"co2": 400}') == seq(b'{"co2": 400}')
    assert seq(b'{"co2": 400}') != seq(b'{"co2": 401}')
    # what was pushed under a key is known again by it, also when it comes later
    one, other = (wrapped(b'{"co2": 400}', None, key) for key in ("a", "b"))
    assert seq(one) == seq(one, at_ms=T0_MS + 9_000)
    assert seq(one) != seq(other)


def test_an_envelope_may_be_torn_without_harm():
    body = wrapped(b"abc", {"temperature": 1})
    for at in range(len(body)):
        for profile in ("object", "cayenne"):
            try:
                decode(profile, an_uplink(body[:at]))
            except Exception as error:
                assert type(error).__name__ == "IngestError"

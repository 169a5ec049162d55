"""Uplinks that other stacks published, emitted by our device under the same keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.radio.server import Bench


@pytest.mark.parametrize("number", [1, 2, 10, 12, 13, 17])
def test_a_published_uplink_is_emitted_byte_for_byte(number: int, shared: Callable[[str], Path]):
    vectors: list[dict[str, Any]] = json.loads(shared("vectors/lorawan.json").read_text())["frames"]
    (vector,) = [v for v in vectors if v["n"] == number]
    expect = vector["expect"]
    bench = Bench(join=False, duty_cycle=False)
    bench.rig.network.answer = lambda _frame: []
    mac = bench.mac
    mac.confirmed_tries = 1
    mac.personalize(
        int(expect["devaddr"], 16), bytes.fromhex(vector["nwkskey"]), bytes.fromhex(vector["appskey"])
    )
    mac.adr = bool(int(expect["fctrl"], 16) & 0x80)
    mac.session.fcnt_up = expect["fcnt"]
    mac.session.answers = bytes.fromhex(expect["fopts"])
    assert mac.send(expect["fport"], bytes.fromhex(expect["payload"]), expect["mtype"] == 4).sent
    assert [frame.payload.hex() for frame in bench.rig.network.heard] == [vector["phy"]]


def test_counters_of_a_personalised_device_go_on_after_a_restart():
    bench = Bench(join=False, duty_cycle=False)
    bench.rig.network.answer = lambda _frame: []
    bench.mac.personalize(1, bytes(16), bytes(16))
    bench.mac.send(1, b"x")
    bench.mac = bench.make_mac()
    bench.mac.personalize(1, bytes(16), bytes(16))
    assert bench.mac.session.fcnt_up == 32
    bench.mac.personalize(1, b"\x01" * 16, bytes(16))
    assert bench.mac.session.fcnt_up == 0


def test_without_a_session_nothing_is_sent():
    bench = Bench(join=False)
    assert not bench.mac.joined
    assert bench.mac.max_payload() == 0
    assert bench.mac.send(1, b"x").reason == "not joined"


@pytest.mark.parametrize("port", [0, -1, 256])
def test_a_port_that_is_not_for_applications_is_refused(port: int):
    bench = Bench()
    assert bench.mac.send(port, b"x").reason == "port must be 1..255"
    assert bench.ups == []

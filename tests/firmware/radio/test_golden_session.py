"""The whole OTAA session of vectors/lorawan.json, byte for byte, over the simulated SX1262."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radio.classa import ClassA
from simulator.channel.frame import Frame
from tests.dual import run_on_both
from tests.firmware.radio.rig import Aes, Downlink, FlashStore, Rig


@pytest.fixture
def golden(shared: Callable[[str], Path]) -> dict[str, Any]:
    return json.loads(shared("vectors/lorawan.json").read_text())["otaa_session"]


def test_the_device_emits_the_golden_session(golden: dict[str, Any]):
    frames = [bytes.fromhex(f["phy"]) for f in golden["frames"]]
    ul0, dl0, dl1, ul1, ul2, ack, ul65536 = frames
    rig = Rig()
    store = FlashStore()
    script: dict[bytes, list[Downlink]] = {
        bytes.fromhex(golden["joinrequest"]): [Downlink(bytes.fromhex(golden["joinaccept_air"]), 5_000_000)],
        ul0: [Downlink(dl0, 5_000_000)],
        ul1: [],
        # RX2 of this session: DR3 = SF9 on 869.525 MHz
        ul2: [Downlink(ack, 6_000_000, 869_525_000, 9)],
    }

    def answer(frame: Frame) -> list[Downlink]:
        return script.get(frame.payload, [])

    rig.network.answer = answer
    mac = ClassA(
        rig.phy,
        Aes,
        rig.random,
        rig.clock,
        store,
        bytes.fromhex(golden["deveui"]),
        bytes.fromhex(golden["joineui"]),
        bytes.fromhex(golden["appkey"]),
    )
    assert not mac.join()  # DevNonce 0: nobody answers; the golden session is that of DevNonce 1
    rig.clock.sleep_ms(mac.wait_ms())
    assert mac.join()
    assert rig.network.heard[-1].payload.hex() == golden["joinrequest"]
    session = mac.session
    assert (session.dev_addr, session.rx2_dr, session.rx1_delay_s) == (0x260B1234, 3, 5)
    assert session.nwk_skey.hex() == golden["nwkskey"]
    assert session.app_skey.hex() == golden["appskey"]
    assert [s[0] for s in session.channels.slots if s] == [
        868_100_000,
        868_300_000,
        868_500_000,
        867_100_000,
        867_300_000,
        867_500_000,
        867_700_000,
        867_900_000,
    ]

    mac.request_time()
    assert mac.send(2, bytes.fromhex("01020304")).sent
    assert rig.network.heard[-1].payload == ul0
    assert mac.network_time is not None
    utc_ms, at_ticks_ms = mac.network_time
    assert utc_ms == 1752451200_500  # 2025-07-14T00:00:00Z and 128/256 s
    assert abs(at_ticks_ms - rig.network.heard[-1].end_us // 1000) <= 1

    # the LinkADRReq on port 0 of the golden session answers an uplink that is not part of it
    store_before = session.fcnt_up
    rig.network.answer = lambda _frame: [Downlink(dl1, 5_000_000)]
    assert mac.send(2, b"?").sent
    assert (session.dr, session.tx_power, session.nb_trans, session.channels.mask) == (5, 2, 1, 0xFF)
    session.fcnt_up = store_before  # put the counter back to the golden one
    rig.network.answer = answer
    assert mac.send(2, b"\x00").sent
    assert rig.network.heard[-1].payload == ul1

    result = mac.send(2, b"\xaa", confirmed=True)
    assert rig.network.heard[-1].payload == ul2
    assert result.acked
    assert [f.payload for f in rig.network.heard].count(ul2) == 1

    session.fcnt_up = 0x10000
    assert mac.send(2, b"\x00").sent
    assert rig.network.heard[-1].payload == ul65536


@pytest.mark.mpy
def test_the_golden_session_is_the_same_on_micropython(golden: dict[str, Any]):
    ul0, dl0, dl1, ul1, ul2, ack, ul65536 = [f["phy"] for f in golden["frames"]]
    result = run_on_both(
        "mac_session",
        {
            **{name: golden[name] for name in ("deveui", "joineui", "appkey")},
            # RX1 brings the DeviceTimeAns, and the LinkADRReq in answer to the first uplink at FCnt 1
            "script": {
                golden["joinrequest"]: [1, golden["joinaccept_air"]],
                ul0: [1, dl0],
                "*40": [1, dl1],
                ul2: [2, ack],
            },
            "actions": [
                ["join"],
                ["join"],
                ["time"],
                ["send", 2, "01020304", False],
                ["send", None, "", False],
                ["fcnt", 1],
                ["send", 2, "00", False],
                ["send", 2, "aa", True],
                ["restart"],
                ["fcnt", 0x10000],
                ["send", 2, "00", False],
            ],
        },
        heap="256k",
    )
    sent = [event[4] for event in result["events"] if event[0] == "tx"]
    assert sent[1:3] == [golden["joinrequest"], ul0]
    assert sent[4:] == [ul1, ul2, ul65536]
    assert [True, True, []] in result["events"]  # ul2 was acknowledged in RX2
    assert result["utc_ms"][0] == 1752451200_500
    windows = [event for event in result["events"] if event[0] == "rx"]
    assert all(event[5] for event in windows), "the garbage collector was on in a receive window"

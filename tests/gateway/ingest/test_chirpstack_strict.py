"""The typed reading of ChirpStack's JSON against the forgiving one: what it takes, it reads alike."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import IngestError
from gateway.ingest.chirpstack import strict, uplinks

EUI = "70b3d57ed0000001"
ARRIVED_MS = 1_763_920_800_000
TIMES = st.sampled_from([
    None, "", "yesterday", "2025-11-23T18:00:00Z", "2025-11-23T17:59:59.482+00:00",
    "2025-11-23T19:00:01+01:00",
    "1980-01-06T00:00:00Z", "2025-11-23T18:00:00", "2031-01-01T00:00:00Z",
])  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    event: dict[str, Any] = {
        "deviceInfo": {"devEui": draw(st.sampled_from([EUI, EUI, EUI.upper(), "0" * 16]))},
        "fCnt": draw(st.sampled_from([0, 1, 70_000, 2**32, -1])),
        "fPort": draw(st.sampled_from([0, 1, 223, 256])),
        "data": draw(st.sampled_from(["", "AQID", base64.b64encode(bytes(60)).decode(), "%%"])),
        "rxInfo": draw(
            st.lists(
                st.fixed_dictionaries(
                    {"gatewayId": st.sampled_from(["0016c001f153a14c", "aa"])},
                    optional={
                        "rssi": st.sampled_from([-97, -97.5, None, "x"]),
                        "snr": st.sampled_from([6.25, -3, "NaN"]),
                        "gwTime": TIMES,
                        "nsTime": TIMES,
                    },
                ),
                max_size=3,
            )
        ),
        "txInfo": {
            "frequency": 868_100_000,
            "modulation": draw(st.sampled_from([{"lora": {"bandwidth": 125000, "spreadingFactor": 7}}, {}])),
        },
        "time": draw(TIMES),
    }
    for name in draw(st.sets(st.sampled_from(["time", "rxInfo", "txInfo", "fCnt"]))):
        del event[name]
    if draw(st.booleans()):
        event["joinServerContext"] = draw(st.sampled_from([None, {}, {"sessionKeyId": "x"}]))
    return event


@settings(max_examples=1500, deadline=None)
@given(events())
def test_what_it_takes_it_reads_as_the_forgiving_reader_does(event: dict[str, Any]) -> None:
    payload = json.dumps(event).encode()
    found = strict.decode(EUI, payload, ARRIVED_MS)
    if found is None:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict, "decode", lambda *_: None)
        assert uplinks.decode_up(EUI, payload, ARRIVED_MS) == found


def test_a_message_as_the_server_writes_it_is_taken() -> None:
    event = {
        "deviceInfo": {"devEui": EUI, "tenantName": "x"}, "time": "2025-11-23T18:00:00.5+00:00", "fCnt": 7,
        "fPort": 1, "data": "AQID", "txInfo": {"frequency": 868100000, "modulation": {"lora": {
            "bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}}},
        "rxInfo": [{"gatewayId": "a", "rssi": -97, "snr": 6.2, "nsTime": "2025-11-23T18:00:00.4+00:00"}],
    }  # fmt: skip
    found = strict.decode(EUI, json.dumps(event).encode(), ARRIVED_MS)
    assert found is not None
    assert (found.payload, found.f_cnt, found.received_at_ms) == (b"\1\2\3", 7, ARRIVED_MS + 400)


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\x0a\x03abc", b'{"deviceInfo":' + b"[" * 100_000])
def test_anything_else_is_left_to_the_forgiving_reader(payload: bytes) -> None:
    assert strict.decode(EUI, payload, ARRIVED_MS) is None
    with pytest.raises(IngestError):
        uplinks.decode_up(EUI, payload, ARRIVED_MS)

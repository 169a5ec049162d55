"""The status uplink: bytes derived by hand, refusals, any bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dual import run_on_both
from wire.errors import WireError
from wire.status import Status, decode_status, encode_status

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "status_v1.json").read_text())


@pytest.mark.mpy
def test_both_pythons_give_the_bytes_derived_by_hand() -> None:
    for case, (payload, fields) in zip(VECTORS["cases"], run_on_both("status_v1", VECTORS), strict=True):
        assert payload == "".join(pair[1] for pair in case["bytes"]), case["name"]
        assert fields == case["fields"] | case.get("decoded", {})


def _status(**changes: object) -> Status:
    fields = dict(VECTORS["cases"][0]["fields"])
    fields["config_hash"] = bytes(4)
    fields |= changes
    return Status(*[fields[name] for name in Status.FIELDS])


def test_the_longest_status_fits_beside_full_fopts() -> None:
    # 51 bytes at DR0..2 (RP002-1.0.4), of which MAC commands in FOpts take up to 15.
    assert len(encode_status(_status(sensors=[8] * 12))) <= 36


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("firmware", (0, 1)),
        ("firmware", (0, 1, 256)),
        ("reset_cause", 9),
        ("boots", -1),
        ("config_hash", b"abc"),
        ("last_failure", 99),
        ("uptime_s", 1.5),
        ("sensors", [6]),
        ("sensors", [0] * 13),
    ],
)
def test_a_field_that_cannot_be_packed_is_named(field: str, value: object) -> None:
    with pytest.raises(WireError) as caught:
        encode_status(_status(**{field: value}))
    assert caught.value.field == field


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(WireError) as caught:
        decode_status(b"\x03" + bytes(30))
    assert caught.value.field == "version"


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=48))
def test_any_bytes_give_a_status_or_a_wire_error(payload: bytes) -> None:
    good = encode_status(_status(sensors=[8, 0, 4]))
    for candidate in (payload, b"\x01" + payload, good[: len(payload)], good + payload):
        try:
            status = decode_status(candidate)
        except WireError:
            continue
        assert encode_status(status) == candidate


def test_blocks_behind_the_sensors_come_back_and_make_version_2() -> None:
    status = _status(firmware=(0, 1, 0))
    plain = encode_status(status)
    status.blocks = ((1, b"meter"), (200, b""))
    payload = encode_status(status)
    assert payload == b"\x02" + plain[1:] + b"\x01\x05meter" + b"\xc8\x00"  # layout of firmware/README.md
    assert decode_status(payload) == status
    for cut in range(len(plain) + 1, len(payload)):
        if cut != len(plain) + 7:  # between the blocks it is a whole payload
            with pytest.raises(WireError):
                decode_status(payload[:cut])

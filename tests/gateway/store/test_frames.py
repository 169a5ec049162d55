from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import IngestError, StoreError
from gateway.model import Reception, Uplink
from gateway.store.frames import decode_uplink, encode_uplink

receptions = st.builds(
    Reception,
    gateway_id=st.text(max_size=20),
    rssi_dbm=st.none() | st.floats(-200, 0),
    snr_db=st.none() | st.floats(-30, 30),
    frequency_hz=st.none() | st.integers(1, 2**32 - 1),
    data_rate=st.none() | st.text(max_size=12),
)
uplinks = st.builds(
    Uplink,
    source=st.text(max_size=20),
    dev_eui=st.binary(min_size=8, max_size=8).map(bytes.hex),
    f_port=st.integers(0, 255),
    payload=st.binary(max_size=300),
    received_at_ms=st.integers(0, 2**63 - 1),
    f_cnt=st.none() | st.integers(0, 2**32 - 1),
    receptions=st.lists(receptions, max_size=4).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(uplinks)
def test_an_uplink_comes_back_as_it_went_in(uplink: Uplink) -> None:
    assert decode_uplink(encode_uplink(uplink)) == uplink


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x01" + tail))
def test_any_bytes_give_an_uplink_or_a_store_error(body: bytes) -> None:
    with contextlib.suppress(StoreError):
        decode_uplink(body)


def test_the_layout_is_as_documented() -> None:
    uplink = Uplink("udp", "0102030405060708", 3, b"\xca\xfe", 1_700_000_000_123, 65536)
    head = struct.pack("<BBBB", 1, 1, 3, 3) + (1_700_000_000_123).to_bytes(8, "little")
    assert encode_uplink(uplink) == (
        head + (65536).to_bytes(4, "little") + bytes(range(1, 9)) + b"\0\0" + b"\x02\0" + b"udp" + b"\xca\xfe"
    )


@pytest.mark.parametrize(
    ("field", "uplink"),
    [
        ("dev_eui", Uplink("x", "not hex", 1, b"", 0)),
        ("dev_eui", Uplink("x", "0011", 1, b"", 0)),
        ("f_port", Uplink("x", "0" * 16, 256, b"", 0)),
        ("payload", Uplink("x", "0" * 16, 1, bytes(65536), 0)),
        ("received_at_ms", Uplink("x", "0" * 16, 1, b"", -1)),
        ("f_cnt", Uplink("x", "0" * 16, 1, b"", 0, 2**32)),
        ("source", Uplink("é" * 200, "0" * 16, 1, b"", 0)),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_never_cut(field: str, uplink: Uplink) -> None:
    with pytest.raises(IngestError, match=field):
        encode_uplink(uplink)


def test_a_layout_of_the_future_is_told() -> None:
    with pytest.raises(StoreError, match="newer Meetnet"):
        decode_uplink(b"\x09" + bytes(40))

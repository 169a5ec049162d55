"""What is said about updates: by hand from the layout in wire/update.py, names, any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import update
from wire.errors import WireError


def test_messages_by_hand() -> None:
    offer = update.Offer(b"\x01\x02\x03\x04", update.APPLICATION, update.PULL, 7, 1000, 720, 8080)
    packed = update.pack_offer(offer)
    assert packed.hex() == "40010203040100" + "00000007" + "000003e8" + "02d0" + "1f90"
    back = update.unpack_offer(packed)
    assert [getattr(back, name) for name in update.Offer.FIELDS] == [
        getattr(offer, name) for name in update.Offer.FIELDS
    ]
    assert update.pack_state(b"\x01\x02\x03\x04", update.REVERTED, update.CRASHED, 9).hex() == (
        "4101020304050a00000009"
    )
    assert update.unpack_state(bytes.fromhex("4101020304050a00000009")) == (b"\x01\x02\x03\x04", 5, 10, 9)
    assert update.unpack_cancel(update.pack_cancel(b"abcd")) == b"abcd"


@pytest.mark.parametrize(
    "name",
    ["", "../x", "a/../b", "/etc/x", "a//b", "a/", "./a", "a b", "x" * 65, "a\x00", "é", "...", "a/.."],
)
def test_names_that_leave_their_folder_are_refused(name: str) -> None:
    assert not update.good_name(name)


@pytest.mark.parametrize("name", ["node/core.mpy", "wire/codec/v1.mpy", "a", "x-1_2.bin"])
def test_names_that_stay_are_taken(name: str) -> None:
    assert update.good_name(name)


@given(st.binary(max_size=160))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    for one in (data, update.MAGIC + b"\x01\x00" + data):
        try:
            head = update.unpack_head(one)
        except WireError:
            continue
        assert head.pack() == one[: update.HEAD_BYTES]


@given(st.binary(max_size=120))
def test_any_bytes_are_entries_or_refused(data: bytes) -> None:
    at = 0

    def take(n: int) -> bytes:
        nonlocal at
        part = data[at : at + n]
        at += n
        return part

    try:
        while (row := update.read_entry(take)) is not None:
            assert update.good_name(row[0])
            take(row[2] if row[1] == 0 else 0)
    except WireError:
        pass


@given(st.binary(max_size=24))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for read in (update.unpack_offer, update.unpack_state, update.unpack_cancel):
        try:
            read(data)
        except WireError:
            continue

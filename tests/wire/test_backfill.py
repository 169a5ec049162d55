"""Back-fill commands on FPort COMMANDS: their bytes, and any bytes at all."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.backfill import RECORDS_GONE, SEND_RECORDS, pack_ranges, unpack_ranges
from wire.errors import WireError

_RANGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 70_000), st.integers(1, 0xFFFF)).map(lambda r: (r[0], r[0] + r[1])),
    min_size=1,
    max_size=8,
)


def test_a_request_is_its_bytes() -> None:
    expected = b"\x20" + struct.pack(">IHIH", 100, 8, 70_000, 1)
    assert pack_ranges(SEND_RECORDS, [(100, 108), (70_000, 70_001)]) == expected


def test_a_long_range_is_cut_off_behind() -> None:
    assert unpack_ranges(pack_ranges(RECORDS_GONE, [(5, 500_000)])) == (RECORDS_GONE, [(5, 5 + 0xFFFF)])


@given(_RANGES)
def test_ranges_come_back_equal_and_fit_the_slowest_data_rate(ranges: list[tuple[int, int]]) -> None:
    payload = pack_ranges(SEND_RECORDS, ranges)
    assert len(payload) <= 51
    assert unpack_ranges(payload) == (SEND_RECORDS, ranges)


@given(st.binary(max_size=60))
def test_any_bytes_are_ranges_or_a_wire_error(payload: bytes) -> None:
    try:
        command, ranges = unpack_ranges(payload)
    except WireError:
        return
    assert pack_ranges(command, ranges) == payload


@pytest.mark.parametrize("ranges", [[], [(0, 1)] * 9, [(5, 5)], [(2**32, 2**32 + 1)], [(-1, 3)]])
def test_what_cannot_be_asked_is_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(WireError):
        pack_ranges(SEND_RECORDS, ranges)

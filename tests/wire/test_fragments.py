"""TS004-1.0.0: coded fragments and messages of an independent implementation (brocaar/lorawan), losses,
any bytes.

Vectors: applayer/fragmentation/encode_test.go and fragmentation.go there.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dual import run_on_both
from wire import fragments
from wire.errors import WireError

# encode_test.go: bytes 0..99, fragments of 10, redundancy 10: those behind the block itself.
CODED = [
    "262622222e2e22222626", "5455565758596a6b7c7d", "5c5d6e6f101102030405", "363632323e3e22223636",
    "3a3a0e0e0a0a06060a0a", "0e0e3232363622223e3e", "02020e0e727276766262", "1e1e1a1a66665a5a4e4e",
    "1a1b1c1d1e1f30312223", "22232425262718190a0b",
]  # fmt: skip

# By hand from the tables of TS004-1.0.0, 3.1 to 3.5; field layouts as in fragmentation.go.
DOWN = {
    "00": [[0, []]],
    "0105": [[1, [2, True]]],
    "02200a000a080307010203040301": [[2, [2, 0, 10, 10, 1, 0, 3, "07010203"]]],
    "0810c0aabb": [[8, [3, 16, "aabb"]]],
    "0302": [[3, [2]]],
}
UP = {
    "000301": [[0, [3, 1]]],
    "0105400300": [[1, [1, 5, 3, False]]],
    "0248": [[2, [1, 8]]],
    "0306": [[3, [2, 4]]],
}


@pytest.mark.mpy
def test_both_pythons_code_and_read_as_an_independent_implementation_does() -> None:
    block = bytes(range(100))
    messages = [
        [False, "00"],
        [False, "0105"],
        [False, "02200a000a080307010203"],
        [False, "0810c0aabb"],
        [False, "0302"],
        *[[True, payload] for payload in UP],
        [False, "0248"],
        [False, "09"],
        [False, "08"],
    ]
    data = {
        "block": block.hex(), "size": 10, "redundancy": 10, "lost": [0, 3, 9], "sums": [11, 12, 13, 14, 15],
        "messages": messages,
    }  # fmt: skip
    coded, found, read = run_on_both("fragments_ts004", data)
    assert coded == [block[i : i + 10].hex() for i in range(0, 100, 10)] + CODED
    assert found == [[i, block[10 * i : 10 * i + 10].hex()] for i in (0, 3, 9)]
    assert read[:5] == [
        [[0, []]],
        [[1, [2, True]]],
        [[2, [2, 0, 10, 10, 1, 0, 3, "07010203"]]],
        [[8, [3, 16, "aabb"]]],
        [[3, [2]]],
    ]
    assert read[5:9] == list(UP.values())
    assert read[9].startswith("length")
    assert read[10].startswith("command")
    assert read[11].startswith("length")


def test_messages_are_packed_as_the_tables_say() -> None:
    assert fragments.pack_setup(2, 10, 10, 3, bytes.fromhex("07010203")).hex() == "02200a000a000307010203"
    assert fragments.pack_data(3, 16, b"\xaa\xbb").hex() == "0810c0aabb"
    assert fragments.pack_status_req(2).hex() == "0105"
    assert fragments.pack_status_ans(1, 5, 3).hex() == "0105400300"
    assert fragments.pack_answer(fragments.SETUP, 1, 8).hex() == "0248"
    assert fragments.pack_answer(fragments.DELETE, 2, fragments.NO_SESSION).hex() == "0306"
    assert fragments.pack_delete(2).hex() == "0302"
    assert fragments.pack_version_ans().hex() == "000301"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_what_was_lost_comes_back_from_a_few_sums_more(seed: int) -> None:
    lot = random.Random(seed)
    m, size = lot.randrange(2, 90), lot.randrange(1, 60)
    block = lot.randbytes(lot.randrange((m - 1) * size + 1, m * size + 1))
    pieces = fragments.split(block, size)
    lost = set(lot.sample(range(m), lot.randrange(1, max(2, m // 3))))
    have = [None if i in lost else piece for i, piece in enumerate(pieces)]
    sums: list[tuple[int, bytes]] = []
    n = m
    while True:
        n += 1
        if lot.random() < 0.7:  # sums are lost too
            sums.append((n, fragments.coded(pieces, n)))
        found = fragments.solve(m, size, lambda i: have[i], sums)
        if found is not None:
            break
        # A random line is of use with probability of a half or more: 60 useless ones in a row do not come.
        assert n < m + 3 * len(lost) + 80
    assert found == {i: pieces[i] for i in lost}


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_read_or_refused(payload: bytes, up: bool) -> None:
    try:
        messages = fragments.unpack(payload, up)
    except WireError:
        return
    assert sum(1 for _ in messages) <= len(payload)


@pytest.mark.parametrize("size", [0, 256])
def test_a_block_that_cannot_be_cut_is_refused(size: int) -> None:
    with pytest.raises(WireError):
        fragments.split(b"x", size)
    with pytest.raises(WireError):
        fragments.split(b"", 10)

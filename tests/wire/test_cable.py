"""Frames on a cable: COBS by its paper's examples, CRC-32 by zlib, any bytes at all, on both Pythons."""

from __future__ import annotations

import zlib
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dual import run_on_both
from wire import cable as _cable

cable = cast("Any", _cable)

# Cheshire and Baker, Consistent Overhead Byte Stuffing, as the examples of its encyclopedia page
COBS = [
    ("00", "0101"), ("0000", "010101"), ("00110 0".replace(" ", ""), "01021101"), ("11220033", "0311220233"),
    ("11223344", "0511223344"), ("11000000", "02110101 01".replace(" ", "")),
    (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
    (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
    (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
    (bytes([*range(2, 256), 0]).hex(), "ff" + bytes(range(2, 256)).hex() + "0101"),
    (bytes([*range(3, 256), 0, 1]).hex(), "fe" + bytes(range(3, 256)).hex() + "0201"),
]  # fmt: skip


@pytest.mark.parametrize(("plain", "stuffed"), COBS)
def test_stuffing_is_undone_as_published(plain: str, stuffed: str) -> None:
    assert cable._unstuffed(bytes.fromhex(stuffed)).hex() == plain


def test_a_frame_is_its_head_its_body_and_the_crc_of_zlib() -> None:
    body = b"\x70\xb3\xd5\x7e\xd0\0\0\1\x01records"
    frame = cable.framed(cable.DATA, 7, body)
    assert (frame[0], frame[-1], frame[1:-1].count(0)) == (0, 0, 0)
    inner = cable._unstuffed(frame[1:-1])
    assert inner == b"\x02\x07" + body + zlib.crc32(b"\x02\x07" + body).to_bytes(4, "little")
    with pytest.raises(ValueError, match="1201 bytes"):
        cable.framed(cable.DATA, 0, bytes(1201))


@pytest.mark.mpy
def test_both_pythons_write_and_find_the_same_frames_among_text() -> None:
    bodies = [b"", b"\0" * 20, bytes(range(256)), b"x" * 600, b"\xff" * 254, b"y" * 1200]
    frames = [[1 + n, 250 + n, body.hex()] for n, body in enumerate(bodies)]
    whole = [cable.framed(kind, number & 255, bytes.fromhex(body)) for kind, number, body in frames]
    torn = bytearray(whole[2])
    torn[40] ^= 1
    stream = (
        b"boot: hello\r\n" + b"sht4x answers\r\n".join(whole) + bytes(torn) + b"z" * 3000 + b"\0" + whole[0]
    )
    pieces = [stream[at : at + 11].hex() for at in range(0, len(stream), 11)]
    packed, found, bad, waiting = run_on_both("cable", {"frames": frames, "pieces": pieces})
    assert packed == [row.hex() for row in whole]
    expected = [[kind, number & 255, body] for kind, number, body in frames]
    assert found == [*expected, expected[0]]
    assert bad >= 3
    assert waiting == 0


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_are_frames_or_passed_by_and_never_swallow_the_next(pieces: list[bytes]) -> None:
    splitter = cable.Splitter()
    for piece in pieces:
        splitter.feed(piece)
    assert splitter.feed(cable.framed(cable.ACK, 9))[-1] == (cable.ACK, 9, b"")


@given(st.binary(max_size=300), st.integers(0, 255), st.data())
def test_a_frame_with_a_wrong_bit_is_none(body: bytes, number: int, data: st.DataObject) -> None:
    frame = bytearray(cable.framed(cable.DATA, number, body))
    assert cable.Splitter().feed(bytes(frame)) == [(cable.DATA, number, body)]
    at = data.draw(st.integers(1, len(frame) - 2))
    frame[at] ^= 1 << data.draw(st.integers(0, 7))
    assert (cable.DATA, number, body) not in cable.Splitter().feed(bytes(frame))

"""The quick reading of plain frames against wire.codec, which is what the nodes run."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wire.codec
from gateway.decode import plain
from wire import measurements
from wire.codec.profiles import PROFILES
from wire.record import OK, Record


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    _, channels = draw(st.sampled_from(PROFILES))
    readings = []
    for channel in channels:
        row = measurements.by_id(channel)
        readings.append((channel, draw(st.integers(row[4], row[5])), OK))
    u32 = st.integers(0, 2**32 - 1)
    payload, packed = wire.codec.encode(
        [Record(draw(u32), draw(u32), draw(st.integers(0, 3)), readings)], 4096
    )
    assert packed == 1
    return payload


def as_records(payload: bytes) -> list[object]:
    return [
        (r.seq, r.time_s, r.time_quality, [(measurements.by_id(i)[1], raw, s) for i, raw, s in r.readings])
        for r in wire.codec.decode(payload)
    ]


@settings(max_examples=400, deadline=None)
@given(frames())
def test_a_plain_frame_reads_as_the_codec_reads_it(payload: bytes) -> None:
    found = plain.read(payload)
    assert found is not None
    seq, time_s, quality, head, values = found
    raws = [
        round(value * 10 ** measurements.by_name(name)[3])
        for name, value in zip(head.quantities, values, strict=True)
    ]
    expected = [(name, raw, OK) for name, raw in zip(head.quantities, raws, strict=True)]
    assert as_records(payload) == [(seq, time_s, quality, expected)]
    assert head.units == tuple(measurements.by_name(name)[2] for name in head.quantities)
    assert set(head.states) == {"ok"}


@settings(max_examples=60, deadline=None)
@given(st.lists(frames(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_many_frames_read_as_each_of_them(payloads: list[bytes], dice: random.Random) -> None:
    """More of a layout than are read one by one, among them some that were changed."""
    many: list[bytes] = []
    for payload in payloads:
        for _ in range(plain._MANY + 2):
            changed = bytearray(payload)
            changed[dice.randrange(2, len(changed))] = dice.randrange(256)
            many.append(bytes(changed) if dice.random() < 0.7 else payload)
    many += [b"", b"\x01", payloads[0][:-1], payloads[0] + b"\0", bytes(len(payloads[0]))]
    dice.shuffle(many)
    assert plain.read_many(many) == [plain.read(payload) for payload in many]


@settings(max_examples=400, deadline=None)
@given(frames(), st.integers(0, 10_000), st.binary(max_size=3))
def test_a_frame_that_is_changed_is_left_to_the_codec_or_read_as_the_codec_does(
    payload: bytes, bit: int, more: bytes
) -> None:
    changed = bytearray(payload + more)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    found = plain.read(bytes(changed))
    if found is not None:
        ((seq, time_s, quality, readings),) = as_records(bytes(changed))
        assert (seq, time_s, quality) == found[:3]
        assert tuple(name for name, _, _ in readings) == found[3].quantities


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x01", b"\x01\x00" + bytes(20), b"\x80" * 30])
def test_anything_else_is_not_plain(payload: bytes) -> None:
    assert plain.read(payload) is None

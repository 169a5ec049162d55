"""Codec version 1: bytes derived by hand, whole frames, refusals, round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dual import run_on_both
from wire.codec import decode, encode
from wire.errors import WireError
from wire.measurements import MEASUREMENTS, by_id
from wire.record import FIRST_ERROR, OK, STATE_NAMES, Record

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "codec_v1.json").read_text())
AIR, NOISE, BIN, GARDEN = (
    (1, 2, 3, 4, 5, 6, 17),
    (7, 8, 9, 10, 11, 12, 13, 14, 17),
    (15, 17),
    (5, 6, 16, 17),
)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_the_vectors_hex_is_their_own_bits(case: dict) -> None:
    bits = "".join(field for _, field in case["bits"])
    assert bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).hex() == case["hex"]


@pytest.mark.mpy
def test_both_pythons_give_the_bytes_derived_by_hand_and_refuse_the_same() -> None:
    results, fields = run_on_both("codec_v1", VECTORS)
    for case, (payload, n, records) in zip(VECTORS["cases"], results, strict=True):
        assert payload == case["hex"], case["name"]
        assert n == len(case["records"])
        assert records == case["records"]
    assert fields == [case["field"] for case in VECTORS["refused"]]


def _worst(ids: tuple[int, ...], seq: int = 1) -> Record:
    """A record whose every reading has a value and a state other than OK: the longest there is."""
    return Record(seq, 1704067200, 2, [(i, by_id(i)[5], 1) for i in ids])


@pytest.mark.parametrize("ids", [AIR, NOISE, BIN, GARDEN, (5, 6, 15, 17)])
def test_the_longest_record_of_every_kind_fits_beside_full_fopts(ids: tuple[int, ...]) -> None:
    # 51 bytes at DR0..2 (RP002-1.0.4), of which MAC commands in FOpts take up to 15.
    payload, n = encode([_worst(ids)], 51 - 15)
    assert n == 1
    assert len(payload) <= 36


def test_three_air_records_of_a_regular_interval_fit_51_bytes() -> None:
    records = [Record(i, 1704067200 + 300 * i, 2, [(m, 1, OK) for m in AIR]) for i in range(10)]
    payload, n = encode(records, 51)
    assert n == 3
    assert len(payload) <= 51
    assert decode(payload) == records[:3]


def test_a_record_that_does_not_fit_is_not_cut() -> None:
    assert encode([_worst(NOISE)], 20) == (b"", 0)
    assert encode([], 51) == (b"", 0)


@pytest.mark.parametrize(
    "following",
    [
        Record(1, 1704067200, 2, [(15, 1, OK)]),  # the sequence does not rise
        Record(300, 1704067200, 2, [(15, 1, OK)]),  # more than 256 further
        Record(2, 1704067200 + (1 << 17), 2, [(15, 1, OK)]),  # a day and a half later
        Record(2, 1704067200, 2, [(7, 1, OK)]),  # another channel set
        Record(2, 1704067200, 2, [(15, 20000, OK)]),  # out of range: an error of its own frame
    ],
)
def test_a_record_that_cannot_follow_ends_the_frame(following: Record) -> None:
    first = Record(1, 1704067200, 2, [(15, 1, OK)])
    payload, n = encode([first, following], 51)
    assert n == 1
    assert decode(payload) == [first]


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Record(-1, 0, 0, [(15, 1, OK)]), "seq"),
        (Record(1 << 32, 0, 0, [(15, 1, OK)]), "seq"),
        (Record(0, 1 << 32, 0, [(15, 1, OK)]), "time_s"),
        (Record(0, 0, 4, [(15, 1, OK)]), "time_quality"),
        (Record(0, 0, 0, []), "readings"),
        (Record(0, 0, 0, [(15, 10001, OK)]), "distance"),
        (Record(0, 0, 0, [(15, -1, OK)]), "distance"),
        (Record(0, 0, 0, [(15, 1.5, OK)]), "distance"),
        (Record(0, 0, 0, [(15, 1, OK), (15, 2, OK)]), "distance"),
        (Record(0, 0, 0, [(15, 1, 6)]), "state"),
        (Record(0, 0, 0, [(250, 1, OK)]), "measurement"),
    ],
)
def test_a_first_record_that_breaks_the_format_is_an_error_naming_the_field(
    record: Record, field: str
) -> None:
    with pytest.raises(WireError) as caught:
        encode([record], 51)
    assert caught.value.field == field


def test_an_unknown_version_to_encode_is_refused() -> None:
    with pytest.raises(WireError, match="version"):
        encode([_worst(BIN)], 51, 9)


_readings = st.lists(st.sampled_from(MEASUREMENTS), min_size=1, max_size=9, unique=True).flatmap(
    lambda rows: st.tuples(
        *[
            st.tuples(st.just(row[0]), st.integers(row[4], row[5]), st.sampled_from(sorted(STATE_NAMES))).map(
                lambda r: r if r[2] < FIRST_ERROR else (r[0], 0, r[2])
            )
            for row in rows
        ]
    ).map(list)
)
_records = st.builds(
    Record, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 3), _readings
)


def _same(a: Record, b: Record) -> bool:
    return (a.seq, a.time_s, a.time_quality, sorted(a.readings)) == (
        b.seq,
        b.time_s,
        b.time_quality,
        sorted(b.readings),
    )


@settings(max_examples=200, deadline=None)
@given(
    _records, st.lists(st.tuples(st.integers(1, 300), st.integers(-200000, 200000), _readings), max_size=5)
)
def test_what_is_encoded_decodes_to_the_same_records(first: Record, more: list) -> None:
    records = [first]
    for dseq, step, readings in more:
        last = records[-1]
        if last.seq + dseq < 2**32 and 0 <= last.time_s + step < 2**32:
            records.append(Record(last.seq + dseq, last.time_s + step, last.time_quality, readings))
    back: list[Record] = []
    while len(back) < len(records):
        payload, n = encode(records[len(back) :], 242)
        assert n >= 1
        assert len(payload) <= 242
        back += decode(payload)
    assert all(_same(a, b) for a, b in zip(records, back, strict=True))


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_give_records_or_a_wire_error(payload: bytes) -> None:
    for prefix in (b"", b"\x01", b"\x01\x01", b"\x01\x04"):
        try:
            records = decode(prefix + payload)
        except WireError:
            continue
        again, n = encode(records, 4096)
        assert n >= 1
        assert decode(again) == records[:n]


def test_a_giant_payload_is_refused_before_any_work() -> None:
    with pytest.raises(WireError, match="length"):
        decode(b"\x01\x03" + bytes(5000))

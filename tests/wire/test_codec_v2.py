"""Version 2 gives back what it got, stops at the limit, never exceeds version 1, takes any bytes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from wire import measurements
from wire.codec import decode, encode
from wire.codec.profiles import PROFILES
from wire.errors import WireError
from wire.record import FIRST_ERROR, OK, STATE_NAMES, TIME_NETWORK, TIME_NTP, Record

T0 = 1_760_000_100 // 300 * 300
SETS = [ids for _, ids in PROFILES] + [(19, 20, 21), (1, 28), (27,)]


def _calm(ids: tuple[int, ...], n: int, interval_s: int = 300, start_s: int = T0) -> list[Record]:
    """Records of a healthy node: values near the middle of nowhere special, moving a little."""
    out = []
    for i in range(n):
        readings = []
        for channel in ids:
            row = measurements.by_id(channel)
            value = row[4] + (row[5] - row[4]) // 3 + (i * 7 + channel * 13) % 9 - 4
            readings.append((channel, value, OK))
        time_s = start_s + i * interval_s
        out.append(Record(time_s // interval_s, time_s, TIME_NETWORK, readings))
    return out


def _order(first: Record) -> tuple[int, ...]:
    """Readings come back in the order of the shortest channel set that holds those of the first record."""
    ids = [reading[0] for reading in first.readings]
    fitting = [row for _, row in PROFILES if all(i in row for i in ids)]
    return min(fitting, key=len) if fitting else tuple(sorted(ids))


def _ordered(record: Record, order: tuple[int, ...]) -> Record:
    readings = sorted(record.readings, key=lambda reading: order.index(reading[0]))
    return Record(record.seq, record.time_s, record.time_quality, readings)


@pytest.mark.parametrize("ids", SETS, ids=str)
@pytest.mark.parametrize("limit", [11, 30, 51, 115, 242])
def test_every_channel_set_and_frame_size_comes_back(ids: tuple[int, ...], limit: int) -> None:
    records = _calm(ids, 40)
    payload, n = encode(records, limit, 2, records[-1].time_s)
    assert len(payload) <= limit
    assert n == 0 or decode(payload, records[-1].time_s + 3) == records[:n]


@st.composite
def _sequences(draw: st.DrawFn) -> list[Record]:
    """Records that break every habit: gaps, jumps, other clocks, any number, any state, absent channels."""
    ids = draw(st.sampled_from(SETS))
    interval_s = draw(st.sampled_from([1, 60, 300, 301, 3600, 40000]))
    time_s = draw(st.one_of(st.integers(0, 2**32 - 1), st.just(T0)))
    seq = draw(st.one_of(st.just(time_s), st.integers(0, 2**32 - 1)))
    records = []
    for _ in range(draw(st.integers(1, 14))):
        readings = []
        for channel in ids:
            row = measurements.by_id(channel)
            state = draw(st.sampled_from([OK, OK, OK, OK, 99, *STATE_NAMES]))
            if state == 99 and len(ids) > 1 and (readings or channel != ids[-1]):
                continue
            state = OK if state == 99 else state
            middle = (row[4] + row[5]) // 2
            raw = draw(st.one_of(st.integers(-3, 3).map(middle.__add__), st.integers(row[4], row[5])))
            readings.append((channel, 0 if state >= FIRST_ERROR else raw, state))
        if not readings:
            readings = [(ids[0], measurements.by_id(ids[0])[4], OK)]
        quality = draw(st.sampled_from([TIME_NETWORK, TIME_NETWORK, TIME_NTP, 0, 1]))
        records.append(Record(seq, time_s, quality, readings))
        step = draw(
            st.sampled_from([interval_s, interval_s, interval_s, 2 * interval_s, interval_s + 1, 0, -5])
        )
        time_s = min(2**32 - 1, max(0, time_s + step))
        seq = min(2**32 - 1, draw(st.sampled_from([seq + 1, seq + 1, max(seq + 1, time_s), seq + 70000])))
    return records


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=_sequences(), limit=st.integers(11, 242), late_s=st.sampled_from([None, 0, 2, 1800, 10**6]))
def test_whatever_a_node_holds_comes_back(records: list[Record], limit: int, late_s: int | None) -> None:
    now_s = None if late_s is None else records[-1].time_s + late_s
    payload, n = encode(records, limit, 2, now_s)
    assert len(payload) <= limit
    plain, n_plain = encode(records, limit, 1)
    assert n > n_plain or (n == n_plain and len(payload) <= len(plain))
    if n:
        order = _order(records[0])
        assert decode(payload, now_s) == [_ordered(r, order) for r in records[:n]]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(min_size=1, max_size=60), received=st.sampled_from([None, T0, 0]))
def test_any_bytes_give_records_or_an_error(data: bytes, received: int | None) -> None:
    try:
        records = decode(data, received)
    except WireError:
        return
    assert records
    for record in records:
        assert 0 <= record.time_s < 2**32 and 0 <= record.seq < 2**32
        for channel, raw, state in record.readings:
            row = measurements.by_id(channel)
            assert state >= FIRST_ERROR or row[4] <= raw <= row[5]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ids=st.sampled_from(SETS),
    n=st.integers(1, 12),
    at=st.integers(0, 50),
    bit=st.integers(0, 7),
)
def test_a_frame_with_a_flipped_bit_ends(ids: tuple[int, ...], n: int, at: int, bit: int) -> None:
    payload, fitting = encode(_calm(ids, n), 51, 2, T0)
    assume(fitting)
    broken = bytearray(payload)
    broken[at % len(broken)] ^= 1 << bit
    with contextlib.suppress(WireError):
        decode(bytes(broken), T0)

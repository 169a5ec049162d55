"""Protected frames: lost ones come back with their own times; anything else harms nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codec_lab.loss import simulate, time_on_air_s
from gateway.decode import Decoder, WindowBook
from gateway.decode.recovery import multiply
from gateway.errors import IngestError
from gateway.model import Uplink
from wire import ports
from wire.codec import encode, parity
from wire.record import OK, TIME_NETWORK, Record

T0 = 1_760_000_400
HOUR = 3600


def _hour(at: int, n: int = 6) -> list[Record]:
    """An hour of a bin that fills: times on the clock, numbers that follow it."""
    start = T0 // HOUR * HOUR + at * HOUR
    return [
        Record(t // (HOUR // n), t, TIME_NETWORK, [(15, 1500 - at, OK), (17, 3650 - at % 5, OK)])
        for t in range(start, start + HOUR, HOUR // n)
    ]


def _uplink(payload: bytes, at: int) -> Uplink:
    sent_ms = (T0 // HOUR * HOUR + at * HOUR + HOUR - HOUR // 6 + 4) * 1000
    return Uplink(
        dev_eui="70b3d57ed0000001",
        f_port=ports.RECORDS,
        payload=payload,
        received_at_ms=sent_ms,
        source="test",
    )


@pytest.mark.parametrize("version", [1, 2])
def test_lost_frames_come_back_as_if_received(version: int) -> None:
    node, gateway = parity.Window(2), Decoder()
    seen: dict[int, int] = {}
    for at in range(130):
        records = _hour(at, 6 if version == 2 else 1)
        payload, n = encode(records, 28, version, records[-1].time_s + 4)
        assert n == len(records)
        frame = node.protect(payload, 51)
        assert len(frame) <= 51
        if at % 3 == 1 or 20 <= at < 24:
            continue
        for decoded in gateway.decode(_uplink(frame, at)).records:
            seen[decoded.seq * (HOUR // n)] = decoded.observed_at_ms // 1000
    # The last lost frames still wait for equations.
    expected = [record.time_s for at in range(100) for record in _hour(at, 6 if version == 2 else 1)]
    assert [seq for seq in sorted(seen) if seq <= expected[-1]] == expected
    assert all(seq == time_s for seq, time_s in seen.items())


def test_another_process_goes_on_with_what_the_first_knew(tmp_path: Path) -> None:
    def frames(known: bool) -> set[int]:
        node = parity.Window(2)
        path = tmp_path / f"{known}.db"
        gateway = Decoder(WindowBook(path))
        seen: set[int] = set()
        for at in range(90):
            records = _hour(at)
            frame = node.protect(encode(records, 28, 2, records[-1].time_s + 4)[0], 51)
            if 30 <= at < 45:
                continue
            if at == 47:  # killed, and started again
                gateway = Decoder(WindowBook(path) if known else None)
            seen |= {record.seq for record in gateway.decode(_uplink(frame, at)).records}
        return seen

    all_of_it = {record.seq for at in range(90) for record in _hour(at)}
    assert frames(known=True) == all_of_it
    assert len(frames(known=False)) == len(all_of_it) - 15 * 6


def test_a_frame_that_was_overtaken_is_still_of_use() -> None:
    node, gateway = parity.Window(2), Decoder()
    made = []
    for at in range(40):
        records = _hour(at)
        made.append(node.protect(encode(records, 28, 2, records[-1].time_s + 4)[0], 51))
    order = [*range(10), 12, 10, 13, 11, 11, *range(15, 40)]
    seen = [r.seq for at in order for r in gateway.decode(_uplink(made[at], at)).records]
    assert sorted(set(seen)) == [r.seq for at in range(40) for r in _hour(at)]


def test_a_lost_frame_gets_its_own_time_however_long_the_node_was_silent_around_it() -> None:
    # Frame 20 was sent at its hour and lost; then the battery was low and the radio silent for ten hours.
    # Halfway between its neighbours lies five hours off; the numbers of its records tell.
    node, gateway = parity.Window(2), Decoder()
    found: dict[int, int] = {}
    for at in range(40):
        hour = at if at <= 20 else at + 10
        records = _hour(hour)
        if at == 21:  # what waited goes out as it is, by another way
            found |= {r.seq: r.time_s for back in range(21, 31) for r in _hour(back)}
        frame = node.protect(encode(records, 28, 2, records[-1].time_s + 4)[0], 51)
        if at != 20:
            for record in gateway.decode(_uplink(frame, hour)).records:
                found[record.seq] = record.observed_at_ms // 1000
    assert found == {r.seq: r.time_s for hour in range(50) for r in _hour(hour)}


def test_a_frame_cut_for_the_macs_options_still_counts() -> None:
    node = parity.Window(2)
    sizes = []
    for limit in (51, 44, 43, 30):
        frame = node.protect(b"\x80" * 28, limit)
        sizes.append(len(frame))
        assert parity.split(frame)[3] == b"\x80" * 28
    assert sizes == [48, 44, 42, 30]


def test_a_node_that_starts_again_is_understood() -> None:
    gateway = Decoder()
    for _ in range(2):
        node = parity.Window(2)
        for at in range(10):
            records = _hour(at)
            frame = node.protect(encode(records, 28, 2, records[-1].time_s)[0], 51)
            assert len(gateway.decode(_uplink(frame, at)).records) == 6


def test_multiplication_is_that_of_the_field() -> None:
    # Carry-less product modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11D), done bit by bit
    def slow(a: int, b: int) -> int:
        product = 0
        for bit in range(8):
            if b >> bit & 1:
                product ^= a << bit
        for bit in range(14, 7, -1):
            if product >> bit & 1:
                product ^= 0x11D << (bit - 8)
        return product

    row = np.arange(256, dtype=np.uint8)
    for factor in (0, 1, 2, 29, 255):
        assert multiply(row, factor).tolist() == [slow(a, factor) for a in range(256)]


@settings(max_examples=150, deadline=None)
@given(
    payloads=st.lists(
        st.binary(min_size=1, max_size=52).map(lambda b: bytes([0x40 | b[0] & 0x3F]) + b[1:]), max_size=6
    )
)
def test_any_bytes_are_refused_or_taken(payloads: list[bytes]) -> None:
    gateway = Decoder()
    for at, payload in enumerate(payloads):
        with contextlib.suppress(IngestError):
            gateway.decode(_uplink(payload, at))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "loss", "burst", "least"), [(2, 0.3, 1, 0.999), (2, 0.3, 3, 0.985), (3, 0.5, 1, 0.99)]
)
def test_what_parity_promises_it_delivers(rate: int, loss: float, burst: float, least: float) -> None:
    found = simulate(rate, loss, burst, sequences=3, frames=400, seed=5)
    assert found.wrong == 0
    assert found.recovered >= least


def test_time_on_air_is_that_of_the_reference_calculators() -> None:
    # TTN airtime calculator, EU868, 125 kHz, CR 4/5, 13 bytes overhead: 51 bytes SF10 698.4 ms, SF7 118.0 ms
    assert time_on_air_s(51, 10) == pytest.approx(0.6984, abs=0.0005)
    assert time_on_air_s(51, 7) == pytest.approx(0.1180, abs=0.0005)

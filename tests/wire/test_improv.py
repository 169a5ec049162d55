"""Improv serial: vectors of ESPHome and the Improv website, pieces of streams, any bytes at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dual import run_on_both
from wire import improv
from wire.errors import WireError

# improv-wifi.com/serial: the request for the state is 49 4D 50 52 4F 56 01 03 02 02 00 E5.
STATE_REQUEST = "494d50524f560103020200e5"


@pytest.mark.mpy
def test_both_pythons_write_the_published_packets_and_find_them_in_a_log(
    shared: Callable[[str], Path],
) -> None:
    vectors = json.loads(shared("vectors/improv_serial.json").read_text())
    names = ("state_req", "provisioned", "wifi_a_b", "err_unable_to_connect", "scan")
    stream = b"".join(b"log line\r\n" + bytes.fromhex(vectors[name]) + b"\n" for name in names)
    pieces = [stream[i : i + 7].hex() for i in range(0, len(stream), 7)]
    packed, found, broken, pending = run_on_both("improv_serial", {"pieces": pieces})
    assert packed == [vectors[name] + "0a" for name in names]
    assert [row[0] for row in found] == [3, 1, 3, 2, 3]
    assert found[2][2] == [1, ["a", "b"]]
    assert (broken, pending) == (0, False)


def test_the_request_for_the_state_by_hand() -> None:
    assert improv.rpc(improv.GET_STATE)[:-1].hex() == STATE_REQUEST
    assert improv.Parser().feed(bytes.fromhex(STATE_REQUEST)) == [(3, b"\x02\x00")]


def test_a_packet_with_a_wrong_checksum_is_counted_and_the_next_is_found() -> None:
    parser = improv.Parser()
    broken = bytearray.fromhex(STATE_REQUEST)
    broken[-1] ^= 1
    assert parser.feed(bytes(broken) + b"\n" + bytes.fromhex(STATE_REQUEST)) == [(3, b"\x02\x00")]
    assert parser.broken == 1


@pytest.mark.parametrize("data", ["", "01", "0102", "010161", "01020561", "010202ffff", "01030161"])
def test_calls_that_are_none_are_refused(data: str) -> None:
    with pytest.raises(WireError):
        improv.unpack_call(bytes.fromhex(data))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(WireError, match="string"):
        improv.rpc(1, ("x" * 256,))
    with pytest.raises(WireError, match="length"):
        improv.rpc(1, ("x" * 200, "y" * 60))


@given(st.binary(max_size=400), st.lists(st.integers(1, 60), max_size=12))
def test_any_bytes_in_any_pieces_give_packets_or_nothing(data: bytes, cuts: list[int]) -> None:
    parser, at = improv.Parser(), 0
    for cut in cuts:
        parser.feed(data[at : at + cut])
        at += cut
    for kind, body in parser.feed(data[at:]):
        assert 0 <= kind <= 255
        try:
            command, strings = improv.unpack_call(body)
        except WireError:
            continue
        assert improv.packet(4, body) == improv.result_packet(command, strings)


@given(st.binary(max_size=60), st.integers(0, 255), st.lists(st.text(max_size=20), max_size=4))
def test_a_packet_is_found_behind_any_log(noise: bytes, command: int, strings: list[str]) -> None:
    sent = improv.result_packet(command, strings)
    parser = improv.Parser()
    # What looks like the head of a packet swallows at most 255 bytes: after those it is found in any case.
    found = parser.feed(noise + sent) + parser.feed(b"\n" * 300)
    if improv.HEADER not in noise:
        assert (4, sent[9:-2]) in found

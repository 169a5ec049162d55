"""DNS messages by hand from RFC 1035, 4.1, and any bytes at all; forms of pages likewise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.web import escape, parse_form
from radio import dns

# Header: id 4D4E, recursion desired, one question; meetnet.invalid, type A (1), class IN (1).
QUERY = "4d4e01000001000000000000" + "076d6565746e657407696e76616c696400" + "00010001"


def test_a_question_by_hand() -> None:
    assert dns.query("meetnet.invalid").hex() == QUERY


def test_answers_are_told_apart() -> None:
    assert dns.verdict(bytes.fromhex("4d4e8183" + "00010000" + "00000000")) == dns.UNKNOWN  # NXDOMAIN
    assert dns.verdict(bytes.fromhex("4d4e8180" + "00010001" + "00000000")) == dns.KNOWN
    assert dns.verdict(bytes.fromhex("ffff8180" + "00010001" + "00000000")) is None  # not our question
    assert dns.verdict(bytes.fromhex(QUERY)) is None  # an echo


def test_every_name_is_the_node() -> None:
    answer = dns.catch_all(bytes.fromhex(QUERY), bytes([192, 168, 4, 1]))
    assert answer is not None
    head = "4d4e84000001000100000000"  # authoritative answer, one question, one answer
    record = "c00c" + "0001" + "0001" + "0000000a" + "0004" + "c0a80401"
    assert answer.hex() == head + QUERY[24:] + record


@given(st.binary(max_size=80))
def test_any_bytes_are_a_question_or_not(data: bytes) -> None:
    for one in (data, bytes.fromhex(QUERY)[:12] + data):
        dns.verdict(one)
        answer = dns.catch_all(one, bytes(4))
        assert answer is None or (answer[:2] == one[:2] and len(answer) <= len(one) + 16)


@given(st.text(max_size=60))
def test_any_text_is_a_form(text: str) -> None:
    for name, value in parse_form(text).items():
        for shown in (escape(name), escape(value)):
            assert not set('<>"') & set(shown)


def test_a_form_as_browsers_send_it() -> None:
    # WHATWG URL, application/x-www-form-urlencoded
    assert parse_form("ssid=a+%26+b&password=%C3%A9%2B%25&x") == {"ssid": "a & b", "password": "é+%"}

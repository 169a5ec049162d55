"""The certification package on port 224 (TS009-1.0, identifiers as in LoRaMac-node's LmhpCompliance)."""

from __future__ import annotations

import pytest

from radio.certification import PORT, Certification
from tests.firmware.radio.server import ADR, Bench

FIRMWARE = (0, 1, 0)


@pytest.fixture
def bench() -> Bench:
    return Bench(duty_cycle=False)


@pytest.fixture
def package(bench: Bench) -> Certification:
    return Certification(bench.mac, FIRMWARE)


def order(bench: Bench, package: Certification, payload: str) -> list[bytes]:
    """Send a command down with an uplink; return the payloads that the package answers with, over the air."""
    bench.answer_once(lambda: bench.down(PORT, bytes.fromhex(payload)))
    package.take(bench.mac.send(1, b"x").downlinks)
    answers = []
    while package.answers:
        assert bench.mac.send(PORT, package.answers.pop(0)).sent
        assert bench.ups[-1].port == PORT
        answers.append(bench.ups[-1].payload)
    return answers


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00", "000601"),  # package 6, version 1
        ("08 01 02 ff", "08 02 03 00"),  # each byte plus one, modulo 256
        ("7f", "7f 00010000 01000400 02010000"),
    ],
)
def test_commands_with_an_answer(bench: Bench, package: Certification, command: str, answer: str):
    assert order(bench, package, command) == [bytes.fromhex(answer)]


def test_downlinks_are_counted_and_the_counter_can_be_reset(bench: Bench, package: Certification):
    bench.answer_once(lambda: bench.down(9, b"application"))
    assert package.take(bench.mac.send(1, b"x").downlinks) == [(9, b"application")]
    assert order(bench, package, "09") == [bytes.fromhex("090200")]
    order(bench, package, "0a")
    assert order(bench, package, "09") == [bytes.fromhex("090100")]


def test_adr_bit_and_duty_cycle_can_be_switched(package: Certification):
    bench = Bench()
    package = Certification(bench.mac, FIRMWARE)
    order(bench, package, "0400")
    order(bench, package, "0500")
    for _ in range(1200):  # 1200 frames of 46 ms are more than an hour's share of one band
        assert bench.mac.send(1, b"").sent
    assert bench.ups[-1].fctrl & ADR == 0
    order(bench, package, "0401")
    bench.mac.send(1, b"x")
    assert bench.ups[-1].fctrl & ADR
    order(bench, package, "0501")
    assert not bench.mac.send(1, b"x").sent


@pytest.mark.parametrize(("value", "seconds"), [(0, 0), (1, 5), (7, 60), (10, 480)])
def test_periods(bench: Bench, package: Certification, value: int, seconds: int):
    order(bench, package, f"06{value:02x}")
    order(bench, package, "060b")  # reserved
    assert package.period_ms == seconds * 1000


def test_frame_type_reset_and_join(bench: Bench, package: Certification):
    order(bench, package, "0702")
    assert package.confirmed
    order(bench, package, "0700")
    assert package.confirmed
    order(bench, package, "01")
    order(bench, package, "02")
    assert package.reset_due and package.join_due


def test_link_check_and_time_are_asked_for(bench: Bench, package: Certification):
    order(bench, package, "20")
    order(bench, package, "21")
    bench.mac.send(1, b"x")
    assert b"\x02" in bench.ups[-2].fopts
    assert b"\x0d" in bench.ups[-1].fopts


def test_disabled_for_good(bench: Bench, package: Certification):
    order(bench, package, "7e")
    assert order(bench, package, "00") == []


@pytest.mark.parametrize("payload", ["", "03", "04", "0402", "06", "22", "7d", "ff00"])
def test_what_is_unknown_or_broken_changes_nothing(bench: Bench, package: Certification, payload: str):
    assert order(bench, package, payload) == []
    assert bench.mac.adr

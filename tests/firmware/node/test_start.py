"""What surrounds the state machine: time through resets, retained memory, crash counting, mended files."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from node.recovery import SAFE_MODE_AFTER, Lives, last_crash
from node.retained import Retained
from node.timekeeping import Timekeeper
from tests.dual_scripts.node_life import MASK, UTC0_MS, Clock, Store
from wire.record import TIME_DRIFTING, TIME_NETWORK, TIME_NEVER_SET, TIME_NTP

BOOT = Path(__file__).parents[3] / "firmware" / "boot.py"
POWER_ON, HARD, WATCHDOG, DEEP_SLEEP, SOFT = 1, 2, 3, 4, 5


def test_time_is_seconds_since_start_until_somebody_tells_it() -> None:
    clock = Clock(5000)
    time = Timekeeper(clock)
    clock.at_ms += 7900
    assert time.now() == (7, TIME_NEVER_SET)
    assert time.age_s() is None


def test_an_answer_counts_from_the_ticks_it_was_taken_at() -> None:
    clock = Clock(MASK - 500)
    time = Timekeeper(clock)
    at = clock.ticks_ms()
    clock.at_ms += 2000  # over the wrap of ticks_ms
    assert time.set(UTC0_MS, at, TIME_NTP)
    assert time.now() == (UTC0_MS // 1000 + 2, TIME_NTP)


def test_a_time_that_nobody_confirms_drifts_and_a_new_answer_mends_it() -> None:
    clock = Clock()
    time = Timekeeper(clock, drift_budget_s=3600)
    time.set(UTC0_MS, clock.ticks_ms(), TIME_NETWORK)
    clock.at_ms += 3_600_000
    assert time.now()[1] == TIME_NETWORK
    clock.at_ms += 1000
    assert time.now()[1] == TIME_DRIFTING
    time.set(UTC0_MS + 3_700_000, clock.ticks_ms(), TIME_NETWORK)
    assert time.now()[1] == TIME_NETWORK


@pytest.mark.parametrize("utc_ms", [0, 1, 946684800000, 1 << 45, -5])
def test_a_time_that_cannot_be_is_refused(utc_ms: int) -> None:
    time = Timekeeper(Clock())
    assert not time.set(utc_ms, 0, TIME_NETWORK)
    assert not time.known
    assert time.refused == 1


def test_time_survives_a_reset_through_which_the_chips_clock_ran() -> None:
    clock = Clock()
    time = Timekeeper(clock)
    time.set(UTC0_MS, clock.ticks_ms(), TIME_NETWORK)
    clock.at_ms += 60_000
    blob = time.snapshot(777_000)
    after = Timekeeper(Clock(12))
    assert after.restore(blob, 777_000 + 300_000)
    assert after.now() == (UTC0_MS // 1000 + 360, TIME_NETWORK)
    assert after.age_s() == 360


def test_garbage_after_a_power_cut_restores_no_time() -> None:
    blob = bytearray(_some_snapshot())
    for i in range(len(blob)):
        wrong = bytes(blob[:i]) + bytes([blob[i] ^ 0x10]) + bytes(blob[i + 1 :])
        assert not Timekeeper(Clock()).restore(wrong, 0)
    for garbage in (b"", b"\xff" * 22, b"\x00" * 30):
        assert not Timekeeper(Clock()).restore(garbage, 0)


def _some_snapshot() -> bytes:
    time = Timekeeper(Clock())
    time.set(UTC0_MS, 0, TIME_NETWORK)
    return time.snapshot(0)


class Memory:
    """machine.RTC().memory: a getter without argument, a setter with one."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def __call__(self, data: bytes | None = None) -> bytes | None:
        if data is None:
            return self.data
        self.data = data
        return None


def test_retained_values_come_back_and_garbage_is_nothing() -> None:
    memory = Memory()
    first = Retained(memory)
    first.save("time", b"\x00" * 22)
    first.save("lw_rtc", bytes(range(200)))
    first.save("time", b"\x01\x02")
    again = Retained(memory)
    assert again.load("time") == b"\x01\x02"
    assert again.load("lw_rtc") == bytes(range(200))
    assert again.load("other") is None
    for i in range(len(memory.data)):
        wrong = bytearray(memory.data)
        wrong[i] ^= 0x40
        assert Retained(Memory(bytes(wrong))).load("time") is None
    with pytest.raises(OSError, match="28"):
        again.save("big", bytes(2048))


def test_short_lives_in_a_row_lead_to_safe_mode_and_one_long_life_out_of_it() -> None:
    store = Store()
    for i in range(SAFE_MODE_AFTER):
        assert not Lives(store, HARD if i else POWER_ON).safe_mode
    lives = Lives(store, WATCHDOG)
    assert lives.safe_mode
    assert lives.boots == SAFE_MODE_AFTER + 1
    lives.settle()
    assert not Lives(store, SOFT).safe_mode


def test_power_cuts_and_deep_sleep_are_no_crashes() -> None:
    store = Store()
    for cause in (POWER_ON, DEEP_SLEEP) * 10:
        lives = Lives(store, cause)
        assert lives.short == 0
    assert lives.boots == 10


def test_the_text_of_a_crash_is_kept_for_whoever_asks() -> None:
    store = Store()
    lives = Lives(store, POWER_ON)
    assert last_crash(store) == ""
    lives.crashed("x" * 500 + "OSError(28)")
    Lives(store, HARD)  # a life later
    assert last_crash(store).endswith("OSError(28)")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"config.json": '{"a": 1}', "config.new": '{"b": 2}'}, {"a": 1}),
        ({"config.json": '{"a": ', "config.new": '{"b": 2}'}, {"b": 2}),
        ({"config.new": '{"b": 2', "config.old": '{"c": 3}'}, {"c": 3}),
        ({"config.json": "", "config.old": '{"c": 3}'}, {"c": 3}),
    ],
)
def test_a_half_written_configuration_is_put_back(
    files: dict[str, str], expected: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    runpy.run_path(str(BOOT))
    assert json.loads((tmp_path / "config.json").read_text()) == expected
    assert (tmp_path / "mended").exists() == ("a" not in expected)


def test_nothing_to_mend_with_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(BOOT))
    assert list(tmp_path.iterdir()) == []

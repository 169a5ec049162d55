"""A node's clock in real MicroPython: what time passes, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.buses import Board
from tests.simulator.bench import START_US, Register, run_script

pytestmark = pytest.mark.mpy


def test_sleeping_moves_the_clock_by_what_was_asked(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        """
import time
for call, n in ((time.sleep_ms, 1), (time.sleep_ms, 300000), (time.sleep_us, 70), (time.sleep, 2)):
    a = time.ticks_us()
    call(n)
    print(time.ticks_diff(time.ticks_us(), a))
""",
        seconds=600,
    )
    # The reading of the clock itself takes 2 us.
    assert [int(line) for line in lines] == [1002, 300_000_002, 72, 2_000_002]


def test_ticks_wrap_at_thirty_bits_as_on_the_chip(tmp_path: Path) -> None:
    # ports/esp32: MICROPY_PY_TIME_TICKS_PERIOD is 2**30: ticks_us wraps after 1073.7 s.
    lines = run_script(
        tmp_path,
        """
import time
a = time.ticks_us()
time.sleep(1070)
b = time.ticks_us()
time.sleep(10)
c = time.ticks_us()
print(b > a, c < b, time.ticks_diff(c, b), time.ticks_add(c, -10000002) == b)
""",
        seconds=2000,
    )
    assert lines == ["True True 10000002 True"]


def test_a_polling_loop_ends_without_sleeping(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        """
import time
a = time.ticks_ms()
n = 0
while time.ticks_diff(time.ticks_ms(), a) < 1000:
    n += 1
print(n > 1000)
""",
    )
    assert lines == ["True"]


def test_the_rtc_starts_in_2000_and_keeps_what_it_is_set_to(tmp_path: Path) -> None:
    # ports/esp32 counts time.time() from 2000-01-01. 2026-09-21 is a Monday (weekday 0).
    lines = run_script(
        tmp_path,
        """
import machine, time
print(time.time() < 5, time.gmtime()[:3])
machine.RTC().datetime((2026, 9, 21, 0, 12, 30, 15, 0))
time.sleep(10)
print(machine.RTC().datetime()[:7], time.gmtime()[:7])
print(time.mktime((2000, 3, 1, 0, 0, 0, 0, 0)) // 86400)
""",
    )
    assert lines == [
        "True (2000, 1, 1)",
        "(2026, 9, 21, 0, 12, 30, 25) (2026, 9, 21, 12, 30, 25, 0)",
        "60",
    ]


def test_the_chip_sees_a_transaction_at_the_nodes_own_time(tmp_path: Path) -> None:
    chip = Register()
    run_script(
        tmp_path,
        """
import machine, time
bus = machine.I2C(0, freq=100000)
bus.writeto(0x44, b"ab")
time.sleep(3600)
bus.writeto(0x44, b"ab")
""",
        Board(i2c={0: [chip]}),
        seconds=4000,
    )
    first, second = chip.times
    assert START_US < first < START_US + 1_000_000
    # three bytes with their acknowledge take 270 us at 100 kHz, plus the driver's own time
    assert 3_600_000_270 < second - first < 3_600_001_000


def test_the_watchdog_bites_when_nobody_feeds_it(tmp_path: Path) -> None:
    events: list[tuple[int, str, str, str]] = []
    lines = run_script(
        tmp_path,
        """
import machine, time
print(machine.reset_cause())
if machine.reset_cause() == machine.PWRON_RESET:
    dog = machine.WDT(timeout=5000)
    time.sleep(3)
    dog.feed()
    time.sleep(4)
    dog.feed()
    time.sleep(3600)
    print("never")
""",
        seconds=4000,
        events=events,
    )
    assert lines == ["1", "3"]
    at = [t for t, _, kind, text in events if (kind, text) == ("reset", "watchdog")]
    assert len(at) == 1
    assert 12_000_000 < at[0] - START_US < 13_000_000  # boot, 3 s, 4 s, then 5 s of patience

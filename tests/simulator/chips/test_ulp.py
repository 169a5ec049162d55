"""The coprocessor's model by itself, and the program on it: closings, bounces, what survives what."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.ulp_counter import UlpCounter, pad
from simulator.chips.base import Constants
from simulator.chips.rain_gauge import RainGauge
from simulator.chips.ulp import MEMORY, Ulp, UlpError
from tools import ulp as tool

MS = 1000
PINS = {"esp32": 32, "esp32s3": 12}


class Wire:
    """A contact whose edges a test lists: (milliseconds, level)."""

    def __init__(self, edges: list[tuple[float, int]]) -> None:
        self.todo = [(round(t * MS), level) for t, level in sorted(edges)]

    def edges(self, to_us: int) -> list[tuple[int, int]]:
        found = [edge for edge in self.todo if edge[0] <= to_us]
        self.todo = self.todo[len(found) :]
        return found


class Chip:
    """esp32.ULP() and machine.mem32 of a chip, over the model; time stands still while it is looked at."""

    def __init__(self, family: str, contact: object) -> None:
        self.now_us = 0
        self.model = Ulp(family, {pad(family, PINS[family])[1]: contact})  # type: ignore[dict-item]
        self.counter = self.boot(family)

    def boot(self, family: str) -> UlpCounter:
        return UlpCounter(family, PINS[family], self, self)

    def set_wakeup_period(self, _index: int, us: int) -> None:
        self.model.set_period(us)

    def load_binary(self, address: int, binary: bytes) -> None:
        self.model.load(address, binary)

    def run(self, entry: int) -> None:
        self.model.run(entry, self.now_us)

    def __getitem__(self, address: int) -> int:
        return self.model.peek(address, self.now_us)

    def __setitem__(self, address: int, value: int) -> None:
        self.model.poke(address, value, self.now_us)

    def after(self, ms: float) -> int:
        self.now_us = round(ms * MS)
        return self.counter.value()


def closings(times_ms: list[float], closed_ms: float = 20.0) -> list[tuple[float, int]]:
    return [edge for t in times_ms for edge in ((t, 0), (t + closed_ms, 1))]


@pytest.mark.parametrize("family", tool.FAMILIES)
def test_each_closing_counts_once(family: str) -> None:
    chip = Chip(family, Wire(closings([100, 300, 500.5, 1000, 5000])))
    assert chip.after(99) == 0
    assert chip.after(700) == 3
    assert chip.after(6000) == 5
    assert chip.model.instructions < 20  # a run takes microseconds


@pytest.mark.parametrize("family", tool.FAMILIES)
@given(st.lists(st.floats(0, 40), min_size=1, max_size=30), st.floats(20.1, 80), st.integers(0, 2**30))
@settings(max_examples=40, deadline=None)
def test_closings_of_20_ms_with_bounces_are_never_missed_nor_counted_twice(
    family: str, gaps_ms: list[float], closed_ms: float, seed: int
) -> None:
    rng = random.Random(seed)
    edges: list[tuple[float, int]] = []
    t = 50.0
    for gap in gaps_ms:  # at most five a second, as the fastest gauge
        for bounce in range(rng.randrange(4)):  # each shorter than a sample
            edges += [(t + 2.0 * bounce, 0), (t + 2.0 * bounce + 0.9, 1)]
        t += 9
        edges += [(t, 0), (t + closed_ms, 1)]
        t += closed_ms
        for bounce in range(1, 1 + rng.randrange(4)):
            edges += [(t + 2.0 * bounce, 0), (t + 2.0 * bounce + 0.9, 1)]
        t += 100 + gap
    chip = Chip(family, Wire(edges))
    assert chip.after(t + 100) == len(gaps_ms)


def test_skipping_quiet_time_changes_nothing() -> None:
    edges = closings([1000.0 * i + 7 * i for i in range(1, 40)], 33)
    whole, pieces = Chip("esp32s3", Wire(edges)), Chip("esp32s3", Wire(edges))
    for ms in range(0, 45_000, 10):
        pieces.after(ms)
    assert whole.after(44_990) == pieces.counter.value() == 39
    assert whole.model.runs == pytest.approx(pieces.model.runs, abs=2)
    assert whole.model.memory == pieces.model.memory


@pytest.mark.parametrize("family", tool.FAMILIES)
def test_a_reset_finds_it_running_and_a_power_cut_begins_anew(family: str) -> None:
    chip = Chip(family, Wire(closings([100, 200, 1100, 1200, 2100])))
    assert chip.counter.loaded
    assert chip.after(1000) == 2
    chip.counter = chip.boot(family)
    assert not chip.counter.loaded
    assert chip.after(2000) == 4
    chip.model.power_off()
    assert chip.after(2500) == 0  # and is loaded again by whoever asks
    assert chip.after(3000) == 0


def test_the_counter_wraps_at_16_bits() -> None:
    chip = Chip("esp32", Wire(closings([100, 300])))
    chip[MEMORY + 4 * 17] = 65535
    assert chip.after(200) == 0
    assert chip.after(400) == 1


def test_only_pins_of_the_rtc_are_taken() -> None:
    assert pad("esp32", 32) == (
        0x3FF4848C,
        9,
        17,
        5,
        22,
        23,
    )  # RTC_IO_XTAL_32K_PAD_REG, esp-idf soc/rtc_io_reg.h
    assert pad("esp32", 4) == (0x3FF48494, 10, 19, 13, 27, 28)  # RTC_IO_TOUCH_PAD0_REG
    assert pad("esp32s3", 2) == (0x6000848C, 2, 19, 13, 27, 28)  # RTC_IO_TOUCH_PAD2_REG
    for chip, pin in (("esp32", 21), ("esp32", 34), ("esp32s3", 21), ("esp32c3", 4)):
        with pytest.raises(ValueError, match="no RTC pin"):
            pad(chip, pin)


def test_the_pin_is_an_input_with_pull_up_afterwards() -> None:
    chip = Chip("esp32s3", Wire([]))
    register = chip[0x60008400 + 0x84 + 4 * 12]
    assert register & (1 << 19 | 1 << 13 | 1 << 27 | 1 << 28) == 1 << 19 | 1 << 13 | 1 << 27
    assert chip[0x60008904] >> 31 == 1


@pytest.mark.parametrize(
    ("word", "words"),
    [(0x50000000, "opcode 5"), (0x78400000, "stage counter"), (0x6A000000, "this way of storing")],
)
def test_what_is_not_modelled_is_told(word: int, words: str) -> None:
    model = Ulp("esp32s3", {})
    model.set_period(10 * MS)
    model.memory[:4] = word.to_bytes(4, "little")
    model.run(0, 0)
    with pytest.raises(UlpError, match=words):
        model.peek(MEMORY, 20 * MS)
    with pytest.raises(UlpError, match="header"):
        model.load(0, b"ulp")


def test_a_storm_of_the_gauge_with_its_bounces_is_counted_whole() -> None:
    gauge = RainGauge(lambda _quantity, now_us: now_us / 1e6 * 0.02, mm_per_tip=0.2794)  # 72 mm an hour
    chip = Chip("esp32", gauge)
    counted = chip.after(3600 * 1000.0)
    fell = int(3600 * 0.02 / 0.2794)
    assert abs(counted - fell) <= 1
    assert counted == gauge.tips
    other = RainGauge(Constants(rain_mm=0.0))
    other.faults.add("nak")
    other.tip()
    assert other.edges(10**7) == []

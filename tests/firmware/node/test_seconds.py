"""Seconds in memory and in flash: what an event can still be told of, through power cuts and worn sectors."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

from node import second_log
from node.flash import FileFlash
from node.second_log import MINUTE, SecondBook, SecondLog
from node.seconds import KEPT, Seconds
from tests.dual_scripts.node_life import Store
from tests.dual_scripts.nor_flash import NorFlash, PowerCut
from wire.record import GAP, OK, OVERLOAD

UTC_S = 1_790_000_000


def minute(first: int) -> array[int]:
    return array("H", [300 + (first + i) % 700 for i in range(MINUTE)])


def filled(log: SecondLog, minutes: int, begin: int = 0) -> None:
    for i in range(begin, minutes):
        log.append(UTC_S + i * MINUTE, minute(i * MINUTE))


def test_a_second_keeps_level_and_state_and_is_given_once() -> None:
    seconds = Seconds()
    for i, (raw, state) in enumerate([(612, OK), (None, OK), (1300, OVERLOAD), (455, GAP)]):
        seconds.add(100 + i, raw, state)
    assert seconds.levels() == [612, 0, 1300, 455]
    assert seconds.between(101, 102) == [(102, 1300, OVERLOAD)]
    assert seconds.new() == [(100, 612, OK), (103, 455, GAP)]
    assert seconds.between(0, 1000) == seconds.new() == []


def test_the_ring_in_memory_holds_fifteen_minutes_and_forgets_what_was_no_sound() -> None:
    seconds = Seconds()
    for i in range(KEPT + 50):
        seconds.add(i, 400 + i % 100, OK)
    assert len(seconds.levels()) == KEPT
    seconds.forget(KEPT + 40)
    assert seconds.levels()[-11:] == [400 + (KEPT + 39) % 100] + [0] * 10
    assert [row[0] for row in seconds.between(0, 5000)] == list(range(50, KEPT + 40))


def test_runs_end_at_holes() -> None:
    seconds = Seconds()
    for end_s in (10, 11, 12, 20, 21):
        seconds.add(end_s, 500, OK)
    assert seconds.run(0, 60) == (10, array("H", [500, 500, 500]), 0)
    assert seconds.run(3, 60) == (20, array("H", [500, 500]), 3)


def test_256_kib_hold_more_than_a_day(tmp_path: Path) -> None:
    """And a sector is erased once in that time: 100,000 erasures last for three centuries."""
    flash = FileFlash(str(tmp_path / "s"), 64)
    log = SecondLog(flash)
    filled(log, 48 * 60)
    newest = UTC_S + 48 * 3600 - 1
    found = list(log.between(0, 0xFFFFFFFF))
    assert found[-1][0] == newest
    assert len(found) > 32 * 3600
    assert [row[0] for row in found] == list(range(found[0][0], newest + 1))
    again = SecondLog(flash)
    assert list(again.between(newest - 100, newest)) == found[-101:]


def test_an_event_is_read_to_the_second_across_sectors(tmp_path: Path) -> None:
    log = SecondLog(FileFlash(str(tmp_path / "s"), 8))
    filled(log, 100)
    first = 31 * MINUTE - 7
    found = list(log.between(UTC_S + first, UTC_S + first + 20))
    assert [(at - UTC_S, raw) for at, raw, _ in found] == [
        (at, 300 + at % 700) for at in range(first, first + 21)
    ]
    assert list(log.between(UTC_S - 1000, UTC_S - 1)) == []


@pytest.mark.parametrize("seed", range(12))
def test_a_power_cut_loses_at_most_the_minute_under_way(seed: int) -> None:
    """The cut comes at a random byte of programming or erasing; what was written before is there."""
    rng = random.Random(seed)
    flash = NorFlash(5, 4096)
    done = 0
    log = SecondLog(flash)
    for life in range(6):
        flash.cut = rng.randrange(20_000)
        try:
            while True:
                log.append(UTC_S + done * MINUTE, minute(done * MINUTE))
                done += 1
        except PowerCut:
            flash.cut = None
            log = SecondLog(flash)
            found = {at: raw for at, raw, _ in log.between(0, 0xFFFFFFFF)}
            for at, raw in found.items():
                assert raw == 300 + (at - UTC_S) % 700, life
            # the last lives wrote into at least the sector before this one: none of its minutes is missing
            for i in range(max(done - 31, 0), done):
                assert UTC_S + i * MINUTE in found, (life, i, done)
            assert all(at < UTC_S + (done + 1) * MINUTE for at in found)


def test_a_sector_that_does_not_keep_what_it_is_given_is_left_and_counted() -> None:
    flash = NorFlash(6, 4096)
    flash.bad = (2,)
    log = SecondLog(flash)
    filled(log, 150)
    assert log.refused >= 1
    found = [row[0] for row in log.between(0, 0xFFFFFFFF)]
    assert len(found) >= 90 * MINUTE
    assert found == sorted(set(found))


def test_a_flash_that_takes_nothing_harms_nobody() -> None:
    flash = NorFlash(6, 4096)
    flash.full = True
    log = SecondLog(flash)
    filled(log, 5)
    assert log.refused
    assert list(log.between(0, 0xFFFFFFFF)) == []


def test_what_was_given_is_given_once_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash = FileFlash(str(tmp_path / "s"), 8)
    monkeypatch.setattr(second_log, "ring_flash", lambda _name, _kib: flash)
    store = Store()
    book, seconds = SecondBook(32, store), Seconds()
    for i in range(3 * MINUTE + 20):
        seconds.add(1000 + i, 400 + i, OK)
        book.keep(seconds, UTC_S - 1000)
    now_s = UTC_S + 3 * MINUTE + 20
    # memory is gone with the power: three minutes are left
    book, seconds = SecondBook(32, store), Seconds()
    rows = book.more(UTC_S + 50, UTC_S + 69, [], UTC_S - 5, now_s)
    assert rows == [(5 + i, 400 + i, OK) for i in range(50, 70)]
    book = SecondBook(32, store)
    rows = book.more(UTC_S + 60, UTC_S + 79, [], UTC_S - 5, now_s)
    assert [row[1] for row in rows] == list(range(470, 480))
    assert book.more(UTC_S, UTC_S + 40, [(5 + i, 0, OK) for i in range(41)], UTC_S - 5, now_s) == []

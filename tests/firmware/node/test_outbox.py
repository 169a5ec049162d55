"""The outbox: newest first, what is asked once more, what is known to have arrived, sequence numbers."""

from __future__ import annotations

import random

import pytest

from node.log import RecordLog
from node.outbox import Outbox
from node.ranges import Ranges
from tests.dual_scripts.node_life import Store
from tests.dual_scripts.nor_flash import NorFlash, PowerCut
from wire import backfill
from wire.codec import decode
from wire.measurements import MEASUREMENTS
from wire.record import OK, TIME_NETWORK, TIME_NEVER_SET, Record


def _record(seq: int) -> Record:
    return Record(seq, 1767225600 + seq, TIME_NETWORK, [(5, 2000 + seq % 100, OK), (17, 4000, OK)])


def _outbox(flash: NorFlash, store: Store) -> Outbox:
    return Outbox(RecordLog(flash), store)


def _add(outbox: Outbox, n: int) -> None:
    for _ in range(n):
        outbox.add(_record(outbox.take_seq()))


def _take(outbox: Outbox, limit: int = 51) -> list[int]:
    """Send one frame, live or once more, that nobody confirms; return its numbers."""
    frame = outbox.frame(limit) or outbox.again_frame(limit)
    if frame is None:
        return []
    outbox.left(frame[1])
    records = decode(frame[0])
    assert records == [_record(r.seq) for r in records]
    return [r.seq for r in records]


def _drain(outbox: Outbox, limit: int = 51) -> list[int]:
    out: list[int] = []
    while True:
        seqs = _take(outbox, limit)
        if not seqs:
            return out
        out += seqs


def test_the_newest_go_first_and_the_others_after_them_from_the_oldest_on() -> None:
    outbox = _outbox(NorFlash(8, 1024), Store())
    _add(outbox, 30)
    first = _take(outbox)
    assert first[-1] == 29
    assert len(first) < 12
    second = _take(outbox)
    assert second[0] == 0
    assert sorted(first + second + _drain(outbox)) == list(range(30))


def test_what_was_sent_but_not_confirmed_is_sent_again_after_a_power_cut() -> None:
    flash, store = NorFlash(8, 1024), Store()
    outbox = _outbox(flash, store)
    _add(outbox, 3)
    _take(outbox)
    outbox.confirm()
    _add(outbox, 3)
    _take(outbox)
    again = _outbox(flash, store)
    assert again.unsent == 0
    assert again.waiting == 3
    assert _drain(again) == [3, 4, 5]


def test_a_failed_confirmation_holds_back_all_but_the_newest_until_somebody_answers() -> None:
    outbox = _outbox(NorFlash(8, 1024), Store())
    _add(outbox, 3)
    _take(outbox)
    outbox.confirm()
    _add(outbox, 3)
    assert _take(outbox) == [3, 4, 5]
    outbox.go_back()
    assert outbox.in_doubt
    _add(outbox, 1)
    frame = outbox.frame(51)
    assert frame is not None
    outbox.left(frame[1])
    outbox.go_back()
    _add(outbox, 1)
    frame = outbox.frame(51)
    assert frame is not None
    outbox.left(frame[1])
    outbox.confirm(frame[1])
    assert not outbox.in_doubt
    assert outbox.delivered == 3  # 3 to 6 were never confirmed
    assert _drain(outbox) == [3, 4, 5, 6]
    outbox.confirm()
    assert outbox.delivered == 8


def test_any_range_of_the_ring_can_be_asked_for_delivered_or_not_and_what_is_gone_is_said() -> None:
    outbox = _outbox(NorFlash(4, 256), Store())
    for _ in range(100):
        _add(outbox, 1)
        _drain(outbox)
        outbox.confirm()
    oldest = outbox._log.first_seq
    assert oldest > 30
    outbox.want(10, oldest + 5)
    outbox.want(90, 93)
    assert _drain(outbox) == [*range(oldest, oldest + 5), 90, 91, 92]
    payload = outbox.gone_frame()
    assert payload is not None
    assert backfill.unpack_ranges(payload) == (backfill.RECORDS_GONE, [(10, oldest)])
    outbox.told_gone()
    assert outbox.gone_frame() is None
    outbox.want(200, 300)  # what does not exist yet is no gap
    assert outbox.waiting == 0


def test_a_hole_in_the_log_is_said_to_be_gone() -> None:
    flash = NorFlash(8, 256)
    outbox = _outbox(flash, Store())
    _add(outbox, 40)
    flash.data[256 * 2 + 20 : 256 * 3] = bytes(236)  # a sector's entries
    _drain(outbox)
    assert outbox.gone.rows
    first, end = outbox.gone.rows[0]
    there = [r.seq for r in outbox._log.read(0, 100)]
    assert sorted([*there, *range(first, end)]) == list(range(40))


def test_records_that_were_never_delivered_are_counted_when_the_ring_drops_them() -> None:
    outbox = _outbox(NorFlash(4, 256), Store())
    _add(outbox, 100)
    assert outbox.dropped == outbox._log.first_seq > 0
    assert outbox.gone.rows[0] == (0, outbox._log.first_seq)
    delivered = _outbox(NorFlash(4, 256), Store())
    for _ in range(100):
        _add(delivered, 1)
        _drain(delivered)
        delivered.confirm()
    assert delivered.dropped == 0
    assert delivered.waiting == 0


@pytest.mark.parametrize("seed", range(30))
def test_cuts_anywhere_in_a_long_life_lose_nothing_and_reuse_no_number(seed: int) -> None:
    random.seed(seed)
    chance = random.Random(seed)
    flash, store = NorFlash(64, 256), Store()
    finished: list[int] = []
    on_air: set[int] = set()
    for life in range(15):
        flash.cut = chance.randrange(900) if life < 14 else None
        store.cut_after = chance.randrange(20) if life < 14 else None
        try:
            outbox = _outbox(flash, store)
            for _ in range(chance.randrange(40)):
                seq = outbox.take_seq()
                assert seq not in on_air
                outbox.add(_record(seq))
                finished.append(seq)
                if chance.random() < 0.5:
                    on_air.update(_take(outbox))
                    if chance.random() < 0.5:
                        outbox.confirm()
        except (PowerCut, Exception) as error:
            if type(error).__name__ != "PowerCut":
                raise
    flash.cut, store.cut_after = None, None
    on_air.update(_drain(_outbox(flash, store)))
    assert len(set(finished)) == len(finished)
    assert set(finished) <= on_air


def test_a_lost_log_or_a_lost_nvs_reuses_no_number() -> None:
    flash, store = NorFlash(64, 256), Store()
    _add(_outbox(flash, store), 300)
    fresh = _outbox(NorFlash(), store)
    assert fresh.take_seq() >= 300
    assert _drain(fresh) == []
    assert fresh.gone.rows == [(0, 512)]
    assert _outbox(flash, Store()).take_seq() == 300


def test_a_flash_that_takes_nothing_costs_only_the_oldest_of_what_memory_holds() -> None:
    flash = NorFlash()
    outbox = _outbox(flash, Store())
    flash.full = True
    _add(outbox, 20)
    assert outbox.write_errors == 20
    assert outbox.dropped == 4
    assert _drain(outbox) == list(range(4, 20))


def test_records_without_a_time_wait_for_it_if_it_may_come() -> None:
    outbox = _outbox(NorFlash(), Store())
    outbox.add(Record(outbox.take_seq(), 60, TIME_NEVER_SET, [(5, 2000, OK)]))
    assert outbox.frame(51, True) is None
    outbox.mark_time(1_767_225_600_500, TIME_NETWORK)
    frame = outbox.frame(51, True)
    assert frame is not None
    assert [(r.time_s, r.time_quality) for r in decode(frame[0])] == [(1767225661, TIME_NETWORK)]


def test_a_record_that_fits_no_frame_does_not_hold_up_the_others() -> None:
    outbox = _outbox(NorFlash(8, 1024), Store())
    readings = [(row[0], row[4], 1) for row in MEASUREMENTS[:25]]  # each with a state of its own
    outbox.add(Record(outbox.take_seq(), 1767225600, TIME_NETWORK, readings))
    assert outbox.frame(36) is None  # today's room beside MAC commands: it may fit later
    assert outbox.dropped == 0
    assert outbox.frame(51) is None
    assert outbox.dropped == 1
    _add(outbox, 1)
    assert _drain(outbox) == [1]
    assert outbox.unsent == 0


def test_ranges_hold_what_was_added_and_not_taken_away() -> None:
    chance = random.Random(1)
    ranges, numbers = Ranges(100), set[int]()
    for _ in range(300):
        first = chance.randrange(200)
        end = first + chance.randrange(15)
        if chance.random() < 0.6:
            ranges.add(first, end)
            numbers |= set(range(first, end))
        else:
            ranges.remove(first, end)
            numbers -= set(range(first, end))
        assert {n for a, b in ranges.rows for n in range(a, b)} == numbers
        assert ranges.count() == len(numbers)
        assert all(b < c for (_, b), (c, _) in zip(ranges.rows, ranges.rows[1:], strict=False))


def test_too_many_ranges_become_one_where_the_hole_is_least_or_are_left_out() -> None:
    joining, strict = Ranges(2), Ranges(2, False)
    for ranges in (joining, strict):
        for first in (0, 100, 110):
            ranges.add(first, first + 3)
    assert joining.rows == [(0, 3), (100, 113)]
    assert strict.rows == [(0, 3), (100, 103)]

"""The record log on the raw flash model: torn writes at every byte, bounded size, wear, reading by range."""

from __future__ import annotations

import random
import struct
import zlib

import pytest

from node import pack
from node.log import RecordLog, entry, header
from tests.dual import run_on_both
from tests.dual_scripts.nor_flash import NorFlash, PowerCut
from wire.measurements import MEASUREMENTS
from wire.record import CHECKSUM, NO_ANSWER, OK, TIME_NETWORK, TIME_NEVER_SET, WARMUP, Record

T0 = 1767225600
AIR = ((1, 52), (2, 81), (3, 93), (4, 97), (5, 1930), (6, 551))


def _record(seq: int, quality: int = TIME_NETWORK, time_s: int | None = None) -> Record:
    readings = [(5, 2000 + seq % 100, OK), (17, 4000, OK)]
    return Record(seq, T0 + 300 * seq if time_s is None else time_s, quality, readings)


def _fill(log: RecordLog, n: int, first: int = 0) -> None:
    for seq in range(first, first + n):
        log.append(_record(seq))


def _seqs(log: RecordLog) -> list[int]:
    return [r.seq for r in log.read(0, 100_000)]


def test_header_and_entry_are_their_bytes() -> None:
    # CRC-32 (ISO-HDLC) by zlib; an entry's is salted with the number of its sector.
    head = b"ML\x01\x00" + struct.pack(">IIHH", 7, 1000, 3, 0)
    assert header(7, 1000, 3) == head + struct.pack(">I", zlib.crc32(head))
    assert entry(3, b"abc", 7) == b"\x03abc" + struct.pack(">I", zlib.crc32(b"\x03abc", 7))


def test_every_record_comes_back_equal_whatever_follows_what() -> None:
    chance = random.Random(3)
    log = RecordLog(NorFlash(16, 512))
    put: list[Record] = []
    seq, time_s = 5, T0
    for _ in range(120):
        seq += chance.choice((1, 1, 1, 1, 2, 300))
        time_s += chance.choice((300, 300, 300, 301, -5, 10_000_000))
        rows = (
            chance.sample(MEASUREMENTS, chance.randint(1, 6)) if chance.random() < 0.3 else MEASUREMENTS[:6]
        )
        readings = []
        for row in sorted(rows):
            state = chance.choice((OK, OK, OK, WARMUP, NO_ANSWER, CHECKSUM))
            readings.append((row[0], 0 if state >= 8 else chance.randint(row[4], row[5]), state))
        put.append(Record(seq, time_s, chance.choice((1, 2, 3)), readings))
        log.append(put[-1])
    kept = log.read(0, 1000)
    assert kept == put[-len(kept) :]
    assert len(kept) > 60
    assert RecordLog(NorFlash()).read(0, 10) == []


def test_a_range_is_read_from_any_record_to_any_other_also_after_a_restart() -> None:
    flash = NorFlash(16, 256)
    log = RecordLog(flash)
    _fill(log, 100)
    for again in (log, RecordLog(flash)):
        assert [r.seq for r in again.read(17, 1000, 55)] == list(range(17, 55))
        assert [r.seq for r in again.read(60, 7)] == list(range(60, 67))
        assert [r.seq for r in again.read(99, 7)] == [99]
        assert again.read(100, 7) == []
        assert again.newest == _record(99)
        assert (again.first_seq, again.next_seq) == (0, 100)


def test_a_power_cut_at_every_byte_loses_no_finished_record_and_writing_goes_on() -> None:
    flash = NorFlash(6, 128)
    _fill(RecordLog(flash), 30)
    total = flash.programmed + 16 * sum(flash.erased)
    for cut in range(total):
        random.seed(cut)
        flash = NorFlash(6, 128)
        flash.cut = cut
        finished = 0
        try:
            log = RecordLog(flash)
            for seq in range(30):
                log.append(_record(seq))
                finished += 1
        except PowerCut:
            pass
        flash.cut = None
        log = RecordLog(flash)
        assert log.next_seq in (finished, finished + 1), cut
        start = log.next_seq
        _fill(log, 3, start)
        expected = list(range(log.first_seq, start + 3))
        assert _seqs(log) == expected, cut
        assert _seqs(RecordLog(flash)) == expected, cut
        assert log.read(0, 100) == [_record(seq) for seq in expected]


def _lives(seeds: range) -> dict[str, int]:
    """Twenty lives a seed on a small ring, the power going in the middle of anything."""
    cuts = lost = 0
    for seed in seeds:
        random.seed(seed)
        chance = random.Random(seed)
        flash = NorFlash(5, 160)
        finished: dict[int, Record] = {}
        for _life in range(20):
            flash.cut = chance.randrange(400)
            try:
                log = RecordLog(flash)
                while True:
                    record = _record(log.next_seq, time_s=T0 + chance.randrange(1000))
                    # The number of a record that was never finished is free; no other is used again.
                    assert record.seq not in finished, (seed, "seq twice")
                    log.append(record)
                    finished[record.seq] = record
            except PowerCut:
                cuts += 1
        flash.cut = None
        log = RecordLog(flash)
        there = {r.seq: r for r in log.read(0, 10_000)}
        kept = {seq: record for seq, record in finished.items() if seq >= log.first_seq}
        lost += sum(there.get(seq) != record for seq, record in kept.items())
        assert len(kept) >= 15, seed  # the ring holds four full sectors of some six records
    return {"cuts": cuts, "lost": lost}


def test_no_acknowledged_record_is_lost_in_a_thousand_power_cuts_on_raw_flash() -> None:
    assert _lives(range(50)) == {"cuts": 1000, "lost": 0}


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_no_acknowledged_record_is_lost_in_twenty_thousand_power_cuts_on_raw_flash() -> None:
    assert _lives(range(1000, 2000)) == {"cuts": 20_000, "lost": 0}


@pytest.mark.mpy
def test_both_pythons_leave_the_same_bytes_in_the_flash() -> None:
    result = run_on_both("log_ring", {"records": 300, "cut_every": 37})
    assert result["first"] > 0
    assert result["seqs"] == list(range(result["first"], 300))


def test_a_full_ring_drops_the_oldest_and_says_from_where_on_it_holds() -> None:
    log = RecordLog(NorFlash(4, 256))
    told: list[int] = []
    log.on_drop = told.append
    _fill(log, 200)
    assert _seqs(log) == list(range(log.first_seq, 200))
    assert told[-1] == log.first_seq > 100
    assert told == sorted(set(told))


def test_ninety_days_of_a_five_minute_air_node_fit_512_kib_and_the_wear_is_even() -> None:
    flash = NorFlash(128, 4096)
    log = RecordLog(flash)
    chance = random.Random(1)
    values = [low for _id, low in AIR]
    days = 120
    for seq in range(288 * days):
        for i, (ident, _start) in enumerate(AIR):
            row = next(r for r in MEASUREMENTS if r[0] == ident)
            values[i] = min(max(values[i] + chance.randint(-9, 9), row[4]), row[5])
        readings = [(ident, values[i], OK) for i, (ident, _) in enumerate(AIR)]
        log.append(Record(seq, T0 + 300 * seq, TIME_NETWORK, readings))
        if seq == 288 * 95:
            assert log.first_seq == 0  # 95 days and nothing had to go
    assert (log.next_seq - log.first_seq) / 288 > 95
    assert max(flash.erased) - min(flash.erased) <= 1
    assert flash.programmed / log.next_seq < 18.5  # bytes programmed a record
    erasures_a_year = sum(flash.erased) / days * 365
    assert 100_000 * 128 / erasures_a_year > 10_000  # years until a sector has had 100,000 erasures


def test_a_sector_that_keeps_nothing_is_left_and_the_log_goes_on() -> None:
    flash = NorFlash(8, 256)
    flash.bad = (3,)
    log = RecordLog(flash)
    _fill(log, 200)
    assert log.refused
    for again in (log, RecordLog(flash)):
        assert _seqs(again) == list(range(again.first_seq, 200))


def test_a_flash_that_takes_nothing_is_an_error_not_a_loss_without_a_word() -> None:
    flash = NorFlash()
    flash.full = True
    log = RecordLog(flash)
    with pytest.raises(OSError):
        log.append(_record(0))
    flash.full = False
    log.append(_record(0))
    assert _seqs(log) == [0]


@pytest.mark.parametrize("seed", range(30))
def test_any_bytes_in_the_flash_open_as_a_log(seed: int) -> None:
    chance = random.Random(seed)
    flash = NorFlash(6, 256)
    log = RecordLog(flash)
    _fill(log, 40)
    for _ in range(chance.choice((1, 5, 300))):
        flash.data[chance.randrange(len(flash.data))] = chance.randrange(256)
    if seed % 5 == 0:
        flash.data[:] = chance.randbytes(len(flash.data))
    log = RecordLog(flash)
    before = _seqs(log)
    start = max(log.next_seq, 100)
    _fill(log, 5, start)
    assert before == sorted(set(before))
    assert set(before) <= set(range(40))
    assert _seqs(log)[-5:] == list(range(start, start + 5))


def test_records_before_the_first_answer_get_their_time_also_in_a_later_life() -> None:
    flash = NorFlash(8, 256)
    first = RecordLog(flash)
    for seq in range(20):  # over a sector's end
        first.append(_record(seq, TIME_NEVER_SET, 60 + 300 * seq))
    first.mark_time(TIME_NETWORK, 1_767_225_600_500)
    first.append(_record(20))
    second = RecordLog(flash)
    second.append(_record(21, TIME_NEVER_SET, 7))
    third = RecordLog(flash)
    third.mark_time(TIME_NETWORK, 1_767_300_000_000)
    for log in (second, third, RecordLog(flash)):
        found = log.read(0, 100)
        assert [r.time_s for r in found[:20]] == [1767225661 + 300 * seq for seq in range(20)]
        assert {r.time_quality for r in found[:20]} == {TIME_NETWORK}
        # The second life was never told the time: it ended before the third began, more nobody knows.
        assert found[21].time_quality == TIME_NEVER_SET
        assert found[21].time_s == (7 if log is second else 1_767_300_000)


def test_a_life_that_was_never_told_the_time_is_put_before_the_next_one_that_was() -> None:
    flash = NorFlash(12, 256)
    RecordLog(flash).append(_record(0))
    silent = RecordLog(flash)
    for n in range(1, 30):  # over several sectors
        silent.append(_record(n, TIME_NEVER_SET, 60 * n))
    assert [r.time_s for r in silent.read(1, 3)] == [60, 120, 180]  # its own time may still come
    known = RecordLog(flash)
    known.append(_record(30, time_s=T0 + 90_000))
    for log in (known, RecordLog(flash)):
        found = log.read(1, 29)
        assert [r.time_s for r in found] == [T0 + 90_000 - 60 * (29 - n) for n in range(1, 30)]
        assert {r.time_quality for r in found} == {TIME_NEVER_SET}


def test_a_record_is_packed_as_short_as_its_predecessor_allows() -> None:
    readings = [(ident, raw, OK) for ident, raw in AIR]
    full, after = pack.pack(Record(9, T0, TIME_NETWORK, readings), None)
    step, after = pack.pack(Record(10, T0 + 300, TIME_NETWORK, readings), after)
    regular, _ = pack.pack(Record(11, T0 + 600, TIME_NETWORK, readings), after)
    assert (len(full) > len(step) > len(regular)) and len(regular) <= 13


def test_a_worn_bit_costs_records_but_never_gives_one_the_place_of_another() -> None:
    """Numbers and times that are read are those that were put, whichever bit loses its charge."""
    for at in range(8 * 20, 8 * 200, 7):
        flash = NorFlash(4, 256)
        log = RecordLog(flash)
        _fill(log, 8)
        flash.data[256 + at // 8] ^= 1 << at % 8
        again = RecordLog(flash)
        for record in again.read(0, 100):
            assert record.time_s == T0 + 300 * record.seq
        first_new = again.next_seq
        again.append(_record(first_new))
        assert again.read(first_new, 10) == [_record(first_new)]


def test_after_a_worn_place_no_number_is_given_a_second_time() -> None:
    flash = NorFlash(4, 512)
    log = RecordLog(flash)
    _fill(log, 8)
    flash.data[512 + 24] ^= 4  # the first record, which alone says its number
    assert _seqs(RecordLog(flash)) == []
    assert RecordLog(flash).next_seq >= 8

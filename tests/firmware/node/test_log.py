"""The record log and the outbox: torn writes at every byte, bounded size, positions, sequence numbers."""

from __future__ import annotations

import random

import pytest

from node.log import RecordLog, seal, unseal
from node.outbox import Outbox
from tests.dual_scripts.node_life import MemoryFiles, PowerCut, Store
from wire.codec import decode
from wire.measurements import MEASUREMENTS
from wire.record import OK, TIME_NETWORK, TIME_NEVER_SET, Record


def _record(seq: int, time_s: int = 1767225600, quality: int = TIME_NETWORK) -> Record:
    return Record(seq, time_s + seq, quality, [(5, 2000 + seq % 100, OK), (17, 4000, OK)])


def _outbox(files: MemoryFiles, store: Store, boot: int = 1, segments: int = 8, size: int = 256) -> Outbox:
    return Outbox(RecordLog(files, size, segments), store, boot)


def _take(outbox: Outbox, limit: int = 51) -> list[Record]:
    """Send one frame that arrives, unconfirmed."""
    frame = outbox.frame(limit)
    if frame is None:
        return []
    outbox.left(frame[1])
    return decode(frame[0])


def _drain(outbox: Outbox) -> list[Record]:
    out: list[Record] = []
    while True:
        records = _take(outbox)
        if not records:
            return out
        out += records


def test_an_entry_is_its_bytes() -> None:
    # CRC-32 (ISO-HDLC) of 01 03 61 62 63 by gzip: printf '\\1\\3abc' | gzip -c | tail -c8, little-endian.
    entry = seal(1, b"abc")
    assert entry.hex() == "c30103616263" + "2392e993"
    assert unseal(entry, 0) == (1, b"abc", 10)
    assert unseal(entry[:-1], 0) is None
    assert unseal(b"\xff" * 20, 0) is None


def test_every_flipped_bit_of_an_entry_is_noticed() -> None:
    entry = seal(1, b"abc")
    for i in range(8 * len(entry)):
        wrong = bytearray(entry)
        wrong[i // 8] ^= 1 << i % 8
        assert unseal(bytes(wrong), 0) is None


def test_a_power_cut_at_every_byte_of_an_append_loses_no_finished_record() -> None:
    whole = MemoryFiles()
    outbox = _outbox(whole, Store())
    for _ in range(12):
        outbox.add(_record(outbox.take_seq()))
    total = sum(len(data) for data in whole.files.values())
    for cut in range(total + 1):
        files, store = MemoryFiles(), Store()
        files.cut_bytes = cut
        outbox = _outbox(files, store)
        finished = 0
        try:
            for _ in range(12):
                outbox.add(_record(outbox.take_seq()))
                finished += 1
        except PowerCut:
            pass
        files.cut_bytes = None
        again = _outbox(files, store, boot=2)
        again.add(_record(again.take_seq()))
        seqs = [r.seq for r in _drain(again)]
        assert seqs[:finished] == list(range(finished)), cut
        assert len(seqs) == finished + 1
        # A torn record never left, so its number is free; an empty log goes on above the reserved block.
        assert seqs[-1] == (finished or 256), cut


@pytest.mark.parametrize("seed", range(20))
def test_cuts_anywhere_in_a_long_life_lose_nothing_and_reuse_no_number(seed: int) -> None:
    chance = random.Random(seed)
    files, store = MemoryFiles(), Store()
    finished: list[int] = []
    on_air: dict[int, Record] = {}
    for boot in range(1, 15):
        outbox = _outbox(files, store, boot, segments=64)
        files.cut_bytes = chance.randrange(2000) if boot < 14 else None
        store.cut_after = chance.randrange(20) if boot < 14 else None
        try:
            for _ in range(chance.randrange(40)):
                record = _record(outbox.take_seq(), quality=TIME_NETWORK)
                outbox.add(record)
                finished.append(record.seq)
                if chance.random() < 0.3:
                    for sent in _take(outbox):
                        assert on_air.setdefault(sent.seq, sent) == sent
                    if chance.random() < 0.5:
                        outbox.confirm()
        except PowerCut:
            pass
    files.cut_bytes, store.cut_after = None, None
    last = _outbox(files, store, 99, segments=64)
    for sent in _drain(last):
        assert on_air.setdefault(sent.seq, sent) == sent
    assert len(set(finished)) == len(finished)
    assert set(finished) <= set(on_air)


def test_a_full_log_drops_the_oldest_and_counts_them() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store, segments=4)
    for _ in range(100):
        outbox.add(_record(outbox.take_seq()))
    assert len(files.files) == 4
    assert sum(len(d) for d in files.files.values()) <= 4 * 256
    seqs = [r.seq for r in _drain(outbox)]
    assert seqs == list(range(seqs[0], 100))
    assert outbox.dropped == seqs[0]
    assert outbox.unsent == 0


def test_what_was_delivered_is_dropped_without_being_counted_as_lost() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store, segments=4)
    for _ in range(100):
        outbox.add(_record(outbox.take_seq()))
        _drain(outbox)
        outbox.confirm()
    assert outbox.dropped == 0
    assert outbox.backlog == 0


def test_what_was_sent_but_not_confirmed_is_sent_again_after_a_power_cut() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store)
    for _ in range(6):
        outbox.add(_record(outbox.take_seq()))
    first = _take(outbox)
    outbox.confirm()
    _take(outbox)
    again = _outbox(files, store, boot=2)
    assert again.unsent == 6 - len(first)
    assert [r.seq for r in _drain(again)] == list(range(len(first), 6))


def test_a_failed_confirmation_goes_back_to_what_is_known_to_have_arrived() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store)
    for _ in range(6):
        outbox.add(_record(outbox.take_seq()))
    _drain(outbox)
    outbox.go_back()
    assert outbox.unsent == 6
    assert [r.seq for r in _drain(outbox)] == list(range(6))


def test_a_lost_file_system_reuses_no_number() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store)
    for _ in range(300):
        outbox.add(_record(outbox.take_seq()))
    assert _outbox(MemoryFiles(), store, boot=2).take_seq() >= 300


def test_lost_nvs_reuses_no_number() -> None:
    files = MemoryFiles()
    outbox = _outbox(files, Store())
    for _ in range(30):
        outbox.add(_record(outbox.take_seq()))
    assert _outbox(files, Store(), boot=2).take_seq() == 30


def test_a_flash_that_takes_nothing_costs_only_the_oldest_of_what_memory_holds() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store)
    files.full = True
    for _ in range(20):
        outbox.add(_record(outbox.take_seq()))
    assert outbox.write_errors == 20
    assert outbox.dropped == 4
    assert [r.seq for r in _drain(outbox)] == list(range(4, 20))


def test_records_before_the_first_time_answer_get_their_time_also_in_a_later_life() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store, boot=7)
    outbox.add(Record(outbox.take_seq(), 60, TIME_NEVER_SET, [(5, 2000, OK)]))
    assert outbox.frame(51, True) is None
    outbox.mark_time(1_767_225_600_500, TIME_NETWORK)
    later = _outbox(files, store, boot=8)
    later.add(Record(later.take_seq(), 90, TIME_NEVER_SET, [(5, 2000, OK)]))
    first, second = _drain(later)
    assert (first.time_s, first.time_quality) == (1767225661, TIME_NETWORK)
    assert (second.time_s, second.time_quality) == (90, TIME_NEVER_SET)


def test_a_record_that_fits_no_frame_does_not_hold_up_the_others() -> None:
    outbox = _outbox(MemoryFiles(), Store(), size=1024)
    readings = [(row[0], row[4], 1) for row in MEASUREMENTS]  # each with a state of its own
    outbox.add(Record(outbox.take_seq(), 1767225600, TIME_NETWORK, readings))
    outbox.add(_record(outbox.take_seq()))
    assert outbox.frame(36) is None  # today's room beside MAC commands: it may fit later
    assert outbox.dropped == 0
    assert outbox.frame(51) is None
    assert outbox.dropped == 1
    assert [r.seq for r in _drain(outbox)] == [1]
    assert outbox.unsent == 0


def test_a_position_of_garbage_starts_from_the_oldest_record() -> None:
    files, store = MemoryFiles(), Store()
    outbox = _outbox(files, store)
    for _ in range(3):
        outbox.add(_record(outbox.take_seq()))
    for garbage in (b"", b"x", b"\xff" * 12, b"\x00" * 12):
        store.values["outbox"] = garbage
        assert [r.seq for r in _drain(_outbox(files, store, boot=2))] == [0, 1, 2]

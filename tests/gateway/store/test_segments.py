from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreVersionError
from gateway.store.segments import MARKER, SegmentLog

from ..house import a_directory_for_all, full_disk, read_only_directory

SEGMENT = 4096
RECORD_HEAD = 24


def bodies(count: int, seed: int = 1) -> list[bytes]:
    dice = random.Random(seed)
    return [f"{number}:".encode() + dice.randbytes(dice.randrange(80)) for number in range(count)]


def filled(path: Path, content: list[bytes]) -> SegmentLog:
    log = SegmentLog(path, SEGMENT)
    for body in content:
        log.append([body])
    return log


def read_all(log: SegmentLog) -> list[bytes]:
    return [body for _, body in log.read(0, 10_000)]


def test_records_come_back_in_order_with_rising_sequences_over_many_segments(tmp_path: Path) -> None:
    content = bodies(300)
    log = SegmentLog(tmp_path, SEGMENT)
    sequences = [
        sequence for start in range(0, 300, 7) for sequence in log.append(content[start : start + 7])
    ]
    assert sequences == list(range(1, 301))
    assert len(list(tmp_path.glob("*.seg"))) > 3
    assert log.read(0, 10_000) == list(zip(sequences, content, strict=True))
    log.close()
    again = SegmentLog(tmp_path, SEGMENT)
    assert again.read(0, 10_000) == list(zip(sequences, content, strict=True))
    assert again.append([b"next"]) == [301]
    again.close()


@pytest.mark.parametrize("after", [0, 1, 99, 255, 256, 257, 298, 299, 300])
def test_reading_starts_anywhere(tmp_path: Path, after: int) -> None:
    log = filled(tmp_path, bodies(300))
    assert [sequence for sequence, _ in log.read(after, 5)] == list(range(after + 1, min(after + 6, 301)))
    log.close()


def test_a_body_above_the_segment_size_gets_a_segment_of_its_own(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, SEGMENT)
    log.append([b"a", bytes(3 * SEGMENT), b"b"])
    assert [len(body) for body in read_all(log)] == [1, 3 * SEGMENT, 1]
    log.close()


def test_segments_are_preallocated_with_zeros(tmp_path: Path) -> None:
    log = filled(tmp_path, [b"x"])
    log.close()
    (path,) = tmp_path.glob("*.seg")
    assert path.stat().st_size == SEGMENT
    assert path.read_bytes()[32 + RECORD_HEAD + 1 :].strip(b"\0") == b""
    assert path.stat().st_mode & 0o077 == 0


def test_a_tail_cut_or_garbled_at_any_byte_costs_nothing_that_was_before_it(tmp_path: Path) -> None:
    """A power cut tears the last write at a byte of its choice; what was acknowledged before stays."""
    content = bodies(12, seed=4)
    log = filled(tmp_path / "whole", content)
    log.close()
    (path,) = (tmp_path / "whole").glob("*.seg")
    whole = path.read_bytes()
    starts = [32]
    for body in content:
        starts.append(starts[-1] + RECORD_HEAD + len(body))
    dice = random.Random(5)
    for cut in range(starts[9], starts[12]):
        intact = max(index for index, start in enumerate(starts) if start <= cut)
        for kind, tail in (
            ("zeros", bytes(SEGMENT - cut)),
            ("truncated", b""),
            ("garbage", dice.randbytes(SEGMENT - cut)),
            ("markers", (MARKER * SEGMENT)[: SEGMENT - cut]),
        ):
            torn = tmp_path / f"{kind}-{cut}"
            torn.mkdir()
            (torn / path.name).write_bytes(whole[:cut] + tail)
            found = SegmentLog(torn, SEGMENT)
            assert read_all(found) == content[:intact], (kind, cut)
            assert found.append([b"after the crash"]) == [intact + 1], (kind, cut)
            found.close()
            again = SegmentLog(torn, SEGMENT)
            assert read_all(again) == [*content[:intact], b"after the crash"], (kind, cut)
            again.close()


def test_a_payload_that_looks_like_a_record_never_becomes_one(tmp_path: Path) -> None:
    """Whoever sends a frame knows the layout, and may be lucky with a power cut: the salt is not guessed."""
    for cut in range(0, 90, 3):
        path = tmp_path / str(cut)
        forged = struct.pack("<IQ", 4, 9) + b"EVIL"
        forged = MARKER + bytes(4) + struct.pack("<IIQ", 4, zlib.crc32(forged), 9) + b"EVIL"
        log = filled(path, [b"good", bytes(20) + forged + bytes(30)])
        log.close()
        (segment,) = path.glob("*.seg")
        whole = segment.read_bytes()
        start = 32 + RECORD_HEAD + 4
        for torn in (
            whole[: start + cut] + bytes(SEGMENT),
            whole[:start] + bytes(cut) + whole[start + cut :],
        ):
            segment.write_bytes(torn[:SEGMENT])
            log = SegmentLog(path, SEGMENT)
            log.append([b"x"])
            log.close()
            log = SegmentLog(path, SEGMENT)
            assert b"EVIL" not in read_all(log)
            assert read_all(log)[0] == b"good"
            log.close()


def test_a_damaged_segment_header_costs_no_record(tmp_path: Path) -> None:
    content = bodies(10)
    filled(tmp_path, content).close()
    (path,) = tmp_path.glob("*.seg")
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    log = SegmentLog(tmp_path, SEGMENT)
    assert read_all(log) == content
    assert log.append([b"next"]) == [11]
    assert read_all(log) == [*content, b"next"]
    log.close()


def test_rot_in_the_middle_costs_the_records_that_it_hit_and_no_others(tmp_path: Path) -> None:
    content = bodies(200, seed=6)
    filled(tmp_path, content).close()
    dice = random.Random(7)
    paths = sorted(tmp_path.glob("*.seg"))
    victim = paths[1]
    data = bytearray(victim.read_bytes())
    at = dice.randrange(500, 2000)
    data[at : at + 16] = dice.randbytes(16)
    victim.write_bytes(data)
    log = SegmentLog(tmp_path, SEGMENT)
    found = read_all(log)
    lost = [body for body in content if body not in found]
    assert 1 <= len(lost) <= 3
    assert [body for body in content if body in found] == found
    assert log.append([b"next"]) == [201]
    log.close()


def test_a_log_whose_last_segment_rotted_keeps_records_behind_the_damage(tmp_path: Path) -> None:
    content = bodies(10, seed=8)
    filled(tmp_path, content).close()
    (path,) = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[32 + RECORD_HEAD] ^= 0xFF  # first byte of the first body
    path.write_bytes(data)
    log = SegmentLog(tmp_path, SEGMENT)
    assert read_all(log) == content[1:]
    assert log.damaged >= 1
    assert log.append([b"next"]) == [11]
    log.close()


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_anywhere_never_breaks_opening_reading_or_appending(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    content = bodies(150, seed)
    filled(tmp_path, content).close()
    for path in tmp_path.glob("*.seg"):
        data = bytearray(path.read_bytes())
        for _ in range(dice.randrange(4)):
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(1, 40)] = dice.randbytes(dice.randrange(1, 40))
        path.write_bytes(data[: dice.randrange(len(data))] if dice.random() < 0.3 else data)
    log = SegmentLog(tmp_path, SEGMENT)
    found = log.read(0, 10_000)
    assert all(content[sequence - 1] == body for sequence, body in found)
    (sequence,) = log.append([b"new"])
    assert log.read(sequence - 1, 1) == [(sequence, b"new")]
    log.close()


def test_a_full_disk_is_a_store_error_and_later_writes_succeed(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, SEGMENT)
    log.append([b"before"])
    with full_disk(SEGMENT // 2):
        with pytest.raises(StoreError, match="nothing was acknowledged"):
            log.append([bytes(3 * SEGMENT // 4), b"second"])
            log.append([bytes(3 * SEGMENT // 4)])
        with pytest.raises(StoreError, match="nothing was acknowledged"):
            log.append([b"still full"])
    (sequence,) = log.append([b"after"])
    found = dict(log.read(0, 100))
    assert found[1] == b"before"
    assert found[sequence] == b"after"
    assert b"still full" not in found.values()
    log.close()
    assert not list(tmp_path.glob("*.new"))


def test_a_read_only_directory_can_be_read_and_refuses_to_write() -> None:
    with a_directory_for_all() as path:
        SegmentLog(path, SEGMENT).close()
        filled(path, [b"kept"]).close()
        for segment in path.glob("*.seg"):
            segment.chmod(0o444)
        with read_only_directory(path):
            log = SegmentLog(path, SEGMENT)
            with pytest.raises(StoreError):
                log.append([b"new"])
        log.close()


def test_a_directory_that_cannot_be_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="check owner, mode and free space"):
        SegmentLog(tmp_path / "file" / "segments")


def test_a_log_of_a_newer_meetnet_is_refused_with_the_remedy(tmp_path: Path) -> None:
    filled(tmp_path, [b"x"]).close()
    (path,) = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(StoreVersionError, match="install the newer Meetnet"):
        SegmentLog(tmp_path)


def test_whole_segments_are_dropped_from_the_oldest_on(tmp_path: Path) -> None:
    log = filled(tmp_path, bodies(300))
    ends = log.segment_ends()
    assert log.drop_before(ends[1] + 1) == 2
    assert log.read(0, 1)[0][0] == ends[1] + 1
    assert log.drop_before(301, keep_bytes=2 * SEGMENT) > 0
    assert log.size_bytes() <= 2 * SEGMENT
    assert log.read(299, 1)[0][0] == 300
    log.close()


def test_sequences_go_on_behind_a_reader_that_is_ahead_of_an_older_copy(tmp_path: Path) -> None:
    log = filled(tmp_path, bodies(3))
    log.skip_to(50)
    assert log.append([b"x"]) == [51]
    assert [sequence for sequence, _ in log.read(0, 10)] == [1, 2, 3, 51]
    log.close()

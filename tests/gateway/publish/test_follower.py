"""The follower alone, with publishers made for each trouble."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader
from gateway.publish import Backoff, FileSideList, Follower, Outcome, Packed, Parcel, Rejection
from tests.gateway.memory_reader import MemoryReader
from tests.gateway.publish.conftest import MemoryPositions, until

FAST = Backoff(first_s=0.001, most_s=0.004)


class Recorder:
    """Takes each row as a parcel of its own; fails where told."""

    name = "recorder"

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.broken_pack: set[int] = set()
        self.broken_send: set[int] = set()
        self.closed = 0

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        if self.broken_pack & {row.position for row in rows}:
            raise ValueError("cannot read that")
        return Packed([Parcel((row,), row.position) for row in rows])

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        if parcel.content in self.broken_send:
            raise RuntimeError("a fault of the publisher")
        self.sent.append(parcel.content)
        return Outcome()

    async def close(self) -> None:
        self.closed += 1


def stocked(count: int) -> MemoryReader:
    reader = MemoryReader()
    reader.add_site("a", "air")
    for i in range(count):
        reader.add("a", "pm10", "ug/m3", float(i))
    return reader


def following(
    publisher: Recorder, reader: MemoryReader, positions: MemoryPositions, folder: Path, **options: object
) -> Follower:
    return Follower(
        publisher,
        reader,
        positions,
        FileSideList(folder),
        Counters(),
        **{"backoff": FAST, "dice": random.Random(1), **options},  # type: ignore[arg-type]
    )


async def test_starts_after_the_saved_position_and_goes_chunk_by_chunk(
    positions: MemoryPositions, tmp_path: Path
) -> None:
    positions.saved["recorder"] = 4
    publisher = Recorder()
    follower = following(publisher, stocked(11), positions, tmp_path, chunk_rows=3, save_s=0.0)
    while await follower.step():
        pass
    assert publisher.sent == [5, 6, 7, 8, 9, 10, 11]
    assert positions.log == [5, 6, 7, 8, 9, 10, 11]


async def test_the_position_never_passes_a_row_that_is_still_on_its_way(
    positions: MemoryPositions, tmp_path: Path
) -> None:
    class Backwards(Recorder):
        def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
            return Packed([Parcel((row,), row.position) for row in reversed(rows)])

    await following(Backwards(), stocked(4), positions, tmp_path).step()
    assert positions.log == [4]  # only when 1, sent last, was confirmed


async def test_rows_that_cannot_be_packed_or_sent_are_put_aside_and_the_others_go_on(
    positions: MemoryPositions, tmp_path: Path
) -> None:
    publisher = Recorder()
    publisher.broken_pack, publisher.broken_send = {2}, {4}
    follower = following(publisher, stocked(5), positions, tmp_path)
    await follower.step()
    assert publisher.sent == [1, 3, 5]
    kept = {item.row.position: item.reason for item in FileSideList(tmp_path).read("recorder")}
    assert kept == {
        2: "cannot be packed: ValueError: cannot read that",
        4: "RuntimeError: a fault of the publisher",
    }
    assert positions.saved["recorder"] == 5
    assert follower.state()["rejected"] == 2


async def test_a_store_that_fails_for_a_while_ends_nothing(
    positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = stocked(3)
    publisher = Recorder()
    follower = following(publisher, reader, positions, tmp_path, idle_s=0.001)
    whole, faults = reader.after, [OSError("disk"), OSError("disk")]

    def after(position: int, limit: int) -> Sequence[PublicObservation]:
        if faults:
            raise faults.pop()
        return whole(position, limit)

    reader.after = after  # type: ignore[method-assign]
    task = asyncio.create_task(follower.run())
    await until(lambda: len(publisher.sent) == 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert publisher.closed == 1
    assert follower._counters.get("publish.recorder.failed") == 2


async def test_news_is_sent_at_once(positions: MemoryPositions, tmp_path: Path) -> None:
    reader, publisher = stocked(0), Recorder()
    follower = following(publisher, reader, positions, tmp_path, idle_s=3600)
    task = asyncio.create_task(follower.run())
    await asyncio.sleep(0.02)
    reader.add("a", "pm10", "ug/m3", 1.0)
    follower.notify()
    async with asyncio.timeout(30):
        await until(lambda: bool(publisher.sent))
    task.cancel()


def test_waits_double_are_spread_and_have_a_ceiling() -> None:
    backoff, dice = Backoff(first_s=1, most_s=60), random.Random(7)
    for failures, longest in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (500, 60)):
        waits = [backoff.delay_s(failures, None, dice) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert len(set(waits)) > 40
    assert backoff.delay_s(1, 120, dice) == 120
    assert backoff.delay_s(1, 10**9, dice) == 3600


def test_the_side_list_survives_a_line_cut_by_a_kill(tmp_path: Path) -> None:
    reader = stocked(3)
    side = FileSideList(tmp_path)
    side.add("p", [Rejection(reader.rows[0], "één")])
    path = tmp_path / "p.rejected.jsonl"
    side.add("p", [Rejection(reader.rows[1], "twee")])
    path.write_bytes(path.read_bytes()[:-9])
    side.add("p", [Rejection(reader.rows[2], "drie")])
    assert [(item.reason, item.row) for item in side.read("p")] == [
        ("één", reader.rows[0]),
        ("drie", reader.rows[2]),
    ]


@pytest.mark.parametrize("name", ["nobody"])
def test_an_empty_side_list_reads_as_empty(tmp_path: Path, name: str) -> None:
    assert list(FileSideList(tmp_path).read(name)) == []

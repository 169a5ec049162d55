"""Gaps of a device, and who is asked for what when."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.backfill import Backfill, GapBook, Heard
from gateway.backfill.gaps import LOOK_BACK, MAX_GAPS, Gaps
from gateway.backfill.service import ASKS_A_MINUTE, GRACE_S, PATIENCE_S
from gateway.counters import Counters
from gateway.errors import DownlinkError, StoreError
from simulator.loop import run
from wire import backfill, ports

EUI = "70b3d57ed005b420"


def test_gaps_are_what_did_not_arrive_whatever_the_order() -> None:
    chance = random.Random(2)
    for _ in range(50):
        seqs = [n for n in range(200) if chance.random() < 0.8]
        order = seqs + chance.sample(seqs, 20)
        chance.shuffle(order)
        gaps = Gaps()
        gaps.arrived(order)
        missing = {n for first, end in gaps.missing for n in range(first, end)}
        assert missing == set(range(seqs[-1])) - set(seqs)
        assert gaps.top == seqs[-1] + 1
        assert gaps.count == len(missing)


def test_too_many_gaps_ask_for_more_than_is_missing_never_for_less() -> None:
    gaps = Gaps()
    gaps.arrived(range(0, 1000, 2))
    assert len(gaps.missing) == MAX_GAPS
    missing = {n for first, end in gaps.missing for n in range(first, end)}
    assert set(range(1, 998, 2)) <= missing


def test_a_leap_of_the_counter_asks_for_no_more_than_a_ring_can_hold() -> None:
    gaps = Gaps()
    gaps.arrived([10, 50_000])
    assert gaps.missing == [(50_000 - LOOK_BACK, 50_000)]
    gaps.arrived([4_000_000_000])  # so large a leap is another count, with little before it
    assert gaps.missing == [(50_000 - LOOK_BACK + 64, 50_000), (50_001, 50_065)]


class Queue:
    """A downlink queue that remembers what it was given."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, str, list[tuple[int, int]]]] = []
        self.refuses = False

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        if self.refuses:
            raise DownlinkError("no network")
        assert f_port == ports.COMMANDS
        command, ranges = backfill.unpack_ranges(payload)
        assert command == backfill.SEND_RECORDS
        self.taken.append((asyncio.get_running_loop().time(), dev_eui, ranges))
        return "q:1"


class Desk:
    """A Backfill over a queue; `stored` is what the store has."""

    def __init__(self, path: Path, stored: dict[str, list[int]] | None = None) -> None:
        self.queue = Queue()
        self.counters = Counters()
        self.stored = stored or {}
        self.service = Backfill(
            GapBook(path / "gaps.db"),
            lambda eui, first, end: [n for n in self.stored.get(eui, []) if first <= n < end],
            self.queue,
            lambda eui: eui != "wifi",
            self.counters,
        )

    async def hear(self, *seqs: int, eui: str = EUI, after_s: float = 300) -> None:
        """Let time pass, then hear a device."""
        await asyncio.sleep(after_s)
        self.service.heard([Heard(eui, seqs)])
        await asyncio.sleep(0.1)

    @property
    def asked(self) -> list[list[tuple[int, int]]]:
        return [ranges for _, _, ranges in self.queue.taken]


def test_a_gap_is_asked_for_when_the_device_is_heard_again_and_not_before(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0, 1, 2)
        await desk.hear(7)
        await asyncio.sleep(10 * GRACE_S)
        assert desk.asked == []
        await desk.hear(8)
        assert desk.asked == [[(3, 7)]]
        await desk.service.close()

    run(live(), start_us=0)


def test_it_is_asked_again_with_growing_patience_until_the_gap_is_closed(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0)
        for seq in range(5, 5 + 12 * 24):
            await desk.hear(seq)
        times = [at for at, _, _ in desk.queue.taken]
        pauses = [b - a for a, b in pairwise(times)]
        assert pauses[0] == pytest.approx(PATIENCE_S, abs=301)
        assert all(b >= a for a, b in pairwise(pauses))
        assert 5 <= len(times) <= 8  # a device that never answers is not pestered
        await desk.hear(1, 2, 3, 4)
        n = len(desk.asked)
        for seq in range(400, 500):
            await desk.hear(*range(seq - 110, seq))
        assert len(desk.asked) == n
        assert desk.service.state() == {}
        await desk.service.close()

    run(live(), start_us=0)


def test_while_records_come_nothing_is_asked_and_when_they_are_all_there_the_next_ranges_are(
    tmp_path: Path,
) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0)
        await desk.hear(*range(2, 42, 2))  # 20 gaps, 8 go in a request
        await desk.hear(42)
        assert desk.asked == [[(n, n + 1) for n in range(1, 17, 2)]]
        for seq in range(1, 15, 2):
            await desk.hear(seq, after_s=1000)
        assert len(desk.asked) == 1
        await desk.hear(15, after_s=1000)
        assert desk.asked[1:] == [[(n, n + 1) for n in range(17, 33, 2)]]
        await desk.service.close()

    run(live(), start_us=0)


def test_what_the_node_says_is_gone_closes_the_gap_for_good(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0)
        await desk.hear(50)
        desk.service.heard([Heard(EUI, (), ((1, 40),))])
        assert desk.service.missing(EUI) == [(40, 50)]
        assert desk.counters.get("backfill.gone") == 39
        await desk.service.close()

    run(live(), start_us=0)


def test_a_count_that_begins_anew_with_the_clock_is_no_loss(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0, 1)
        await desk.hear(5_966_667)  # 2026, in intervals of five minutes since 1970
        await desk.hear(5_966_669)
        assert desk.service.missing(EUI) == [(2, 66), (5_966_668, 5_966_669)]
        desk.service.heard([Heard(EUI, skipped=((2, 66),))])
        assert desk.service.missing(EUI) == [(5_966_668, 5_966_669)]
        await desk.service.close()

    run(live(), start_us=0)


def test_numbers_that_were_never_given_are_no_loss(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0)
        await desk.hear(50)
        desk.service.heard([Heard(EUI, skipped=((1, 50),))])
        assert desk.service.missing(EUI) == []
        assert desk.counters.get("backfill.gone") == 0
        await desk.service.close()

    run(live(), start_us=0)


def test_what_parity_may_bring_yet_is_not_asked_for(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0)
        desk.service.heard([Heard(EUI, (12, 20), waiting=((1, 12),))])
        await desk.hear(21)
        await asyncio.sleep(GRACE_S)
        await desk.hear(22)
        assert desk.asked == [[(13, 20)]]
        desk.service.heard([Heard(EUI, (*range(13, 20), 23), waiting=())])  # given up by now
        await asyncio.sleep(1)
        assert desk.asked[1:] == [[(1, 12)]]
        await desk.service.close()

    run(live(), start_us=0)


def test_after_a_kill_the_store_says_what_had_come_since_the_book_was_written(tmp_path: Path) -> None:
    """Highest numbers are written once an hour: what came in between must not be asked for."""

    async def live() -> None:
        first, others = Desk(tmp_path), [f"{n:016x}" for n in range(120)]
        first.service.heard([Heard(eui, (0, 1)) for eui in (EUI, *others)])
        await first.service.close()
        killed = Desk(tmp_path)
        for seq in range(2, 9):
            await killed.hear(seq, after_s=1)
        await asyncio.sleep(2)
        found = {EUI: [*range(9)], **{eui: [0, 1, 2, 5] for eui in others}}
        again = Desk(tmp_path, found)  # the first one was never closed
        await again.hear(9)
        assert again.service.missing(EUI) == []
        await asyncio.sleep(GRACE_S)
        assert [again.service.missing(eui) for eui in others] == [[(3, 5)]] * 120
        await again.hear(13)
        await again.service.close()
        asked = Desk(tmp_path)  # the store is not asked any more
        assert asked.service.missing(EUI) == [(10, 13)]
        await asked.hear(14)
        assert asked.service.missing(EUI) == [(10, 13)]
        await asked.hear(10, 11, 12, 15)
        assert asked.service.missing(EUI) == []
        await asked.service.close()
        await killed.service.close()

    run(live(), start_us=0)


def test_gaps_survive_a_restart_and_a_lost_file_is_made_again_from_the_store(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        await desk.hear(0, 1, 5, 9)
        await desk.service.close()
        again = Desk(tmp_path)
        assert again.service.missing(EUI) == [(2, 5), (6, 9)]
        await again.service.close()
        for path in tmp_path.glob("gaps.db*"):  # noqa: ASYNC240 - a test may wait for its disk
            path.unlink()
        lost = Desk(tmp_path, {EUI: [0, 1, 5, 9, 10]})
        await lost.hear(10)
        assert lost.service.missing(EUI) == [(2, 5), (6, 9)]
        await lost.service.close()

    run(live(), start_us=0)


def test_a_device_on_wifi_is_not_asked_and_a_queue_that_refuses_is_counted(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        for eui in ("wifi", EUI):
            desk.queue.refuses = eui == EUI
            await desk.hear(0, eui=eui)
            await desk.hear(9, eui=eui)
            await desk.hear(10, eui=eui)
        assert desk.asked == []
        assert desk.counters.get("backfill.not_asked") == 1
        await desk.service.close()

    run(live(), start_us=0)


def test_a_thousand_devices_that_come_back_at_once_are_asked_a_few_at_a_time(tmp_path: Path) -> None:
    async def live() -> None:
        desk = Desk(tmp_path)
        euis = [f"{n:016x}" for n in range(1000)]
        for seq in (0, 100, 101):
            await asyncio.sleep(300)
            desk.service.heard([Heard(eui, (seq,)) for eui in euis])
        await asyncio.sleep(1)
        assert len(desk.asked) == ASKS_A_MINUTE
        await desk.service.close()

    run(live(), start_us=0)


def test_a_file_that_is_no_database_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "gaps.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="move it away"):
        Desk(tmp_path)

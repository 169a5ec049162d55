"""Asks nodes for the records that did not arrive.

    pipeline --heard--> gaps --> SEND_RECORDS in the device's downlink queue
                                 records come (any time, in any order), or RECORDS_GONE: the gap closes

A device is asked only just after it was heard, at most once in a while, and again until its gaps are
closed. The node answers in spare air time, live readings first, so patience is counted from the last thing
that came. Devices on Wi-Fi are not asked: what the broker did not take they send again by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from gateway.counters import Counters
from gateway.errors import DownlinkError, RegistryError, StoreError
from gateway.model import DownlinkQueue, Uplink
from wire import backfill, ports

from .book import GapBook, row_of
from .gaps import LOOK_BACK, Gaps, Range, gaps_of

GRACE_S = 120.0  # a gap that has just shown: the node may fill it by itself
PATIENCE_S = 1800.0  # without anything of what was asked; doubled each time
LONGEST_PATIENCE_S = 6 * 3600.0
ASKS_A_MINUTE = 30
SAVE_S = 0.5  # after a gap has come or gone
SAVE_TOPS_S = 3600.0  # of devices of which the highest number rose, and no more than that
_AT_ONCE, _FEW, _PAUSES = 1000, 50, 20.0  # devices written, or asked of the store, at a time
FIRST_LOOK_BACK = 600  # two days of 5 minutes: what a device may have said before it was heard at first


class Heard(msgspec.Struct, frozen=True, gc=False):
    """What one uplink said about a device's records."""

    dev_eui: str
    seqs: tuple[int, ...] = ()
    gone: tuple[Range, ...] = ()
    uplink: Uplink | None = None  # as it came, for those who ask how it was received
    skipped: tuple[Range, ...] = ()  # numbers that it never gave
    waiting: tuple[Range, ...] | None = None  # what parity may bring back yet; None: says nothing of that


@dataclass(slots=True)
class _Asking:
    since_s: float = -1e9  # when the gaps were first seen
    again_s: float = -1e9  # not before
    patience_s: float = PATIENCE_S
    asked: list[Range] = field(default_factory=list[Range])


class Backfill:
    """The gaps of all devices, and who was asked for what.

    known_seqs(dev_eui, first, end) returns the sorted sequence numbers that the store has. queue takes
    the requests; asks(dev_eui) tells whether a device can be asked at all.
    """

    def __init__(
        self,
        book: GapBook,
        known_seqs: Callable[[str, int, int], Sequence[int]],
        queue: DownlinkQueue,
        asks: Callable[[str], bool],
        counters: Counters,
    ) -> None:
        self._book = book
        self._known_seqs = known_seqs
        self._queue = queue
        self._asks = asks
        self._counters = counters
        self._gaps = book.load()
        # After a kill: until they are heard, and the store was asked what it has that the book does not.
        self._doubtful = set[str]() if book.open() else set(self._gaps)
        self._tops_at_s = 0.0
        self._checker: asyncio.Task[None] | None = None
        self._asking: dict[str, _Asking] = {}
        self._waiting: dict[str, tuple[Range, ...]] = {}
        self._recent: deque[float] = deque()
        self._dirty: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._saver: asyncio.Task[bool] | asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-gaps")

    def missing(self, dev_eui: str) -> list[Range]:
        """Return the ranges of sequence numbers that are missing of a device."""
        gaps = self._gaps.get(dev_eui)
        return list(gaps.missing) if gaps else []

    def state(self) -> dict[str, int]:
        """Return how many records are missing, by device; those that miss none are left out."""
        return {dev_eui: gaps.count for dev_eui, gaps in self._gaps.items() if gaps.missing}

    def heard(self, news: Sequence[Heard]) -> None:
        """Take what the pipeline has stored. Called on the loop; returns at once."""
        open_ones: set[str] = set()
        for one in news:
            gaps = self._gaps.get(one.dev_eui)
            # nearly always: the next record of a device that misses nothing
            if (
                gaps is not None
                and one.seqs == (gaps.top,)
                and not (gaps.missing or one.gone or one.skipped)
                and one.waiting is None
            ):
                gaps.top += 1
                gaps.is_risen = True
                continue
            self._take(one)
            open_ones.add(one.dev_eui)
        for dev_eui in open_ones:
            if self._hopeless(dev_eui) and self._may_ask(dev_eui):
                task = asyncio.get_running_loop().create_task(self._ask(dev_eui))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._save()
        if self._doubtful and self._checker is None:
            self._checker = asyncio.get_running_loop().create_task(self._check_all())

    async def close(self) -> None:
        """Finish what is under way and write what is known."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._save()
        self._closing.set()
        if self._saver is not None:
            await self._saver
        if self._checker is not None:
            await self._checker
        is_written = await self._save_tops()
        self._executor.shutdown(wait=True)
        self._book.close(is_complete=is_written and not self._doubtful)

    # -- what is missing

    def _take(self, one: Heard) -> None:
        gaps = self._gaps.get(one.dev_eui)
        if gaps is None:
            if not one.seqs:
                return
            first = max(0, min(one.seqs) - FIRST_LOOK_BACK)
            gaps = gaps_of(self._known_seqs(one.dev_eui, first, first + LOOK_BACK), first)
            self._gaps[one.dev_eui] = gaps
            gaps.is_risen = True
        elif one.dev_eui in self._doubtful:
            self._settle(one.dev_eui, self._known_seqs(one.dev_eui, gaps.top, gaps.top + LOOK_BACK))
        before, top = gaps.missing, gaps.top
        filled = gaps.arrived(one.seqs)
        if one.waiting is not None:
            self._waiting[one.dev_eui] = one.waiting
        for first, end in one.skipped:
            gaps.close(first, end)
        gone = sum(gaps.close(first, end) for first, end in one.gone)
        gaps.is_risen |= gaps.top != top
        if gaps.missing != before:
            self._dirty.add(one.dev_eui)
        if filled:
            self._counters.count("backfill.filled", n=filled)
        if gone:
            self._counters.count("backfill.gone", f"{one.dev_eui} has {gone} records no more", gone)
        asking = self._asking.get(one.dev_eui)
        if not gaps.missing:
            self._asking.pop(one.dev_eui, None)
        elif asking is None:
            self._asking[one.dev_eui] = _Asking(asyncio.get_running_loop().time())
        elif filled or gone:
            asking.patience_s = PATIENCE_S
            open_still = any(_overlap(gaps.missing, piece) for piece in asking.asked)
            now_s = asyncio.get_running_loop().time()
            asking.again_s = now_s + PATIENCE_S if open_still else now_s

    def _settle(self, dev_eui: str, seqs: Sequence[int]) -> None:
        """Take what the store has of a device above what was written of it."""
        self._doubtful.discard(dev_eui)
        gaps = self._gaps[dev_eui]
        before, top = gaps.missing, gaps.top
        gaps.arrived(seqs)
        gaps.is_risen |= gaps.top != top
        if gaps.missing != before:
            self._dirty.add(dev_eui)

    async def _check_all(self) -> None:
        """Ask the store of the devices that were not heard since a kill, a few at a time."""
        loop = asyncio.get_running_loop()

        def look(some: Sequence[tuple[str, int]]) -> list[Sequence[int]]:
            return [self._known_seqs(dev_eui, top, top + LOOK_BACK) for dev_eui, top in some]

        while self._doubtful and not self._closing.is_set():
            some = [(dev_eui, self._gaps[dev_eui].top) for dev_eui in islice(self._doubtful, _FEW)]
            begin_s = loop.time()
            try:
                found = await loop.run_in_executor(self._executor, look, some)
            except StoreError as error:
                self._counters.count("backfill.not_checked", str(error))
                return  # they are asked for when they are heard
            for (dev_eui, top), seqs in zip(some, found, strict=True):
                if dev_eui in self._doubtful and self._gaps[dev_eui].top == top:
                    self._settle(dev_eui, seqs)
            self._save()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PAUSES * (loop.time() - begin_s) + 0.05):
                    await self._closing.wait()

    # -- asking

    def _hopeless(self, dev_eui: str) -> list[Range]:
        """Return what is missing and not to be hoped for from the parity of frames to come."""
        gaps = self._gaps.get(dev_eui)
        if gaps is None:
            return []
        left = Gaps(gaps.top, gaps.missing)
        for first, end in self._waiting.get(dev_eui, ()):
            left.close(first, end)
        return left.missing

    def _may_ask(self, dev_eui: str) -> bool:
        asking = self._asking.setdefault(dev_eui, _Asking())
        now_s = asyncio.get_running_loop().time()
        if now_s < asking.since_s + GRACE_S or now_s < asking.again_s or not self._asks(dev_eui):
            return False
        while self._recent and self._recent[0] < now_s - 60:
            self._recent.popleft()
        if len(self._recent) >= ASKS_A_MINUTE:
            return False  # it will be heard again
        self._recent.append(now_s)
        asking.again_s = now_s + asking.patience_s
        asking.patience_s = min(2 * asking.patience_s, LONGEST_PATIENCE_S)
        return True

    async def _ask(self, dev_eui: str) -> None:
        ranges = self._hopeless(dev_eui)[: backfill.MAX_RANGES]
        payload = backfill.pack_ranges(backfill.SEND_RECORDS, ranges)
        try:
            await self._queue.enqueue(dev_eui, ports.COMMANDS, payload)
        except (RegistryError, DownlinkError, StoreError) as error:
            self._counters.count("backfill.not_asked", f"{dev_eui}: {error}")
            return
        self._counters.count("backfill.asked", f"{dev_eui}: {ranges}")
        asking = self._asking.get(dev_eui)
        if asking is not None:
            asking.asked = list(ranges)

    # -- the disk

    def _save(self) -> None:
        loop = asyncio.get_running_loop()
        if self._saver is not None:
            return
        if self._dirty:
            self._saver = loop.create_task(self._keep_saving())
        elif not self._tops_at_s:
            self._tops_at_s = loop.time() + SAVE_TOPS_S
        elif loop.time() >= self._tops_at_s:
            self._tops_at_s = loop.time() + SAVE_TOPS_S
            self._saver = loop.create_task(self._save_tops())

    async def _keep_saving(self) -> None:
        try:
            while self._dirty:
                # Whatever comes meanwhile is written with it: it is no more than is asked for again.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SAVE_S):
                        await self._closing.wait()
                dirty, self._dirty = self._dirty, set()
                await self._write([(dev_eui, self._gaps[dev_eui]) for dev_eui in dirty])
        finally:
            self._saver = None

    async def _save_tops(self) -> bool:
        """Write the devices of which the highest number rose, some at a time; false: not all could be."""
        try:
            is_written = True
            risen = [dev_eui for dev_eui, gaps in self._gaps.items() if gaps.is_risen]
            for at in range(0, len(risen), _AT_ONCE):
                part = risen[at : at + _AT_ONCE]
                is_written &= await self._write([(dev_eui, self._gaps[dev_eui]) for dev_eui in part])
            return is_written
        finally:
            self._saver = None

    async def _write(self, found: Sequence[tuple[str, Gaps]]) -> bool:
        rows = [row_of(dev_eui, gaps) for dev_eui, gaps in found]
        for _, gaps in found:
            gaps.is_risen = False
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._book.save, rows)
        except StoreError as error:
            self._counters.count("backfill.save_failed", str(error))
            for _, gaps in found:
                gaps.is_risen = True
            return False
        return True


def _overlap(ranges: Sequence[Range], piece: Range) -> bool:
    return any(first < piece[1] and piece[0] < end for first, end in ranges)

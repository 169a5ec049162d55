"""A follower carries the store to one platform: from its own durable position, in order, at its own pace.

    tell what changed of sites -> read a chunk after the position -> pack -> send parcel by parcel -> save

The position moves only over rows that are confirmed, refused for good and on the side list, or not meant
for the platform. A kill in between sends some rows again: publishers are idempotent. Each platform has a
follower of its own, so a slow one delays nobody else. Of several workers with the same publisher one sends;
another goes on from its position when it is gone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any, TypeVar

from gateway.counters import Counters
from gateway.linger import Linger
from gateway.model import PositionStore, PublicReader
from gateway.publish.announcing import Announcements
from gateway.publish.base import Announcer, Outcome, Packed, Publisher
from gateway.publish.chunks import Chunks
from gateway.publish.delivering import Delivery, NotOurTurnError, OnSent
from gateway.publish.early import POSITIONS_A_RECORD, Early
from gateway.publish.sidelist import SideList
from gateway.publish.sitebook import SiteBook, Told
from gateway.publish.waiting import Backoff, Turn

T = TypeVar("T")

SAVE_S = 0.25
_ROWS_A_RECORD = 8  # more or less


class Follower:
    """Follows the store for one publisher; `run` it as a task."""

    def __init__(
        self,
        publisher: Publisher,
        reader: PublicReader,
        positions: PositionStore,
        side_list: SideList,
        counters: Counters,
        *,
        chunk_rows: int | None = None,
        idle_s: float = 5.0,
        backoff: Backoff | None = None,
        dice: random.Random | None = None,
        executor: Executor | None = None,
        newest: Callable[[], int] | None = None,
        book: SiteBook | None = None,
        register: Callable[[], object] | None = None,
        save_s: float = SAVE_S,
        turn: Turn | None = None,
        is_current: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """newest: the store's newest position, over all sites. book: what the platform knows of sites.

        register: what differs after a change of the register; without it, it is read every time. save_s: the
        position is not saved more often within a chunk. turn: whose it is, where others follow, too.
        is_current(name): false when the store may have lost what it saved last.

        With newest the position also passes over what is not for this platform: it is not read again every
        time, and a consent that is given later does not reach back. With a book a publisher that is an
        `Announcer` tells changes of the register.
        """
        self._publisher = publisher
        self._reader = reader
        self._positions = positions
        self._counters = counters
        self._idle_s = idle_s
        self._executor = executor
        self._newest = newest
        announcer: Announcer | None = publisher if hasattr(publisher, "announce") else None  # type: ignore[assignment]
        self._book = book if announcer else None
        self._chunks = Chunks(publisher, reader, self._book, newest, chunk_rows)
        backoff, dice = backoff or Backoff(), dice or random.Random()  # noqa: S311 - spreads retries only
        self._delivery = Delivery(
            publisher, reader, self._chunks.pack, side_list, counters, backoff, dice, turn, self._beside
        )
        self._announcements: Announcements | None = None
        if announcer is not None and book is not None:
            self._announcements = Announcements(
                publisher,
                announcer,
                reader,
                book,
                self._chunks,
                counters,
                register,
                backoff,
                dice,
                self._beside,
                self.notify,
            )
        self._news = asyncio.Event()
        self._position = -1  # up to which everything is done
        self._saved = -1  # the same on the disk
        self._learned: Mapping[str, Told] = {}  # what the platform learns of sites from the chunk under way
        self._save_s = save_s
        self._turn = turn
        self._is_current = is_current
        self._saved_s = -1e9
        self._linger = Linger()
        self._is_behind = False  # there is more than was read
        self._early = Early()
        self._takes_early = hasattr(publisher, "pack_early") and hasattr(reader, "shown")
        self._must_look = True  # there is, or may be, what does not go out early

    @property
    def on_sent(self) -> OnSent | None:
        """What is told of each sending."""
        return self._delivery.on_sent

    @on_sent.setter
    def on_sent(self, told: OnSent | None) -> None:
        self._delivery.on_sent = told

    def notify(self) -> None:
        """Say that there is something new in the store: the follower looks at once instead of soon."""
        self._must_look = True
        self._news.set()

    def judged(self, first: int, last: int, records: Sequence[Any]) -> None:
        """Tell what uplinks hold that are durable in the log, and not in the store yet."""
        if self._takes_early and self.on_sent is None:
            self._early.judged(first, last, records)
            if self._early.waits:
                self._news.set()

    def stored(self, last: int, before: int, newest: int) -> None:
        """Tell that all up to an uplink is stored, and the store's position before that and now."""
        self._early.stored(last, before, newest)
        if not self._early.holds(self._position):
            self._must_look = True
        self._news.set()

    def lost(self) -> None:
        """Tell that what was judged and is not stored yet will be judged again."""
        self._early.lost()

    def state(self) -> dict[str, Any]:
        """Return what the status page shows."""
        return {
            "position": max(self._position, 0),
            "delivered": self._delivery.delivered,
            "rejected": self._delivery.rejected,
            "failures_in_a_row": self._delivery.failures,
            "trouble": self._delivery.trouble,
        }

    async def run(self) -> None:
        """Follow until cancelled. Faults of platform, store and publisher are waits, never an end."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wait_for_our_turn()
                try:
                    if self._early.waits and await self._send_early() and not self._must_look:
                        continue
                    rows = await self._carry()
                except NotOurTurnError:
                    continue
                except Exception as error:
                    await self._delivery.wait_after_failure(f"{type(error).__name__}: {error}", None)
                    continue
                if not rows:
                    await self._idle()
                else:
                    self._linger.took(rows // _ROWS_A_RECORD, loop.time())
                    if not self._is_behind:
                        await asyncio.sleep(self._linger.wait_s(0))
        finally:
            try:
                await self._save()
            except Exception as error:  # it is sent again then
                self._counters.count(f"publish.{self._publisher.name}.failed", str(error)[:200])
            await self._publisher.close()
            if self._book is not None:
                self._book.close()

    async def _wait_for_our_turn(self) -> None:
        if self._turn is None or self._turn.is_ours:
            return
        self._position = self._saved = -1  # where another has come meanwhile, the store knows
        self._learned = {}
        await self._turn.come()

    async def step(self) -> int:
        """Carry one chunk to its end, however long that takes, and save; return its number of rows."""
        rows = await self._carry()
        await self._save()
        return rows

    async def _carry(self) -> int:
        if self._position < 0 or not self._is_current(self._publisher.name):
            self._learned = {}
            self._position = self._saved = await self._beside(
                lambda: self._positions.load(self._publisher.name)
            )
            if not self._position and self._newest and getattr(self._publisher, "from_now", False):
                self._position = await self._beside(self._newest)  # a feed of what is new has no past
        self._position = self._early.moved(self._position)
        if self._must_look or not self._early.holds(self._position):
            self._must_look = False
            if self._announcements is not None:
                await self._announcements.tell(has_sent=self._position > 0)
        self._position = self._early.moved(self._position)  # meanwhile more may have been stored
        if self._early.holds(self._position):
            await self._save_now_and_then()
            return 0
        if self._early.waits:  # what is to be read now stands behind that
            return 1
        position = self._position
        chunk = await self._beside(lambda: self._chunks.after(position))
        self._learned = chunk.learned
        if not chunk.count:
            self._position = max(chunk.seen, position)
            if self._takes_early:
                self._early.came(self._position)
            await self._save_now_and_then()
            return 0
        self._is_behind = chunk.seen - chunk.last > POSITIONS_A_RECORD
        await self._delivery.put_aside(chunk.packed.rejections)
        done = chunk.done_after()
        for number, parcel in enumerate(chunk.packed.parcels):
            await self._delivery.deliver(parcel)
            self._position = max(self._position, done[number])
            await self._save_now_and_then()
        self._take_up()
        if not chunk.packed.parcels:
            self._position = max(self._position, chunk.last)
            await self._save_now_and_then()
        return chunk.count

    async def _send_early(self) -> bool:
        """Send what is not stored yet; false when that has to wait for the store."""
        last, records = self._early.take()
        try:
            if await self._send_all_early(records):
                self._early.was_sent(last)
                return True
        except BaseException:
            self._early.lost()
            raise
        self._early.lost()
        return False

    async def _send_all_early(self, records: Sequence[Any]) -> bool:
        if self._position < 0 or (self._turn is not None and not self._turn.is_ours):
            return False
        publisher: Any = self._publisher
        reader: Any = self._reader
        packed: Packed | None = publisher.pack_early(reader.shown(records), reader)
        if packed is None:
            return False
        learned = self._chunks.learned(packed.parcels)
        for parcel in packed.parcels:
            try:
                outcome = await publisher.send(parcel, 0)
            except Exception as error:  # the usual way sends it again, and tells
                outcome = Outcome((), parcel, repr(error))
            if outcome.remaining is not None or outcome.rejections:
                return False
            self._delivery.took(len(parcel.rows))
        self._delivery.recovered()
        if self._book is not None and learned:
            self._book.was_sent(learned)
        self._linger.took(len(records), asyncio.get_running_loop().time())
        return True

    def _take_up(self) -> None:
        learned, self._learned = self._learned, {}
        if self._book is not None and learned:
            self._book.was_sent(learned)

    async def _save_now_and_then(self) -> None:
        """Save where it has come, at most so often: a kill sends a little more again."""
        if asyncio.get_running_loop().time() >= self._saved_s + self._save_s:
            await self._save()

    async def _save(self) -> None:
        """Make what is done durable: what the platform knows of sites, then the position."""
        position, book = self._position, self._book
        if position <= self._saved or (self._turn is not None and not self._turn.is_ours):
            return
        self._take_up()  # perhaps of more than was sent yet: such a site is told of twice at the worst

        def write() -> None:
            if book is not None:
                book.write()
            with self._turn.fence() if self._turn is not None else nullcontext():
                self._positions.save(self._publisher.name, position)

        await self._beside(write)
        self._saved, self._saved_s = position, asyncio.get_running_loop().time()

    async def _idle(self) -> None:
        """Wait for news, but not with what was not saved."""
        wait_s = self._idle_s
        if self._position > self._saved:
            loop = asyncio.get_running_loop()
            wait_s = min(wait_s, max(0.0, self._saved_s + self._save_s - loop.time()))
        try:
            # Not wait_for: up to Python 3.11 it may swallow the end of the task when there is news just then.
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            self._must_look = self._must_look or wait_s >= self._idle_s
            return
        finally:
            self._news.clear()

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

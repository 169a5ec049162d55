"""A follower carries the store to one platform: from its own durable position, in order, at its own pace.

    tell what changed of sites -> read a chunk after the position -> pack -> send parcel by parcel -> save

The position moves only over rows that are confirmed, refused for good and on the side list, or not meant
for the platform. A kill in between sends some rows again: publishers are idempotent. Each platform has a
follower of its own, so a slow one delays nobody else. Of several workers with the same publisher one sends;
another goes on from its position when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from itertools import chain
from typing import Any, TypeVar

from gateway.counters import Counters
from gateway.linger import Linger
from gateway.model import (
    PositionStore,
    PublicObservation,
    PublicReader,
    PublicRecord,
    PublicSite,
    RecordReader,
)
from gateway.publish.base import Announcer, Outcome, Packed, Parcel, Publisher, RecordPublisher, Rejection
from gateway.publish.early import POSITIONS_A_RECORD, Early
from gateway.publish.sidelist import SideList
from gateway.publish.sitebook import SiteBook, Told
from gateway.publish.waiting import Backoff, Turn

logger = logging.getLogger("meetnet.publish")

T = TypeVar("T")

SAVE_S = 0.25
_ROWS_A_RECORD = 8  # more or less
SURPRISES = 5  # tries of a parcel on which the publisher itself fails, before its rows are put aside


class _NotOurTurnError(Exception):
    """Another worker goes on from what is saved."""


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
        self._side_list = side_list
        self._counters = counters
        # A publisher whose requests hold more says so.
        self._chunk_rows: int = chunk_rows or getattr(publisher, "chunk_rows", 500)
        self._idle_s = idle_s
        self._backoff = backoff or Backoff()
        self._dice = dice or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._executor = executor
        self._newest = newest
        self._announcer: Announcer | None = publisher if hasattr(publisher, "announce") else None  # type: ignore[assignment]
        self._book = book if self._announcer else None
        self._register = register
        self._told_version: object = None
        self._announce_failures = 0
        self._announce_at_s = 0.0
        self._news = asyncio.Event()
        self._position = -1  # up to which everything is done
        self._saved = -1  # the same on the disk
        self._learned: dict[str, Told] = {}  # what the platform learns of sites from the chunk under way
        self._save_s = save_s
        self._turn = turn
        self._is_current = is_current
        self._saved_s = -1e9
        self._linger = Linger()
        self._is_behind = False  # there is more than was read
        self._delivered = 0
        self._rejected = 0
        self._failures = 0
        self._trouble = ""
        self._early = Early()
        self._takes_early = hasattr(publisher, "pack_early") and hasattr(reader, "shown")
        self._must_look = True  # there is, or may be, what does not go out early
        self.on_sent: Callable[[str, Parcel, int, bool], None] | None = None  # name, parcel, ns, confirmed

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
            "delivered": self._delivered,
            "rejected": self._rejected,
            "failures_in_a_row": self._failures,
            "trouble": self._trouble,
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
                except _NotOurTurnError:
                    continue
                except Exception as error:
                    await self._wait_after_failure(f"{type(error).__name__}: {error}", None)
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
            await self._announce()
        self._position = self._early.moved(self._position)  # meanwhile more may have been stored
        if self._early.holds(self._position):
            await self._save_now_and_then()
            return 0
        if self._early.waits:  # what is to be read now stands behind that
            return 1
        position = self._position
        seen, count, newest, packed, self._learned = await self._beside(lambda: self._look(position))
        if not count:
            self._position = max(seen, position)
            if self._takes_early:
                self._early.came(self._position)
            await self._save_now_and_then()
            return 0
        self._is_behind = seen - newest > POSITIONS_A_RECORD
        await self._put_aside(packed.rejections)
        done = _done_after(packed.parcels, newest)
        for number, parcel in enumerate(packed.parcels):
            await self._deliver(parcel)
            self._position = max(self._position, done[number])
            await self._save_now_and_then()
        self._take_up()
        if not packed.parcels:
            self._position = max(self._position, newest)
            await self._save_now_and_then()
        return count

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
        learned: dict[str, Told] = {}
        if self._book is not None:
            sent = chain.from_iterable(parcel.quantities() for parcel in packed.parcels)
            learned = self._book.learned(sent, self._places)
        for parcel in packed.parcels:
            try:
                outcome = await publisher.send(parcel, 0)
            except Exception as error:  # the usual way sends it again, and tells
                outcome = Outcome((), parcel, repr(error))
            if outcome.remaining is not None or outcome.rejections:
                return False
            n = len(parcel.rows)
            self._delivered += n
            self._counters.count(f"publish.{self._publisher.name}.delivered", n=n)
        self._failures, self._trouble = 0, ""
        if self._book is not None and learned:
            self._book.was_sent(learned)
        self._linger.took(len(records), asyncio.get_running_loop().time())
        return True

    def _look(self, position: int) -> tuple[int, int, int, Packed, dict[str, Told]]:
        """Return the newest position before reading, what `_read_and_pack` does, what it tells of sites."""
        seen = self._newest() if self._newest else position
        count, newest, packed = self._read_and_pack(position)
        learned: dict[str, Told] = {}
        if self._book is not None:
            sent = chain.from_iterable(parcel.quantities() for parcel in packed.parcels if parcel.rows)
            learned = self._book.learned(sent, self._places)
        return seen, count, newest, packed, learned

    def _take_up(self) -> None:
        learned, self._learned = self._learned, {}
        if self._book is not None and learned:
            self._book.was_sent(learned)

    def _read_and_pack(self, position: int) -> tuple[int, int, Packed]:
        """Return how many observations there are, the position of the last, and what they make."""
        reader, publisher = self._reader, self._publisher
        if isinstance(reader, RecordReader) and isinstance(publisher, RecordPublisher):
            records = reader.records_after(position, publisher.chunk_records)
            if not records:
                return 0, 0, Packed(())
            count = sum([len(record.forms) for record in records])
            last = records[-1]
            return count, last.position + len(last.forms) - 1, self._pack_records(records, publisher, reader)
        rows = reader.after(position, self._chunk_rows)
        return (len(rows), rows[-1].position, self._pack(rows)) if rows else (0, 0, Packed(()))

    def _pack_records(
        self, records: Sequence[PublicRecord], publisher: RecordPublisher, reader: RecordReader
    ) -> Packed:
        try:
            return publisher.pack_records(records, reader)
        except Exception:
            return self._pack([row for record in records for row in record.rows()])

    async def _announce(self) -> None:
        """Tell what changed of sites. What fails is tried again later and holds up no value."""
        loop = asyncio.get_running_loop()
        book, announcer = self._book, self._announcer
        if book is None or announcer is None or loop.time() < self._announce_at_s:
            return
        version = self._register() if self._register else None
        if version is not None and version == self._told_version:
            return
        begin_s = loop.time()
        has_sent = self._position > 0
        news = await self._beside(lambda: book.news(self._all_places, self._places, has_sent=has_sent))
        # All sites are read: where there are many, not more often than costs a twentieth of the time.
        if self._register:
            rest_s = 20 * (loop.time() - begin_s)
            self._announce_at_s = loop.time() + rest_s
            loop.call_later(rest_s, self.notify)  # what changes meanwhile is looked at then
        if not news:
            self._told_version = version
            return
        why = ""
        try:
            for parcel in await self._beside(lambda: announcer.announce(news, self._reader)):
                outcome = await self._publisher.send(parcel, 0)
                if outcome.remaining is not None:
                    why = outcome.reason or "not taken"
                    break
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why:
            self._announce_failures += 1
            self._counters.count(f"publish.{self._publisher.name}.sites_later", why[:200])
            wait_s = self._backoff.delay_s(self._announce_failures, None, self._dice)
            self._announce_at_s = loop.time() + wait_s
            loop.call_later(wait_s, self.notify)
            return
        self._announce_failures = 0
        name = f"publish.{self._publisher.name}.sites_told"
        self._counters.count(name, "changes of the register", len(news.changed) + len(news.gone))
        await self._beside(lambda: book.was_told(news))
        self._told_version = version

    def _all_places(self) -> Sequence[PublicSite]:
        # Quick: the sites without what was measured there.
        places: Callable[[], Sequence[PublicSite]] | None = getattr(self._reader, "places", None)
        return self._reader.sites() if places is None else places()

    def _places(self, site_ids: Sequence[str]) -> Mapping[str, PublicSite]:
        if isinstance(self._reader, RecordReader):
            return self._reader.places_of(site_ids)
        return {site.site_id: site for site in self._all_places() if site.site_id in site_ids}

    def _pack(self, rows: Sequence[PublicObservation]) -> Packed:
        if not rows:
            return Packed(())
        try:
            return self._publisher.pack(rows, self._reader)
        except Exception as error:
            if len(rows) == 1:
                return Packed((), (Rejection(rows[0], f"cannot be packed: {type(error).__name__}: {error}"),))
        parts = [self._pack([row]) for row in rows]
        return Packed(
            [parcel for part in parts for parcel in part.parcels],
            [rejection for part in parts for rejection in part.rejections],
        )

    async def _deliver(self, parcel: Parcel) -> None:
        sent = parcel
        attempt = surprises = 0
        while True:
            if self._turn is not None and not self._turn.is_ours:
                raise _NotOurTurnError
            began_ns = time.time_ns() if self.on_sent is not None else 0
            try:
                outcome = await self._publisher.send(sent, attempt)
            except Exception as error:
                surprises += 1
                reason = f"{type(error).__name__}: {error}"
                rejected = [Rejection(row, reason) for row in sent.rows] if surprises >= SURPRISES else []
                outcome = Outcome(rejected, None if rejected else sent, reason)
            if self.on_sent is not None:
                self.on_sent(self._publisher.name, sent, began_ns, outcome.remaining is None)
            await self._put_aside(outcome.rejections)
            remaining = outcome.remaining
            left = len(remaining.rows) if remaining else 0
            confirmed = len(sent.rows) - left - len(outcome.rejections)
            self._delivered += confirmed
            if confirmed:
                self._counters.count(f"publish.{self._publisher.name}.delivered", n=confirmed)
                self._failures = 0
            if remaining is None:
                self._failures, self._trouble = 0, ""
                return
            attempt += 1
            await self._wait_after_failure(outcome.reason, outcome.after_s)
            agreed = await self._still_agreed(remaining)
            sent = remaining
            if agreed is not remaining.rows:  # a host took consent back while the platform was away
                name = f"publish.{self._publisher.name}.consent_withdrawn"
                self._counters.count(name, "rows that waited are not sent", len(remaining.rows) - len(agreed))
                await self._deliver_again(agreed)
                return

    async def _deliver_again(self, rows: Sequence[PublicObservation]) -> None:
        packed = await self._beside(lambda: self._pack(rows))
        await self._put_aside(packed.rejections)
        for part in packed.parcels:
            await self._deliver(part)

    async def _still_agreed(self, parcel: Parcel) -> Sequence[PublicObservation]:
        """Return the parcel's rows of sites that are still public; the very same tuple when all are."""
        public = {site.site_id for site in await self._beside(self._reader.sites)}
        agreed = [row for row in parcel.rows if row.site_id in public]
        return parcel.rows if len(agreed) == len(parcel.rows) else agreed

    async def _put_aside(self, rejections: Sequence[Rejection]) -> None:
        if not rejections:
            return
        await self._beside(lambda: self._side_list.add(self._publisher.name, rejections))
        self._rejected += len(rejections)
        self._counters.count(
            f"publish.{self._publisher.name}.rejected", rejections[0].reason[:200], n=len(rejections)
        )

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

    async def _wait_after_failure(self, reason: str, after_s: float | None) -> None:
        self._failures += 1
        self._trouble = reason
        self._counters.count(f"publish.{self._publisher.name}.failed", reason[:200])
        await asyncio.sleep(self._backoff.delay_s(self._failures, after_s, self._dice))

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


def _done_after(parcels: Sequence[Parcel], newest: int) -> list[int]:
    """Return up to which position everything is done once each parcel is."""
    found: list[int] = []
    following = newest
    for parcel in reversed(parcels):
        found.append(following)
        first = parcel.first_position
        if first is not None:
            following = min(following, first - 1)
    return found[::-1]

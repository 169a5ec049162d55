"""Sending parcels to their end: tried again until they are taken, put aside, or it is the turn of others."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Packed, Parcel, Publisher, Rejection
from gateway.publish.sidelist import SideList
from gateway.publish.waiting import Backoff, Turn

SURPRISES = 5  # tries of a parcel on which the publisher itself fails, before its rows are put aside
OnSent = Callable[[str, Parcel, int, bool], None]  # name, parcel, when it began (ns), confirmed


class NotOurTurnError(Exception):
    """Another worker goes on from what is saved."""


class Delivery:
    """What one platform took, refused, and why it did not. Belongs to one loop."""

    def __init__(
        self,
        publisher: Publisher,
        reader: PublicReader,
        pack: Callable[[Sequence[PublicObservation]], Packed],
        side_list: SideList,
        counters: Counters,
        backoff: Backoff,
        dice: random.Random,
        turn: Turn | None,
        beside: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        """pack: makes parcels of what is left of one. turn: whose it is. beside: runs what blocks."""
        self._publisher, self._reader, self._pack = publisher, reader, pack
        self._side_list, self._counters = side_list, counters
        self._backoff, self._dice, self._turn, self._beside = backoff, dice, turn, beside
        self.on_sent: OnSent | None = None
        self.delivered = 0
        self.rejected = 0
        self.failures = 0  # in a row
        self.trouble = ""

    async def deliver(self, parcel: Parcel) -> None:
        """Send a parcel until nothing of it is left; NotOurTurnError when others are to do it."""
        sent = parcel
        attempt = surprises = 0
        while True:
            if self._turn is not None and not self._turn.is_ours:
                raise NotOurTurnError
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
            await self.put_aside(outcome.rejections)
            remaining = outcome.remaining
            left = len(remaining.rows) if remaining else 0
            confirmed = len(sent.rows) - left - len(outcome.rejections)
            self.took(confirmed)
            if confirmed:
                self.failures = 0
            if remaining is None:
                self.recovered()
                return
            attempt += 1
            await self.wait_after_failure(outcome.reason, outcome.after_s)
            agreed = await self._still_agreed(remaining)
            sent = remaining
            if agreed is not remaining.rows:  # a host took consent back while the platform was away
                name = f"publish.{self._publisher.name}.consent_withdrawn"
                self._counters.count(name, "rows that waited are not sent", len(remaining.rows) - len(agreed))
                await self._deliver_again(agreed)
                return

    async def put_aside(self, rejections: Sequence[Rejection]) -> None:
        """Keep on the side list what will never be taken."""
        if not rejections:
            return
        await self._beside(lambda: self._side_list.add(self._publisher.name, rejections))
        self.rejected += len(rejections)
        self._counters.count(
            f"publish.{self._publisher.name}.rejected", rejections[0].reason[:200], n=len(rejections)
        )

    def took(self, rows: int) -> None:
        """Count what the platform confirmed."""
        self.delivered += rows
        if rows:
            self._counters.count(f"publish.{self._publisher.name}.delivered", n=rows)

    def recovered(self) -> None:
        """Note that nothing is wrong any more."""
        self.failures, self.trouble = 0, ""

    async def wait_after_failure(self, reason: str, after_s: float | None) -> None:
        """Count a failure and wait, longer each time. after_s: the platform's own wish."""
        self.failures += 1
        self.trouble = reason
        self._counters.count(f"publish.{self._publisher.name}.failed", reason[:200])
        await asyncio.sleep(self._backoff.delay_s(self.failures, after_s, self._dice))

    async def _deliver_again(self, rows: Sequence[PublicObservation]) -> None:
        packed = await self._beside(lambda: self._pack(rows))
        await self.put_aside(packed.rejections)
        for part in packed.parcels:
            await self.deliver(part)

    async def _still_agreed(self, parcel: Parcel) -> Sequence[PublicObservation]:
        """Return the parcel's rows of sites that are still public; the very same tuple when all are."""
        public = {site.site_id for site in await self._beside(self._reader.sites)}
        agreed = [row for row in parcel.rows if row.site_id in public]
        return parcel.rows if len(agreed) == len(parcel.rows) else agreed

"""Telling a platform what changed of sites. What fails is tried again later and holds up no value."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.counters import Counters
from gateway.model import PublicReader
from gateway.publish.base import Announcer, Publisher
from gateway.publish.chunks import Chunks
from gateway.publish.sitebook import News, SiteBook
from gateway.publish.waiting import Backoff

RESTS = 20  # all sites are read: where there are many, not more often than costs a twentieth of the time
Beside = Callable[[Callable[[], Any]], Awaitable[Any]]


class Announcements:
    """The announcements of one follower. `publisher` is an `Announcer`, too."""

    def __init__(
        self,
        publisher: Publisher,
        announcer: Announcer,
        reader: PublicReader,
        book: SiteBook,
        chunks: Chunks,
        counters: Counters,
        register: Callable[[], object] | None,
        backoff: Backoff,
        dice: random.Random,
        beside: Beside,
        look_again: Callable[[], None],
    ) -> None:
        """register: what differs after a change of the register; None: it is read every time.

        beside: runs what blocks in a thread. look_again: called when there may be something to tell later.
        """
        self._publisher, self._announcer, self._reader = publisher, announcer, reader
        self._book, self._chunks, self._counters = book, chunks, counters
        self._register, self._backoff, self._dice = register, backoff, dice
        self._beside, self._look_again = beside, look_again
        self._told_version: object = None
        self._failures = 0
        self._at_s = 0.0

    async def tell(self, has_sent: bool) -> None:
        """Tell what is new, if it is time. has_sent: whether the platform has anything of ours."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._at_s:
            return
        version = self._register() if self._register else None
        if version is not None and version == self._told_version:
            return
        begin_s = loop.time()
        book, chunks = self._book, self._chunks
        news = await self._beside(lambda: book.news(chunks.all_places, chunks.places, has_sent=has_sent))
        if self._register:
            self._rest(RESTS * (loop.time() - begin_s))  # what changes meanwhile is looked at then
        if not news:
            self._told_version = version
            return
        why = await self._send(news)
        if why:
            self._failures += 1
            self._counters.count(f"publish.{self._publisher.name}.sites_later", why[:200])
            self._rest(self._backoff.delay_s(self._failures, None, self._dice))
            return
        self._failures = 0
        name = f"publish.{self._publisher.name}.sites_told"
        self._counters.count(name, "changes of the register", len(news.changed) + len(news.gone))
        await self._beside(lambda: book.was_told(news))
        self._told_version = version

    async def _send(self, news: News) -> str:
        """Return "" when it was taken, or why not."""
        try:
            for parcel in await self._beside(lambda: self._announcer.announce(news, self._reader)):
                outcome = await self._publisher.send(parcel, 0)
                if outcome.remaining is not None:
                    return outcome.reason or "not taken"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _rest(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._at_s = loop.time() + wait_s
        loop.call_later(wait_s, self._look_again)

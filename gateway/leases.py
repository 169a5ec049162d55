"""What only one of several workers may do, and whether it is us who does it: keep house, publish, alert.

Each worker asks for the same leases and renews what it holds. Whoever was killed holds his for TERM_S at
most; then another goes on. Where the store belongs to one process, everything is ours at once and for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.store.leases import LeaseTable

logger = logging.getLogger("meetnet.leases")
KEEPER, ALERTS = "keeper", "alerts"
RENEWALS = 4  # in a term


def of_publisher(name: str) -> str:
    """Return the lease of who sends to a platform."""
    return f"publisher:{name}"


def of_worker(name: str) -> str:
    """Return the lease of who stores under a worker's name: two logs under one name would lose messages."""
    return f"worker:{name}"


class Leases:
    """The leases that this process asks for. Belongs to one loop; `holds` may be asked from any thread."""

    def __init__(
        self, table: LeaseTable, counters: Counters, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """now_s: a clock that no one sets."""
        self.table = table
        self._counters = counters
        self._now_s = now_s
        self._wanted: set[str] = set()
        self._until_s: dict[str, float] = {}
        self._news = asyncio.Condition()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-leases")

    def holds(self, name: str) -> bool:
        """Tell whether a lease is ours, as far as this process can know without asking."""
        return self._now_s() < self._until_s.get(name, 0.0)

    def turn(self, name: str) -> Turn:
        """Ask for a lease from now on, and return whose turn it is."""
        self._wanted.add(name)
        if not self.table.is_shared:
            self._until_s[name] = float("inf")
        return Turn(self, name)

    def give_up(self, name: str) -> None:
        """Ask for a lease no longer; it ends by itself, for whoever asks for it."""
        self._wanted.discard(name)
        self._until_s.pop(name, None)

    async def claim(self) -> None:
        """Take or renew everything that is asked for; raise StoreError."""
        names = sorted(self._wanted)
        begin_s = self._now_s()  # before: the database's own term begins later
        loop = asyncio.get_running_loop()
        ours = await loop.run_in_executor(self._executor, self.table.claim, names)
        async with self._news:
            for name in names:
                if name not in ours:
                    if self._until_s.pop(name, 0.0):
                        self._counters.count("leases.lost", name)
                elif name in self._wanted:
                    if name not in self._until_s:
                        self._counters.count("leases.taken")
                        logger.info("this process does %s now", name)
                    self._until_s[name] = begin_s + self.table.term_s
            self._news.notify_all()

    async def wait(self, name: str) -> None:
        """Return once a lease is ours."""
        if self.holds(name):
            return
        with contextlib.suppress(StoreError):  # the next claim is soon
            await self.claim()
        async with self._news:
            await self._news.wait_for(lambda: self.holds(name))

    async def claim_name(self, name: str) -> None:
        """Take a lease that must be ours, waiting for one that was left behind; raise StoreError."""
        self.turn(name)
        end_s = self._now_s() + 1.2 * self.table.term_s
        while self.table.is_shared:
            await self.claim()
            if self.holds(name):
                return
            if self._now_s() > end_s:
                holder = self.table.holders().get(name, "another process")
                raise StoreError(
                    f"the lease {name!r} is held by {holder}: each gateway on this database needs a "
                    "`data.worker` of its own, or they would take one another's place in their logs"
                )
            logger.info("waiting for the lease %s", name)
            await asyncio.sleep(min(1.0, self.table.term_s / RENEWALS))

    def state(self) -> dict[str, bool]:
        """Return what is asked for, and whether it is ours."""
        return {name: self.holds(name) for name in sorted(self._wanted)}

    async def run(self) -> None:
        """Renew until cancelled."""
        if not self.table.is_shared:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(self.table.term_s / RENEWALS)
            try:
                await self.claim()
            except StoreError as error:
                self._counters.count("leases.failed", str(error))

    async def close(self) -> None:
        """Give back what is ours, so that another need not wait."""
        self._wanted.clear()
        self._until_s.clear()
        with contextlib.suppress(StoreError):  # then it ends by itself
            await asyncio.get_running_loop().run_in_executor(self._executor, self.table.release)
        self._executor.shutdown(wait=False)


class Turn:
    """One lease, as who waits for it sees it."""

    def __init__(self, leases: Leases, name: str) -> None:
        """name: of the lease."""
        self._leases = leases
        self.name = name

    @property
    def is_ours(self) -> bool:
        """Tell whether it is ours now; from any thread."""
        return self._leases.holds(self.name)

    async def come(self) -> None:
        """Return once it is ours."""
        await self._leases.wait(self.name)

    def fence(self) -> contextlib.AbstractContextManager[None]:
        """Within the block, this thread writes to the store only while it is ours; else StoreError."""
        return self._leases.table.fence(self.name)

    def give_up(self) -> None:
        """Ask for it no longer."""
        self._leases.give_up(self.name)

"""The housekeeping while a gateway runs: rolling up, packing, retention, also of raw frames.

Each step is a transaction of its own, and a pause of several times its length follows it, so that measuring
and publishing hardly notice. Records are rolled up a while after they came, many of a site at a time:
readers put those that are not rolled up yet on top by themselves. Of several workers that store into one
database, the one that holds the lease does it; each deletes what is due in its own directory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from gateway.clock import Clock
from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.leases import Turn
from gateway.retention import in_directory, in_store
from gateway.store import DurableLog, Store
from gateway.store.history import rolling, sealing
from gateway.store.retention import prune

logger = logging.getLogger("meetnet.keeping")
DAY_MS = 86_400_000
FIRST_S, EVERY_S = 20.0, 600.0
RAW_EVERY_S = 3600.0
PAUSES = 3.0  # of the length of a step
BUSY_PAUSES, BUSY_PER_S = 12.0, 1000.0  # while so many records a second come: a backlog goes first
_NEXT = "records"


class Keeper:
    """Rolls up, packs, and deletes what is older than its rule allows, time after time."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        counters: Counters,
        config: Callable[[], Config],
        directory: Path,
        turn: Turn | None = None,
    ) -> None:
        """turn: where others may keep house of the same store; None: it is always ours."""
        self._turn = turn
        self._store = store
        self._clock = clock
        self._counters = counters
        self._config = config
        self._directory = directory
        self._until: int | None = None
        self._come = (0, 0.0)  # records so far, and when that was seen
        self._pauses = PAUSES

    async def run(self) -> None:
        """Keep house until cancelled."""
        await asyncio.sleep(FIRST_S)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-keeper") as executor:
            while True:
                for name, steps in self._work():
                    await self._take(loop, executor, name, steps)
                await asyncio.sleep(EVERY_S)

    def _work(self) -> Iterator[tuple[str, Iterator[int]]]:
        """Yield what there is to do, as steps that tell how many records they were of."""
        if self._is_ours():
            yield "rolled_up", self.roll()
        else:
            self._until = None
        now_ms, config = self._clock.now_ms(), self._config()
        seal_ms = config.whole("data.seal_days") * DAY_MS
        if self._is_ours():
            yield "packed", sealing.seal(self._store, now_ms - seal_ms, 1 << 30)
            yield "deleted", in_store(config, self._store, now_ms)
        yield "deleted", in_directory(config, self._directory, now_ms)

    def _is_ours(self) -> bool:
        return self._turn is None or self._turn.is_ours

    def _step(self, steps: Iterator[int]) -> int:
        """Do one step; what it writes to the store is refused where another keeps house by now."""
        if self._turn is None:
            return next(steps, 0)
        with self._turn.fence():
            return next(steps, 0)

    def roll(self) -> Iterator[int]:
        """Roll up what was there the last time, so that a site's records of a while are added at once."""
        until, self._until = self._until, self._store.position(_NEXT)
        while n := rolling.roll(self._store, until):
            self._look_around()
            yield n

    def _look_around(self) -> None:
        """See how much is coming in."""
        before, before_s = self._come
        self._come = come, now_s = self._store.position(_NEXT), time.monotonic()
        is_busy = come - before > BUSY_PER_S * (now_s - before_s)
        self._pauses = BUSY_PAUSES if is_busy else PAUSES

    async def _take(
        self, loop: asyncio.AbstractEventLoop, executor: ThreadPoolExecutor, name: str, steps: Iterator[int]
    ) -> None:
        step = partial(self._step, steps)
        try:
            while True:
                started_s = time.monotonic()
                n = await loop.run_in_executor(executor, step)
                if not n:
                    return
                self._counters.count(f"store.{name}", n=n)
                await asyncio.sleep(self._pauses * (time.monotonic() - started_s))
        except StoreError as error:
            self._counters.count(f"store.{name}_failed", str(error))
        except Exception as error:  # whatever it is, the next time is another
            logger.exception("keeping")
            self._counters.count(f"store.{name}_failed", repr(error))


async def keep_raw(
    log: DurableLog,
    stored: Callable[[], int],
    config: Callable[[], Config],
    clock: Clock,
    counters: Counters,
) -> None:
    """Delete raw frames that are older or more than the settings keep, until cancelled."""
    while True:
        before_ms = clock.now_ms() - config().whole("data.raw_days") * DAY_MS
        keep_bytes = config().whole("data.raw_mib") << 20
        at = stored()
        try:
            dropped = await log.call(partial(prune, stored=at, before_ms=before_ms, keep_bytes=keep_bytes))
            if dropped:
                counters.count("store.segments_dropped", n=dropped)
        except StoreError as error:
            counters.count("store.retention_failed", str(error))
        await asyncio.sleep(RAW_EVERY_S)

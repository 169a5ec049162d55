"""Group commit: every uplink that arrives while the disk is busy shares the next fdatasync.

`DurableLog.accept` is where ingest hands its uplinks over; it returns when the bytes are on the disk.
There is no timer: the first waiting uplink starts a flush, and all that came in meanwhile form the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.model import Uplink
from gateway.store.frames import encode_uplink
from gateway.store.segments import SegmentLog

MAX_WAITING = 20_000
T = TypeVar("T")


class DurableLog:
    """The asyncio side of a segment log. `on_durable(last_sequence)` is called after each flush."""

    def __init__(self, log: SegmentLog, counters: Counters, on_durable: Callable[[int], None]) -> None:
        self._log = log
        self._counters = counters
        self._on_durable = on_durable
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-log")
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False

    async def accept(self, uplink: Uplink) -> None:
        """Return when the uplink is durable.

        Raise StoreError when the disk refuses (do not acknowledge then) and IngestError when the
        uplink itself cannot be: its cause is "store.uplink_invalid".
        """
        if self._closed:
            raise StoreError("the segment log is closed")
        if len(self._waiting) >= MAX_WAITING:
            self._counters.count("store.log_busy", f"{MAX_WAITING} uplinks wait for the disk")
            raise StoreError(f"{MAX_WAITING} uplinks already wait for the disk")
        body = encode_uplink(uplink)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="meetnet-log-flush")
        await future

    async def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return durable records after a sequence, in order (SegmentLog.read in the log's own thread)."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._log.read, after, limit)

    async def call(self, function: Callable[[SegmentLog], T]) -> T:
        """Run a function of the log in the log's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, self._log)

    async def close(self) -> None:
        """Flush what waits and close the file."""
        self._closed = True
        if self._flusher is not None:
            await self._flusher
        await self.call(SegmentLog.close)
        self._executor.shutdown(wait=True)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                bodies = [body for body, _ in batch]
                try:
                    sequences = await loop.run_in_executor(self._executor, self._log.append, bodies)
                except StoreError as error:
                    self._counters.count("store.log_write_failed", str(error))
                    _settle(batch, error)
                except Exception as error:  # whatever it is, nobody may wait for ever
                    self._counters.count("store.log_write_failed", repr(error))
                    _settle(batch, StoreError(f"segment log: {error!r}"))
                else:
                    self._counters.count("store.uplinks_durable", n=len(batch))
                    _settle(batch, None)
                    self._on_durable(sequences[-1])
        finally:
            self._flusher = None


def _settle(batch: list[tuple[bytes, asyncio.Future[None]]], error: StoreError | None) -> None:
    for _, future in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(StoreError(str(error)))

"""Group commit: every uplink that arrives while the disk is busy shares the next fdatasync.

`DurableLog.accept` and `accept_all` are where ingest hands its uplinks over; they return when the bytes are
on the disk. There is no timer: the first waiting uplink starts a flush, and all that came in meanwhile form
the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.model import Uplink
from gateway.store.frames import decode_uplink, encode_uplink
from gateway.store.segments import SegmentLog
from gateway.store.tail import Tail

MAX_WAITING = 20_000
T = TypeVar("T")


class _Waiting:
    """Uplinks that came together, and who waits for them."""

    __slots__ = ("bodies", "future", "uplinks")

    def __init__(self, future: asyncio.Future[None]) -> None:
        self.bodies: list[bytes] = []
        self.uplinks: list[Uplink] = []
        self.future = future


class DurableLog:
    """The asyncio side of a segment log. `on_durable(last_sequence)` is called after each flush."""

    def __init__(self, log: SegmentLog, counters: Counters, on_durable: Callable[[int], None]) -> None:
        self._log = log
        self._counters = counters
        self._on_durable = on_durable
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-log")
        self._waiting: list[_Waiting] = []
        self._count = 0
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False
        self._tail = Tail()

    async def accept(self, uplink: Uplink) -> None:
        """Return when the uplink is durable.

        Raise StoreError when the disk refuses (do not acknowledge then) and IngestError when the
        uplink itself cannot be: its cause is "store.uplink_invalid".
        """
        for error in await self.accept_all((uplink,)):
            raise error

    async def accept_all(self, uplinks: Sequence[Uplink]) -> Sequence[IngestError]:
        """Return when all are durable but those that can never be, with the reasons.

        Raise StoreError when the disk refuses: then none of them is.
        """
        if self._closed:
            raise StoreError("the segment log is closed")
        if self._count >= MAX_WAITING:
            self._counters.count("store.log_busy", f"{MAX_WAITING} uplinks wait for the disk")
            raise StoreError(f"{MAX_WAITING} uplinks already wait for the disk")
        refused: list[IngestError] = []
        waiting = _Waiting(asyncio.get_running_loop().create_future())
        for uplink in uplinks:
            try:
                waiting.bodies.append(encode_uplink(uplink))
                waiting.uplinks.append(uplink)
            except IngestError as error:
                refused.append(error)
        if waiting.bodies:
            self._waiting.append(waiting)
            self._count += len(waiting.bodies)
            if self._flusher is None:
                self._flusher = asyncio.create_task(self._flush(), name="meetnet-log-flush")
            await waiting.future
        return refused

    async def read(self, after: int, limit: int) -> list[tuple[int, Uplink | StoreError]]:
        """Return durable uplinks after a sequence, in order; an error for one that cannot be read."""
        found = self._tail.after(after, limit)
        if found:
            return [*found]
        records = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._log.read, after, limit
        )
        return [(sequence, _decoded(body)) for sequence, body in records]

    def fresh(self, after: int, limit: int) -> list[tuple[int, Uplink]]:
        """Return what became durable just now, after a sequence; nothing where that is not in memory."""
        return self._tail.after(after, limit) or []

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
                bodies = [body for waiting in batch for body in waiting.bodies]
                self._count -= len(bodies)
                try:
                    sequences = await loop.run_in_executor(self._executor, self._log.append, bodies)
                except StoreError as error:
                    self._counters.count("store.log_write_failed", str(error))
                    _settle(batch, error)
                except Exception as error:  # whatever it is, nobody may wait for ever
                    self._counters.count("store.log_write_failed", repr(error))
                    _settle(batch, StoreError(f"segment log: {error!r}"))
                else:
                    self._counters.count("store.uplinks_durable", n=len(bodies))
                    self._tail.add(sequences, [uplink for waiting in batch for uplink in waiting.uplinks])
                    _settle(batch, None)
                    self._on_durable(sequences[-1])
        finally:
            self._flusher = None


def _decoded(body: bytes) -> Uplink | StoreError:
    try:
        return decode_uplink(body)
    except StoreError as error:
        return error


def _settle(batch: list[_Waiting], error: StoreError | None) -> None:
    for waiting in batch:
        if waiting.future.done():
            continue
        if error is None:
            waiting.future.set_result(None)
        else:
            waiting.future.set_exception(StoreError(str(error)))

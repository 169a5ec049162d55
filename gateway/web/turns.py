"""Who waits for an answer that must be made comes at turn: first come, first served.

One interpreter makes all answers. Shared evenly among 200 visitors it would let all of them wait for the last
one, and threads that take it from each other spend half as much again (`python -m tests.bench.pages`). So one
answer is made after the other; only what takes long lets the next begin beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

LONG_S = 0.25


class Turns:
    """Belongs to an event loop."""

    def __init__(self, long_s: float = LONG_S) -> None:
        self._long_s = long_s
        self._turn = asyncio.Semaphore()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a turn; it ends with the block, or once it took long."""
        await self._turn.acquire()
        ends = _Once(self._turn)
        timer = asyncio.get_running_loop().call_later(self._long_s, ends)
        try:
            yield
        finally:
            timer.cancel()
            ends()


class _Once:
    """Gives a turn back, and only once."""

    def __init__(self, turn: asyncio.Semaphore) -> None:
        self._turn: asyncio.Semaphore | None = turn

    def __call__(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None

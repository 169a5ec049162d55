"""An asyncio loop whose clock belongs to the simulated world.

Time stands still while anybody works: a callback is due, a socket is readable, an executor job runs,
or somebody holds the clock (a node process between two waits does). Only when all is quiet does the
clock jump to the next timer, at once (`speed=None`) or at a fixed pace (`speed=1` is real time). With
a pace the loop never runs ahead of it; when it cannot keep up it falls behind and catches up later,
but it skips nothing: the same timers fire in the same order at any speed.

`time()` counts seconds since the start of the simulation, so that a float keeps microseconds for
decades; `now_us()` is the world's UTC.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import os
import selectors
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")

_LONG_JUMP_S = 0.01
_ALONE_S = 2.0  # of reality: how long everything waits for an executor job
_BUSY_WAIT_S = 5.0  # how long one real wait for a busy party lasts before the loop looks again


class _VirtualSelector(selectors.BaseSelector):
    """Answers the loop's "wait at most this long" by moving the virtual clock instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._loop.has_jobs():
            os.sched_yield()  # as below: what was sent may be on its way yet
            events = self._real.select(0)
            if not events:
                self._loop.work()
            return events
        if self._loop.held:
            return self._real.select(_BUSY_WAIT_S)
        patience_s = self._loop.patience_left_s()
        if patience_s > 0:
            events = self._real.select(patience_s)
            if events:
                return events
        if timeout is None or timeout > _LONG_JUMP_S:
            # The kernel hands loopback traffic over in its own context; let it, before much time passes.
            os.sched_yield()
            events = self._real.select(0)
            if events:
                return events
        due_us = None if timeout is None else self._loop.due_after(timeout)
        return self._wait_until(due_us)

    def _wait_until(self, due_us: int | None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if due_us is None:
            events = self._real.select(_BUSY_WAIT_S if loop.speed is None else 1.0)
            loop.follow_pace(None)
            return events
        delay_s = loop.real_delay_s(due_us)
        if delay_s > 0:
            events = self._real.select(delay_s)
            if events:
                loop.follow_pace(due_us)
                return events
        loop.jump_to(due_us)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    start_us: the world's UTC at loop time 0, microseconds since 1970.
    speed: None for as fast as possible, else virtual seconds for a real second (> 0).
    """

    # asyncio has no other way to ask what is next (as in CPython 3.11 to 3.14).
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, start_us: int = 0, speed: float | None = None) -> None:
        if speed is not None and not speed > 0:
            self._closed = True  # asyncio's destructor asks for it
            raise ValueError(f"speed: {speed} is not above 0; leave it out to run as fast as possible")
        self._start_us = start_us
        self._elapsed_us = 0
        self._speed = speed
        self._pace_real_s = time.perf_counter()
        self._pace_virtual_us = 0
        self._holds = 0
        self._patience: dict[object, float] = {}
        self._jobs: deque[tuple[Executor | None, Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._common: ThreadPoolExecutor | None = None
        self.jumps = 0
        self._waits = _VirtualSelector(self)
        super().__init__(self._waits)
        self._clock_resolution = 1e-6

    # -- what the world reads ------------------------------------------------------------------
    def time(self) -> float:
        """Return seconds since the start of the simulation."""
        return self._elapsed_us / 1e6

    def now_us(self) -> int:
        """Return the world's UTC in microseconds since 1970."""
        return self._start_us + self._elapsed_us

    def call_at_us(self, when_us: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call back at a world time (microseconds UTC); at once when that is past."""
        return self.call_at((when_us - self._start_us) / 1e6, callback, *args)

    # -- who keeps time from moving ------------------------------------------------------------
    @property
    def held(self) -> int:
        """How many parties are busy."""
        return self._holds

    def hold(self) -> None:
        """Keep the clock where it is until `release()`; calls nest."""
        self._holds += 1

    def release(self) -> None:
        """Take back one `hold()`."""
        if self._holds <= 0:
            raise RuntimeError("release() without hold()")
        self._holds -= 1

    @contextmanager
    def patience(self, real_s: float) -> Generator[None]:
        """Keep the clock while the block lasts, but at most `real_s` seconds of reality.

        For answers from outside this process, which virtual time would otherwise outrun.
        """
        if real_s <= 0:
            yield
            return
        token = object()
        self._patience[token] = time.perf_counter() + real_s
        try:
            yield
        finally:
            self._patience.pop(token, None)

    def patience_left_s(self) -> float:
        """Return how long, in reality, the clock still waits for answers from outside."""
        if not self._patience:
            return 0.0
        return max(self._patience.values()) - time.perf_counter()

    def real_us(self) -> int:
        """Return a real, monotonic clock in microseconds: for measuring the simulator itself."""
        return time.perf_counter_ns() // 1000

    def run_in_executor(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, executor: Executor | None, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """Run blocking work in a thread; virtual time waits for it."""
        future: asyncio.Future[_T] = self.create_future()
        self.hold()
        self._jobs.append((executor, partial(func, *args), future))
        return future

    def has_jobs(self) -> bool:
        """Tell whether executor jobs wait."""
        return bool(self._jobs)

    def work(self) -> None:
        """Do the executor job that waits longest, in its thread, and wait for it.

        One at a time, in the order in which they were asked for, and only when nothing is left to read: which
        thread was faster, and what had come in by then, is not to show. Who needs the loop before he can end
        is let go on beside it after a while.
        """
        executor, job, future = self._jobs.popleft()
        if future.done():  # nobody wants it any more
            self.release()
            return
        if executor is None:
            executor = self._common = self._common or ThreadPoolExecutor(thread_name_prefix="virtual")
        try:
            running = executor.submit(job)
        except RuntimeError as error:  # it was shut down meanwhile
            self.release()
            future.set_exception(error)
            return
        wait([running], _ALONE_S)
        if running.done():
            self._hand_out(running, future)
        else:
            running.add_done_callback(lambda ended: self.call_soon_threadsafe(self._hand_out, ended, future))

    def _hand_out(self, ended: concurrent.futures.Future[Any], future: asyncio.Future[Any]) -> None:
        self.release()
        if future.done():
            return
        error = ended.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(ended.result())

    def close(self) -> None:
        """Close the loop, and the threads that it started."""
        if self._common is not None:
            self._common.shutdown(wait=False)
        super().close()

    # -- pace ----------------------------------------------------------------------------------
    @property
    def speed(self) -> float | None:
        """Virtual seconds for a real second; None is as fast as possible."""
        return self._speed

    @speed.setter
    def speed(self, speed: float | None) -> None:
        if speed is not None and not speed > 0:
            raise ValueError(f"speed: {speed} is not above 0")
        self._speed = speed
        self._pace_real_s = time.perf_counter()
        self._pace_virtual_us = self._elapsed_us

    def lag_s(self) -> float:
        """Return by how many virtual seconds the world is behind its pace (0 without one)."""
        return max(0.0, (self._paced_us() - self._elapsed_us) / 1e6)

    def _paced_us(self) -> int:
        if self._speed is None:
            return self._elapsed_us
        passed = (time.perf_counter() - self._pace_real_s) * self._speed
        return self._pace_virtual_us + int(passed * 1e6)

    def leap(self, when_us: int) -> bool:
        """Move the clock to a world time at once, if nothing at all is to happen before; tell whether it did.

        What the loop would do by itself, without the way through its queue: for a node alone in the world.
        """
        due_us = when_us - self._start_us
        if self._speed is not None or self._holds or self._patience or self._ready:
            return False
        scheduled = self._scheduled
        if scheduled and scheduled[0].when() * 1e6 <= due_us + 1:  # be it cancelled: the loop clears those
            return False
        if self._waits.select(0):
            return False
        self.jump_to(due_us)
        return True

    # -- used by the selector ------------------------------------------------------------------
    def due_after(self, timeout: float) -> int:
        """Return the elapsed time, rounded up to a microsecond, that lies `timeout` seconds ahead."""
        return math.ceil(self._elapsed_us + timeout * 1e6 - 0.01)

    def real_delay_s(self, due_us: int) -> float:
        """Return how long to wait in reality before the clock may show `due_us`."""
        if self._speed is None:
            return 0.0
        ahead_us = due_us - self._paced_us()
        return ahead_us / 1e6 / self._speed

    def follow_pace(self, limit_us: int | None) -> None:
        """Move the clock to where the pace is, but not beyond the next timer."""
        target = self._paced_us() if limit_us is None else min(self._paced_us(), limit_us)
        self._elapsed_us = max(self._elapsed_us, target)

    def jump_to(self, due_us: int) -> None:
        """Move the clock to the next timer."""
        self._elapsed_us = max(self._elapsed_us, due_us)
        self.jumps += 1


class LoopClock:
    """Wall-clock time of a loop, in the shape that services expect (`now_ms()`)."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01T00:00:00Z."""
        return self._loop.now_us() // 1000


def run(main: Coroutine[Any, Any, _T], *, start_us: int = 0, speed: float | None = None) -> _T:
    """Run a coroutine on a `VirtualLoop` of its own, like asyncio.run()."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start_us, speed)) as runner:
        return runner.run(main)

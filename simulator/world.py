"""The world: one virtual clock, the nodes on it, and the order in which they touch what they share.

A node's process runs by itself between two waits and meanwhile the clock stands. What it does alone
(its own sensors) is answered at once at its own time. What others can notice (radio, network, sleeping)
waits in one queue, ordered by time and then by node, until the world gets there: so a run repeats
itself byte by byte, whatever the operating system does with the processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from pathlib import Path

from simulator.affinity import one_core
from simulator.loop import VirtualLoop
from simulator.mpycache import compiled
from simulator.node import NodeSettings, SimNode
from simulator.nodeproc import BOARD, SimulatorError, Spawner
from simulator.where import FIRMWARE


class NodeCrashedError(SimulatorError):
    """A node's program ended with an exception; the text is its traceback."""


class World:
    """Nodes on one virtual clock. Use as an async context manager inside a `VirtualLoop`."""

    def __init__(self, folder: Path, *, on_event: Callable[[int, str, str, str], None] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise SimulatorError("the world needs a VirtualLoop: run it with simulator.loop.run()")
        self.loop = loop
        self.folder = folder.resolve()  # a node's process works in a folder of its own
        self.spawner = Spawner(lambda error: self.broken(None, error))
        self.nodes: list[SimNode] = []
        self.shims = compiled(BOARD)
        self.firmware = compiled(FIRMWARE)
        self._core = contextlib.ExitStack()
        self._on_event = on_event
        self._queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self._queue_seq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us = 0
        self._crash: asyncio.Future[None] = loop.create_future()

    async def __aenter__(self) -> World:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.loop.speed is None or self.loop.speed > 1:
            self._core.enter_context(one_core())
        self.spawner.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes:
            node.power_off()
        if self._timer is not None:
            self._timer.cancel()
        await self.spawner.stop()
        self._core.close()
        if self._crash.done():
            self._crash.exception()  # it was raised by run_until, or the caller did not want to know

    def add_node(self, settings: NodeSettings) -> SimNode:
        """Put a node into the world, switched off; `power_on()` starts it."""
        node = SimNode(self, len(self.nodes), settings)
        self.nodes.append(node)
        return node

    async def run_until(self, until_us: int) -> None:
        """Let the world go on until a time (microseconds UTC). Raises NodeCrashedError with the traceback."""
        done: asyncio.Future[None] = self.loop.create_future()
        handle = self.loop.call_at_us(until_us, lambda: done.done() or done.set_result(None))
        try:
            await asyncio.wait([done, self._crash], return_when=asyncio.FIRST_COMPLETED)
        finally:
            handle.cancel()
        if self._crash.done():
            self._crash.result()

    async def run_for(self, seconds: float) -> None:
        """Let the world go on for some virtual seconds."""
        await self.run_until(self.loop.now_us() + round(seconds * 1e6))

    def crashed(self, node: SimNode, text: str) -> None:
        """Report that a node's program is broken: a run that waits ends with it."""
        self.event(node, "crash", text.strip().splitlines()[-1] if text.strip() else "no message")
        if not self._crash.done():
            self._crash.set_exception(
                NodeCrashedError(f"node {node.name} crashed; its log is {node.log}\n{text.strip()}")
            )

    def broken(self, node: SimNode | None, error: Exception) -> None:
        """Report a fault of the simulation itself: a run that waits raises it."""
        if not self._crash.done():
            if node is not None:
                error.add_note(f"while simulating node {node.name}")
            self._crash.set_exception(error)

    def event(self, node: SimNode, kind: str, text: str = "", at_us: int | None = None) -> None:
        """Tell the observer what happened: (time, node name, kind, text)."""
        if self._on_event is not None:
            self._on_event(self.loop.now_us() if at_us is None else at_us, node.name, kind, text)

    # -- the queue of what is shared -----------------------------------------------------------
    def at(self, t_us: int, index: int, action: Callable[[], None]) -> None:
        """Run an action when the world has reached t_us; ties go by node index."""
        self._queue_seq += 1
        heapq.heappush(self._queue, (t_us, index, self._queue_seq, action))
        if self._timer is None or t_us < self._timer_us:
            self._arm()

    def leap(self, t_us: int) -> bool:
        """Go to t_us at once, if nothing is to happen before; tell whether the world is there now."""
        return (not self._queue or self._queue[0][0] > t_us) and self.loop.leap(t_us)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue:
            self._timer_us = self._queue[0][0]
            self._timer = self.loop.call_at_us(self._timer_us, self._due)

    def _due(self) -> None:
        self._timer = None
        now = self.loop.now_us()
        due: list[Callable[[], None]] = []
        while self._queue and self._queue[0][0] <= now:
            due.append(heapq.heappop(self._queue)[3])
        self._arm()
        for action in due:
            action()

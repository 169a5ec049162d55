"""The process of a house: `python -m simulator.stage.housed FD ORDER`, started by `lockstep.HouseProcess`."""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from simulator.loop import LoopClock
from simulator.nodeproc import SimulatorError
from simulator.stage.houses import house_class
from simulator.stage.lockstep import FollowingLoop

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class House(Protocol):
    """What a house is: any class of `house = "module:class"` in a scenario.

    Made with (folder, settings, clock with now_ms(), tell(kind, who, what, facts)). Every other coroutine or
    method may be called by faults and by the accounts; arguments and answers are plain JSON.
    """

    async def start(self) -> dict[str, int]:
        """Start; return ports by name: `semtech_udp`, `broker`, `web`."""
        ...

    async def stop(self) -> None:
        """Store what was taken in, and close."""
        ...


class WrongClock(LoopClock):
    """The house's clock, which a fault may set wrong."""

    off_ms = 0

    def set_off(self, ms: int) -> None:
        """Be so far ahead from now on."""
        self.off_ms = ms

    def now_ms(self) -> int:
        """Return milliseconds since 1970, as this computer believes."""
        return super().now_ms() + self.off_ms


def die_at_flush(n: int, before: bool) -> None:
    """Let this process be killed at the n-th flush to disk from now, just before it or just after."""
    left = n

    def dying(flush: Callable[[int], None]) -> Callable[[int], None]:
        def run(fd: int) -> None:
            nonlocal left
            left -= 1
            if left > 0:
                flush(fd)
                return
            if not before:
                flush(fd)
            os.kill(os.getpid(), signal.SIGKILL)

        return run

    os.fsync = dying(os.fsync)
    os.fdatasync = dying(os.fdatasync)


async def _main(loop: FollowingLoop, order: dict[str, Any]) -> None:
    maker = house_class(order["house"])

    def tell(kind: str, who: str, what: str, facts: dict[str, Any]) -> None:
        loop.tell(event=[loop.now_us(), kind, who, what, facts])

    clock = WrongClock(loop)
    house: Any = maker(Path(order["folder"]), order["settings"], clock, tell)
    over = asyncio.Event()
    own: dict[str, Callable[..., Any]] = {
        "set_clock": clock.set_off,
        "die_at_flush": die_at_flush,
    }

    async def answer(n: int, name: str, arguments: list[Any]) -> None:
        try:
            value = (own.get(name) or getattr(house, name))(*arguments)
            if inspect.isawaitable(value):
                value = await value
            loop.tell(answer=n, value=value)
        except Exception as error:  # the caller is told, whatever it is
            loop.tell(answer=n, error=f"{type(error).__name__}: {error}")
        if name == "stop":
            over.set()

    tasks: set[asyncio.Task[None]] = set()

    def called(n: int, name: str, arguments: list[Any]) -> None:
        task = asyncio.create_task(answer(n, name, arguments))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.on_call = called
    loop.tell(ready=await house.start())
    await over.wait()


def die_with(parent: int) -> None:
    """Be killed when the stage's process ends, whatever this one does then (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it went before we could ask
            os._exit(0)


def main(fd: int, order: dict[str, Any]) -> None:
    """Run the house until it is told to stop, or the stage is gone."""
    die_with(order["parent"])
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    control = socket.socket(fileno=fd)
    with asyncio.Runner(
        loop_factory=lambda: FollowingLoop(control, order["now_us"], order["slack_us"])
    ) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, FollowingLoop)
        loop.patience_s = order["patience_s"]
        try:
            runner.run(_main(loop, order))
        except SimulatorError as error:  # said by the stage, in one sentence
            sys.exit(str(error))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))

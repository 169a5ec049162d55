"""Two processes on one virtual clock: the stage leads, a house behind it follows.

The house (a gateway, or what else stands behind the radio) runs on a `FollowingLoop` in a process of its
own, so that it can be killed. Whenever it has nothing to do it says until when, and waits; it goes on when
the stage's clock is there, or when the stage has sent it something. Meanwhile the stage's clock stands. So
both see the same times at every run.

On the socket pair between them: lines of JSON.
    house -> stage   {"ready": ports}   {"idle": microseconds UTC}   {"event": [...]}   {"answer": n, ...}
    stage -> house   {"now": microseconds UTC, "call": [n, name, arguments]?}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from simulator.loop import VirtualLoop
from simulator.nodeproc import SimulatorError
from simulator.where import FIRMWARE, SIMULATOR

_T = TypeVar("_T")
PATIENCE_S = 5.0  # of reality, for the answer of a platform
_ASK_AGAIN_S = 0.001
_PATIENT_S = 20.0  # a timer of so long is housekeeping: nothing on the air waits for it
_LOOK_S = 0.05  # of reality: how often a house at a set pace is let look at its sockets


class StageLoop(VirtualLoop):
    """The stage's loop: it tells when bytes have gone to somebody's socket."""

    def __init__(self, start_us: int = 0, speed: float | None = None) -> None:
        super().__init__(start_us, speed)
        self.on_sent: list[Callable[[], None]] = []

    def sent(self) -> None:
        """Say that something was sent to another process on the same clock."""
        for told in self.on_sent:
            told()

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        """Send, and tell."""
        await super().sock_sendall(sock, data)
        self.sent()

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect, and tell: the other side has somebody to accept."""
        self.call_soon(self.sent)
        await super().sock_connect(sock, address)
        self.sent()


def run_stage(main: Coroutine[Any, Any, _T], *, start_us: int, speed: float | None = None) -> _T:
    """Run a coroutine on a `StageLoop` of its own."""
    with asyncio.Runner(loop_factory=lambda: StageLoop(start_us, speed)) as runner:
        return runner.run(main)


class _Asked:
    """A client's connection: did it say something that has not been answered yet?"""

    def __init__(self, transport: Any, protocol: Any, patience_s: float) -> None:
        self._transport = transport
        self._until_s = 0.0
        write, data_received = transport.write, getattr(protocol, "data_received", None)
        if data_received is None:
            return

        def said(data: Any) -> None:
            self._until_s = time.monotonic() + patience_s
            write(data)

        def heard(data: bytes) -> None:
            self._until_s = 0.0
            data_received(data)

        transport.write, protocol.data_received = said, heard

    @property
    def over(self) -> bool:
        """Whether it is closed."""
        return bool(self._transport.is_closing())

    @property
    def waiting(self) -> bool:
        """Whether an answer may still come."""
        return not self.over and self._until_s > time.monotonic()


class FollowingLoop(VirtualLoop):
    """The house's loop: its clock moves only as the stage says."""

    patience_s = PATIENCE_S
    """For how long, of reality, an answer of a server outside is waited for."""

    def __init__(self, control: socket.socket, start_us: int, slack_us: int = 0) -> None:
        """slack_us: timers of _PATIENT_S or more fall together on multiples of it, as late as need be."""
        self._slack_us = slack_us
        super().__init__(start_us)
        self.control = control
        self.on_call: Callable[[int, str, list[Any]], None] = lambda _n, _name, _arguments: None
        self._asked: list[_Asked] = []
        self._begin_us = start_us
        self._allowed_us = 0
        self._lines = bytearray()
        self.call_later(1e9, lambda: None)  # there is always a next timer, so the loop always asks

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, **options: Any) -> Any:
        """Call back at a loop time; what may wait longer, at a whole multiple of the slack."""
        if self._slack_us and when - self.time() >= _PATIENT_S:
            at_us = self._begin_us + round(when * 1e6)
            when = (-(-at_us // self._slack_us) * self._slack_us - self._begin_us) / 1e6
        return super().call_at(when, callback, *args, **options)

    def tell(self, **message: Any) -> None:
        """Send one line to the stage."""
        self.control.sendall(json.dumps(message).encode() + b"\n")

    async def create_connection(self, *args: Any, **options: Any) -> Any:  # pyright: ignore
        """Connect as a client, and remember it: whoever is asked there answers in real time."""
        transport, protocol = await super().create_connection(*args, **options)
        asked = _Asked(transport, protocol, self.patience_s)
        self._asked = [one for one in self._asked if not one.over]
        self._asked.append(asked)
        return transport, protocol

    def real_delay_s(self, due_us: int) -> float:
        """Ask the stage whether the clock may move, and wait for the answer.

        Not before platforms outside have answered what they were asked, for some seconds of reality.
        """
        if any(one.waiting for one in self._asked):
            self._allowed_us = round(self.time() * 1e6)
            time.sleep(_ASK_AGAIN_S)
            return 0.0
        self.tell(idle=self._begin_us + due_us)
        message = self._next_line()
        self._allowed_us = message["now"] - self._begin_us
        if "call" in message:
            n, name, arguments = message["call"]
            self.call_soon(self.on_call, n, name, arguments)
        return 0.0

    def jump_to(self, due_us: int) -> None:
        """Move the clock to where the stage is, at most to the next timer."""
        super().jump_to(min(due_us, self._allowed_us))

    def _next_line(self) -> dict[str, Any]:
        while b"\n" not in self._lines:
            data = self.control.recv(65536)
            if not data:
                os._exit(0)  # the stage is gone: so is the world
            self._lines += data
        line, _, rest = bytes(self._lines).partition(b"\n")
        self._lines = bytearray(rest)
        return json.loads(line)


class HouseProcess:
    """The stage's end: starts the house, lets it follow, kills it."""

    def __init__(
        self,
        loop: StageLoop,
        house: str,
        folder: Path,
        settings: dict[str, Any],
        on_event: Callable[[list[Any]], None],
        slack_us: int = 0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """house: "module:class". on_event: told (t_us, kind, who, what, facts) of what happens inside."""
        self._slack_us, self._patience_s = slack_us, patience_s
        self.loop = loop
        self.ports: dict[str, int] = {}
        self.starts = 0
        self.steps = 0
        self._house, self._folder, self._settings, self._on_event = house, folder, settings, on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._buffer = bytearray()
        self._holds = False
        self._again = False
        self._due: asyncio.TimerHandle | None = None
        self._ready: asyncio.Future[dict[str, int]] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._outbox: list[list[Any]] = []
        self._next_call = 0
        self._pace: asyncio.Task[None] | None = None
        self._stopping = False
        self.on_death: Callable[[], None] = lambda: None
        self.max_rss_kib = 0
        self.cpu_s = 0.0
        """Processor time of its processes until each was last looked at: when it is stopped or killed."""

    @property
    def pid(self) -> int | None:
        """Process id, None while it does not run."""
        return self._process.pid if self._process else None

    async def start(self) -> dict[str, int]:
        """Start the house and return its ports by name. SimulatorError with what it said when it cannot."""
        ours, theirs = socket.socketpair()
        self._control = ours
        ours.setblocking(False)
        loop = self.loop
        log = (self._folder / "house.log").open("ab")
        environment = {**os.environ, "PYTHONPATH": f"{SIMULATOR.parent}:{FIRMWARE}"}
        order = json.dumps(
            {
                "house": self._house,
                "folder": str(self._folder),
                "settings": self._settings | {f"{k}.port": v for k, v in self._kept_ports().items()},
                "now_us": loop.now_us(),
                "slack_us": self._slack_us,
                "patience_s": self._patience_s,
                "parent": os.getpid(),
            }
        )
        with log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it does not block
                [sys.executable, "-m", "simulator.stage.housed", str(theirs.fileno()), order],
                pass_fds=[theirs.fileno()],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        theirs.close()
        self.starts += 1
        self._stopping = False
        self._ready = loop.create_future()
        self._ended = loop.create_future()
        self._hold()
        loop.add_reader(ours.fileno(), self._on_readable)
        loop.on_sent.append(self.look)
        if loop.speed is not None:
            self._pace = loop.create_task(self._keep_looking())
        await asyncio.wait([self._ready, self._ended], return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            raise SimulatorError(f"the gateway did not start: {self.log_tail()}")
        self.ports = self._ready.result()
        return self.ports

    def look(self) -> None:
        """Let the house look at its sockets: something was sent to it."""
        if self._control is None:
            return
        if self._holds:
            self._again = True
        else:
            self._go()

    async def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the house and return what it answers."""
        if self._control is None:
            raise SimulatorError(f"{name}: the gateway does not run")
        n = self._next_call = self._next_call + 1
        future = self._calls[n] = self.loop.create_future()
        self._outbox.append([n, name, list(arguments)])
        self.look()
        return await future

    def kill(self) -> None:
        """kill -9, wherever it is."""
        if self._process is not None:
            self._sample_memory()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._gone()

    async def stop(self) -> None:
        """End it as a service manager does: it stores what it has and closes its files."""
        if self._process is None:
            return
        self._stopping = True
        self._sample_memory()
        if self._control is not None:
            with contextlib.suppress(SimulatorError):
                await self.call("stop")
        self._gone()

    async def dead(self) -> None:
        """Return when the process has ended, by itself or killed."""
        if self._ended is not None and not self._ended.done():
            await asyncio.shield(self._ended)

    def log_tail(self, lines: int = 12) -> str:
        """Return the end of what the house printed."""
        path = self._folder / "house.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    # -- within ----------------------------------------------------------------------------------
    def _kept_ports(self) -> dict[str, int]:
        """After a restart it must listen where it did: others know the address."""
        names = {"web": "web", "semtech_udp": "semtech_udp", "broker": "broker"}
        return {names[name]: port for name, port in self.ports.items() if name in names}

    def _sample_memory(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError, ValueError, StopIteration):
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            row = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            self.max_rss_kib = max(self.max_rss_kib, int(row.split()[1]))
            ticks = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            self.cpu_s += (int(ticks[11]) + int(ticks[12])) / os.sysconf(
                "SC_CLK_TCK"
            )  # proc(5): utime, stime

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S * (self.loop.speed or 1.0))
            self.look()

    def _hold(self) -> None:
        if not self._holds:
            self._holds = True
            self.loop.hold()

    def _release(self) -> None:
        if self._holds:
            self._holds = False
            self.loop.release()

    def _go(self) -> None:
        if self._control is None:
            return
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._hold()
        self._again = False
        self.steps += 1
        message: dict[str, Any] = {"now": self.loop.now_us()}
        if self._outbox:
            message["call"] = self._outbox.pop(0)
            self._again = bool(self._outbox)
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._gone()

    def _on_readable(self) -> None:
        assert self._control is not None
        try:
            data = self._control.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone()
            return
        self._buffer += data
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            self._message(json.loads(line))

    def _message(self, message: dict[str, Any]) -> None:
        if "idle" in message:
            if self._again or self._outbox:
                self._go()
                return
            self._due = self.loop.call_at_us(message["idle"], self._go)
            self._release()
        elif "event" in message:
            self._on_event(message["event"])
        elif "ready" in message and self._ready is not None and not self._ready.done():
            self._ready.set_result(message["ready"])
        elif "answer" in message:
            future = self._calls.pop(message["answer"], None)
            if future is not None and not future.done():
                if "error" in message:
                    future.set_exception(SimulatorError(message["error"]))
                else:
                    future.set_result(message["value"])

    def _gone(self) -> None:
        """Forget a process that has ended."""
        if self._control is not None:
            self.loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self.look in self.loop.on_sent:
            self.loop.on_sent.remove(self.look)
        if self._pace is not None:
            self._pace.cancel()
            self._pace = None
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._buffer.clear()
        self._outbox.clear()
        self._again = False
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            if not self._stopping:
                self.on_death()
        self._release()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(SimulatorError("the gateway ended meanwhile"))
        self._calls.clear()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

"""Node processes: real MicroPython, one operating system process a life of a node.

A life ends with deep sleep, a reset or a power cut; the next one is a fork of the zygote away.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from simulator.where import SIMULATOR

BOARD = SIMULATOR / "board"

HEAP_BYTES = 512 * 1024
"""Heap of a simulated ESP32. Measured with `gc.mem_alloc`: the loaded bytecode takes 200 KB (32 KB more with
codec 2), which a chip has frozen in flash, and the shims 42 KB. The other 270 KB hold what 135 KB (pointers
and objects are 8 bytes wide here, 4 on the chip) to 270 KB (plain bytes) do on a board: an ESP32 leaves 110
to 160 KB."""


class SimulatorError(Exception):
    """The simulation cannot run; the text says what to do about it."""


def micropython_folder() -> Path:
    """Return the folder of the MicroPython unix port; SimulatorError when it is not installed."""
    spec = importlib.util.find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise SimulatorError("MicroPython is missing: pip install 'meetnet[simulator]'")
    return Path(spec.origin).parent


class Spawner:
    """Starts and kills node processes through the zygote. One a street; `start()` before use."""

    def __init__(self, on_fault: Callable[[Exception], None]) -> None:
        """on_fault: told when the zygote dies."""
        self._on_fault = on_fault
        self._control: socket.socket | None = None
        self._zygote: subprocess.Popen[bytes] | None = None
        self._next = 0
        self._on_exit: dict[int, Callable[[int], None]] = {}
        self._inbox = bytearray()

    def start(self) -> None:
        """Start the zygote; needs the running loop."""
        ours, theirs = socket.socketpair()
        script = SIMULATOR / "_zygote.py"
        command = [sys.executable, "-I", "-S", str(script), str(micropython_folder()), str(theirs.fileno())]
        self._zygote = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()
        self._control = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._on_readable)

    @property
    def pid(self) -> int | None:
        """Process id of the zygote, the parent of all node processes."""
        return self._zygote.pid if self._zygote else None

    def spawn(
        self,
        link: int,
        argv: list[str],
        cwd: Path,
        env: dict[str, str],
        log: Path,
        on_exit: Callable[[int], None],
        console: Path | None = None,
    ) -> int:
        """Start a process with descriptor `link`; return its id here.

        on_exit is called with the exit code (negative: the signal that ended it).
        console: a terminal that the process reads and writes instead of the log.
        """
        ident = self._next
        self._next += 1
        self._on_exit[ident] = on_exit
        order = {"spawn": ident, "argv": argv, "cwd": str(cwd), "env": env, "log": str(log)}
        if console is not None:
            order["console"] = str(console)
        self._order(order, array.array("i", [link]))
        return ident

    def kill(self, ident: int) -> None:
        """End a process at once, as a power cut does; nothing happens when it has ended."""
        if ident in self._on_exit:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the zygote went before
                self._order({"kill": ident}, None)

    async def stop(self) -> None:
        """Kill what still runs and end the zygote."""
        if self._control is None or self._zygote is None:
            return
        for ident in list(self._on_exit):
            self.kill(ident)
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        try:
            self._zygote.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._zygote.pid, signal.SIGKILL)
            self._zygote.wait()
        while self._on_exit:
            self._on_exit.popitem()[1](-signal.SIGKILL)

    def _order(self, order: Mapping[str, object], fds: array.array[int] | None) -> None:
        if self._control is None:
            raise SimulatorError("the street is closed")
        body = json.dumps(order).encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds is not None else []
        data = struct.pack("<I", len(body)) + body
        sent = self._control.sendmsg([data], ancillary)
        if sent < len(data):
            self._control.sendall(data[sent:])

    def _on_readable(self) -> None:
        assert self._control is not None
        data = self._control.recv(65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._on_fault(SimulatorError("the parent process of the nodes died"))
            return
        inbox = self._inbox
        inbox += data
        while len(inbox) >= 4:
            end = 4 + struct.unpack_from("<I", inbox)[0]
            if len(inbox) < end:
                break
            report = json.loads(inbox[4:end])
            del inbox[:end]
            on_exit = self._on_exit.pop(report["exit"], None)
            if on_exit is not None:
                on_exit(os.waitstatus_to_exitcode(report["status"]))

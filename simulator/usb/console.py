"""What a board runs after it has booted: real MicroPython with its sensors, on the files of its flash.

The file system is read from the flash chip with littlefs itself (littlefs-python), as far as it is one; its
files become the node's own, so what runs is what was flashed, byte by byte. A program that is interrupted
(Ctrl-C) leaves MicroPython's own prompt: that of the unix port, raw REPL and all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from simulator import loop
from simulator.mpycache import compiled
from simulator.node import NodeSettings, SimNode
from simulator.nodeproc import BOARD
from simulator.usb.board import UsbBoard
from simulator.usb.flash import FlashChip
from simulator.usb.partitions import read_table
from simulator.where import FIRMWARE
from simulator.world import World

_BLOCK = 4096
Settings = Callable[[Path], NodeSettings]


def files_of(flash: FlashChip, label: str = "vfs") -> dict[str, bytes]:
    """Return every file of a flash chip's littlefs by its path; {} when there is none that mounts."""
    from littlefs import LittleFS, LittleFSError

    found = next((row for row in read_table(flash) if row.label == label), None)
    if found is None:
        return {}
    try:
        fs = LittleFS(block_size=_BLOCK, block_count=found.size // _BLOCK, mount=False)
        fs.context.buffer = bytearray(flash.read(found.offset, found.size))
        fs.mount()
    except LittleFSError:
        return {}
    files: dict[str, bytes] = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with cast("Any", fs.open(path, "rb")) as file:  # pyright: ignore
                files[path.lstrip("/")] = file.read()
    return files


def ready() -> None:
    """Compile what a world needs beside the flash, so that the first board starts as quickly as others."""
    compiled(BOARD)
    compiled(FIRMWARE)


class Console:
    """The application of a UsbBoard: `UsbBoard(..., application=partial(Console, ...))`.

    settings: makes the NodeSettings of a life from the folder that holds its flash files. runs: whether the
    program of the flash runs after a boot; else the board waits for somebody at its prompt.
    """

    def __init__(self, board: UsbBoard, settings: Settings, folder: Path, *, runs: bool = False) -> None:
        self._board = board
        self._make = settings
        self._folder = folder / f"boot-{board.boots}"
        self._runs = runs
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave_path = Path(os.ttyname(slave))
        self._slave = slave
        self._wake, self._stop = os.pipe()
        self._prompt = not runs
        self._started = threading.Event()
        self._loop: Any = None
        self._threads: list[threading.Thread] = []
        if runs:
            self._start()

    def feed(self, data: bytes) -> None:
        """Bytes of the host, for the program or the prompt."""
        if not self._threads:
            self._start()
        elif not self._prompt and b"\x03" in data and b"IMPROV" not in data:
            self._interrupt()
        os.write(self._master, data)

    def close(self) -> None:
        """Cut the power."""
        if self._threads:
            self._end_world()
            os.write(self._stop, b"x")
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join(10)
            self._threads = []
        for fd in (self._master, self._slave, self._wake, self._stop):
            with contextlib.suppress(OSError):
                os.close(fd)

    # -- within

    def _start(self) -> None:
        self._write_files()
        world = threading.Thread(target=self._world, name="usb-world", daemon=True)
        pump = threading.Thread(target=self._pump, name="usb-console", daemon=True)
        self._threads = [world, pump]
        for thread in self._threads:
            thread.start()
        self._started.wait(20)

    def _write_files(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        for name, content in files_of(self._board.flash).items():
            path = self._folder / "node" / "flash" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self._folder / "node" / "flash").mkdir(parents=True, exist_ok=True)

    def _interrupt(self) -> None:
        """End the program; the prompt takes its place, on the same files."""
        self._end_world()
        self._prompt = True
        self._started.clear()
        self._threads[0].join(10)
        self._threads[0] = threading.Thread(target=self._world, name="usb-world", daemon=True)
        self._threads[0].start()
        self._started.wait(20)

    def _end_world(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)

    def _world(self) -> None:
        with contextlib.suppress(RuntimeError):
            loop.run(self._live(), start_us=time.time_ns() // 1000, speed=1.0)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        async with World(self._folder) as world:
            flash = self._folder / "node" / "flash"
            settings = self._make(flash)
            settings.name = "node"
            settings.mac = self._board.mac
            settings.console = self._slave_path
            settings.prompt = self._prompt
            settings.path = (flash,)
            node: SimNode = world.add_node(settings)
            node.power_on(self._loop.now_us() - 1_000_000)
            self._started.set()
            await self._end.wait()
        self._loop = None

    def _pump(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._wake], [], [])
            if self._wake in readable:
                return
            with contextlib.suppress(OSError):
                self._board.send(os.read(self._master, 65536))

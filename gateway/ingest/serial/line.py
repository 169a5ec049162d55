"""One serial line: opened, read as bytes come, written without waiting, lost when the cable is pulled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, cast

import serial

from wire import cable

Frame = tuple[int, int, bytes]
_CHUNK = 4096


class Line:
    """on_frame is called on the loop for each frame. `lost` is done, with the reason, when the line ends."""

    def __init__(self, path: str, baudrate: int, on_frame: Callable[[Line, Frame], None]) -> None:
        """Open the port; OSError (serial.SerialException is one) when it cannot be had."""
        self.path = path
        self._on_frame = on_frame
        self._splitter = cast("Any", cable.Splitter())
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._port = serial.Serial(path, baudrate, timeout=0, exclusive=True)
        self._fd = self._port.fileno()
        self._loop.add_reader(self._fd, self._readable)

    @property
    def bad(self) -> int:
        """How many pieces between frames were no frames: what the node prints, and what was torn."""
        return self._splitter.bad

    def send(self, kind: int, number: int, body: bytes = b"") -> bool:
        """Put a frame on the line; False when the other side does not read. It will ask again."""
        data = cable.framed(kind, number, body)
        if self.lost.done():
            return False
        try:
            return os.write(self._fd, data) == len(data)
        except BlockingIOError:
            return False
        except OSError as error:
            self._end(error)
            return False

    def close(self) -> None:
        """Give the port back."""
        self._end("closed")

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if not data:
            self._end("the device is gone")
            return
        for frame in cast("list[Frame]", self._splitter.feed(data)):
            self._on_frame(self, frame)

    def _end(self, why: object) -> None:
        if not self.lost.done():
            self._loop.remove_reader(self._fd)
            self.lost.set_result(str(why))
            self._port.close()

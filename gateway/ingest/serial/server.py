"""Nodes on cables: several ports, looked for again and again, each frame answered when it is durable.

Who is on a cable is trusted as far as the register goes: a device that is registered with the transport
`serial` may come in on any of the ports.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.ingest.mqtt.waiting import WaitingCommands
from gateway.ingest.serial.line import Frame, Line
from gateway.model import Uplink, UplinkSink
from wire import cable

SOURCE = "serial"
RESCAN_S = 2.0
MOST_WAITING = 64  # frames of one line
EUI_BYTES = 8


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """ports: paths of devices, with * for several."""

    ports: tuple[str, ...]
    baudrate: int = 115200


class SerialIngest:
    """Create, `await start()`, `await close()`. It is also the way to the nodes on its cables."""

    def __init__(
        self,
        sink: UplinkSink,
        is_ours: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
        waiting: WaitingCommands,
        settings: SerialSettings,
    ) -> None:
        """is_ours: whether a DevEUI is registered as being on a cable."""
        self._sink = sink
        self._is_ours = is_ours
        self._clock = clock
        self._counters = counters
        self._waiting = waiting
        self._settings = settings
        self._lines: dict[str, asyncio.Task[None]] = {}
        self._open: dict[str, Line] = {}
        self._heard_ms: dict[str, int] = {}
        self._where: dict[str, str] = {}
        self._scanner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for the ports, and go on for ever."""
        self._scanner = asyncio.create_task(self._scan(), name="meetnet-serial")

    async def close(self) -> None:
        """Answer what is on its way and give the ports back."""
        if self._scanner is not None:
            self._scanner.cancel()
            await asyncio.gather(self._scanner, return_exceptions=True)
        for line in [*self._open.values()]:
            line.close()
        await asyncio.gather(*self._lines.values(), return_exceptions=True)

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard through here, None when it never was."""
        return self._heard_ms.get(dev_eui)

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Keep a command until the node has taken it; RegistryError when too many wait."""
        return self._waiting.add(dev_eui, f_port, payload).id

    def status(self) -> dict[str, Any]:
        """Return the open ports with what came that was no frame, and which node was heard where."""
        return {"ports": {path: line.bad for path, line in self._open.items()}, "nodes": dict(self._where)}

    # -- ports

    async def _scan(self) -> None:
        while True:
            for pattern in self._settings.ports:
                for path in _paths(pattern):
                    if path not in self._lines:
                        self._try(path)
            await asyncio.sleep(RESCAN_S)

    def _try(self, path: str) -> None:
        frames: deque[Frame] = deque(maxlen=MOST_WAITING)  # of more the oldest go: they are sent again
        news = asyncio.Event()

        def came(_: Line, frame: Frame) -> None:
            frames.append(frame)
            news.set()

        try:
            line = Line(path, self._settings.baudrate, came)
        except (OSError, ValueError) as error:
            self._counters.count("ingest.serial_unreachable", f"{path}: {error}")
            return
        self._open[path] = line
        task = asyncio.create_task(self._serve(line, frames, news), name=f"meetnet-serial-{path}")
        self._lines[path] = task
        task.add_done_callback(lambda _: (self._lines.pop(path, None), self._open.pop(path, None)))

    async def _serve(self, line: Line, frames: deque[Frame], news: asyncio.Event) -> None:
        line.lost.add_done_callback(lambda _: news.set())
        while True:
            while frames:
                try:
                    await self._take(line, frames.popleft())
                except IngestError as error:
                    self._counters.count(error.cause, f"{line.path}: {error}")
                except StoreError:  # counted where it happened; without an answer the node sends it again
                    pass
                except Exception as error:  # a fault of ours with one frame must not end the line
                    self._counters.count("ingest.serial_internal_error", f"{line.path}: {error!r}")
            if line.lost.done():
                self._counters.count("ingest.serial_disconnected", f"{line.path}: {line.lost.result()}")
                return
            news.clear()
            if not frames:
                await news.wait()

    # -- frames

    async def _take(self, line: Line, frame: Frame) -> None:
        kind, number, body = frame
        if kind == cable.HELLO:
            self._known(line, body)
            line.send(cable.ACK, number)
            self._tell_time(line)
        elif kind == cable.ASK:
            self._tell_time(line)
        elif kind == cable.TAKEN:
            for dev_eui, path in self._where.items():
                if path == line.path:
                    for command in self._waiting.of(dev_eui):
                        if command.id == body.hex():
                            self._waiting.done(dev_eui, command)
                            self._counters.count("ingest.serial_downlinks")
        elif kind == cable.DATA:
            dev_eui = self._known(line, body[:EUI_BYTES])
            if len(body) <= EUI_BYTES + 1 or not 1 <= body[EUI_BYTES] <= 223:
                raise IngestError("ingest.serial_malformed", f"{dev_eui}: a frame without port or payload")
            now_ms = self._clock.now_ms()
            await self._sink.accept(Uplink(SOURCE, dev_eui, body[EUI_BYTES], body[EUI_BYTES + 1 :], now_ms))
            self._counters.count("ingest.serial_uplinks")
            self._heard_ms[dev_eui] = now_ms
            for command in self._waiting.of(dev_eui):
                name = bytes.fromhex(command.id) + bytes((command.f_port,))
                line.send(cable.COMMAND, 0, name + command.payload)
            line.send(cable.ACK, number)

    def _known(self, line: Line, eui: bytes) -> str:
        dev_eui = eui.hex()
        if len(eui) != EUI_BYTES or not self._is_ours(dev_eui):
            raise IngestError(
                "ingest.serial_foreign",
                f"{dev_eui} is not registered as being on a cable: meetnet device add --transport serial",
            )
        self._where[dev_eui] = line.path
        return dev_eui

    def _tell_time(self, line: Line) -> None:
        line.send(cable.TIME, 0, self._clock.now_ms().to_bytes(8, "little"))


def _paths(pattern: str) -> list[str]:
    if "*" not in pattern:
        return [pattern]
    root = Path("/") if pattern.startswith("/") else Path()
    return sorted(str(path) for path in root.glob(pattern.lstrip("/")))

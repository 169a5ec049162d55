"""Two hundred nodes in one process: the node's own update code and frozen main.py, on folders of this
machine.

What stands in is only what is around them: NVS, the chip's reset cause, and a network that carries payloads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from gateway.counters import Counters
from gateway.model import Uplink
from gateway.update import UpdateBook, UpdateService
from node.inbox import Inbox
from node.slots import FOLDERS, Slots
from node.updates import Updates
from simulator.where import FIRMWARE
from wire import ports, update

POWER, HARD = 1, 2


class Nvs:
    def __init__(self, blobs: dict[str, bytes]) -> None:
        self.blobs = blobs

    def load(self, name: str) -> bytes | None:
        return self.blobs.get(name)

    def save(self, name: str, value: bytes) -> None:
        self.blobs[name] = bytes(value)

    def get_blob(self, name: str, buf: bytearray) -> int:
        if name not in self.blobs:
            raise OSError(-4354)
        value = self.blobs[name]
        buf[: len(value)] = value
        return len(value)

    set_blob = save

    def commit(self) -> None: ...


def frozen(blobs: dict[str, bytes], cause: int) -> str:
    """Run main.py's choice for a start; return the folder that goes first in the search path, "" for none."""
    esp32, machine = ModuleType("esp32"), ModuleType("machine")
    vars(esp32)["NVS"] = lambda _namespace: Nvs(blobs)
    vars(machine).update(
        PWRON_RESET=1, HARD_RESET=2, WDT_RESET=3, DEEPSLEEP_RESET=4, reset_cause=lambda: cause
    )
    before = list(sys.path)
    known = {name: sys.modules.get(name) for name in ("esp32", "machine")}
    sys.modules |= {"esp32": esp32, "machine": machine}
    try:
        names: dict[str, Any] = {"__name__": "frozen"}
        exec(compile((FIRMWARE / "main.py").read_text(), "main.py", "exec"), names)
        names["_choose"]()
        added = [path for path in sys.path if path not in before]
    finally:
        sys.path[:] = before
        for name, module in known.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return added[0] if added else ""


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class FleetNode:
    """One node: starts, is spoken to, answers."""

    def __init__(self, folder: Path, dev_eui: str, key: bytes, *, allowed: bool = True) -> None:
        self.folder, self.dev_eui, self._key, self._allowed = folder, dev_eui, key, allowed
        folder.mkdir()
        self.blobs: dict[str, bytes] = {}
        self.boots = 0
        self.touched_boot: int | None = None
        self.back_boot: int | None = None
        self.start(POWER)

    def start(self, cause: int) -> None:
        """Start as the chip does."""
        self.boots += 1
        with _inside(self.folder):
            self.slot = frozen(self.blobs, cause)
            slots = Slots(Nvs(self.blobs))
            self.updates = Updates(
                Nvs(self.blobs), slots, Inbox(), (3, 6, "sim_air"), self._key, self._allowed
            )

    @property
    def runs_bad(self) -> bool:
        """Whether the application that runs is one that crashes."""
        mark = self.folder / self.slot / "node" / "start.py"
        return bool(self.slot) and "bug" in mark.read_text()

    def live(self, service_bytes: Any, downlinks: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """One interval: obey, work, and return what is sent."""
        if self.runs_bad:
            if self.touched_boot is None:
                self.touched_boot = self.boots
            self.start(HARD)
            if not self.runs_bad and self.back_boot is None:
                self.back_boot = self.boots
            return []
        sent: list[tuple[int, bytes]] = [(ports.RECORDS, b"")]
        with _inside(self.folder):
            for port, payload in downlinks:
                if port == ports.COMMANDS and payload[0] == update.OFFER:
                    answer = self.updates.offer(payload)
                    if answer is not None:
                        sent.append((ports.COMMANDS, answer))
            while (wanted := self.updates.fetches) is not None:
                data = service_bytes(wanted[0].hex())
                if data is None or not self.updates.fetched(wanted[2], data[wanted[2] : wanted[2] + 16384]):
                    break
            while self.updates.works:
                self.updates.work()
            if self.updates.ready:
                self.updates.go()
            sent += self.updates.answers
            for _port, payload in self.updates.answers:
                self.updates.told(payload)
            self.updates.answers.clear()
            self.updates.heard()
        if self.updates.reset_due:
            self.start(HARD)
        return sent


class Fleet:
    """Nodes, the gateway's service, and time in steps of an interval."""

    def __init__(self, folder: Path, count: int, key: bytes, refusing: int = 0) -> None:
        self.now_ms = 1_790_000_000_000
        self.counters = Counters()
        self.book = UpdateBook(folder)
        self.queue: dict[str, list[tuple[int, bytes]]] = {}
        self.events: set[str] = set()
        self.service = UpdateService(
            self.book,
            SimpleNamespace(enqueue=self._enqueue),  # type: ignore[arg-type]
            lambda _dev: "mqtt",
            lambda dev: dev in self.events,
            self.counters,
            lambda: self.now_ms,
            lambda: 80,
        )
        nodes = folder / "nodes"
        nodes.mkdir()
        self.nodes = {
            f"{i:016x}": FleetNode(nodes / str(i), f"{i:016x}", key, allowed=i >= refusing)
            for i in range(count)
        }

    async def _enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        del confirmed
        self.queue.setdefault(dev_eui, []).append((f_port, payload))
        return "x"

    def _bytes(self, bundle_id: str) -> bytes | None:
        path = self.book.offered(bundle_id)
        return path.read_bytes() if path is not None else None

    async def run(self, intervals: int, interval_s: int = 6 * 3600) -> None:
        """Let time pass; every node is heard once an interval."""
        for _ in range(intervals):
            self.now_ms += interval_s * 1000
            for dev_eui, node in self.nodes.items():
                sent = node.live(self._bytes, self.queue.pop(dev_eui, []))
                self.service.heard(
                    [Uplink("broker", dev_eui, port, payload, self.now_ms) for port, payload in sent]
                )
            for _ in range(3):
                await asyncio.sleep(0)

    def on_slot(self) -> int:
        """How many run an application that came as an update."""
        return sum(node.slot in FOLDERS[1:] for node in self.nodes.values())

"""A house for tests: answers datagrams, tells the time, can be broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

Tell = Callable[[str, str, str, dict[str, Any]], None]


class House(asyncio.DatagramProtocol):
    def __init__(self, folder: Path, settings: dict[str, Any], clock: Any, tell: Tell) -> None:
        self.clock, self.tell, self.settings, self.folder = clock, tell, settings, folder

    async def start(self) -> dict[str, int]:
        if self.settings.get("broken"):
            raise ValueError("made to fail")
        loop = asyncio.get_running_loop()
        port = self.settings.get("semtech_udp.port", 0)
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        self.transport = transport
        self.ticking = asyncio.create_task(asyncio.sleep(0) if self.settings.get("still") else self.tick())
        return {"semtech_udp": transport.get_extra_info("sockname")[1]}

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(0.3)
            self.tell("gateway", "toy", "tick", {"ms": self.clock.now_ms()})

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.tell("gateway", "toy", "got", {"data": data.hex(), "ms": self.clock.now_ms()})
        self.transport.sendto(data[::-1], addr)

    async def slow(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def wakes(self, pauses_s: list[float]) -> list[int]:
        """Sleep for each, all at once; return the whole seconds at which each was over."""

        async def sleep(pause_s: float) -> int:
            await asyncio.sleep(pause_s)
            return int(self.clock.now_ms() // 1000)

        return list(await asyncio.gather(*(sleep(pause_s) for pause_s in pauses_s)))

    def spin(self) -> None:
        while True:
            pass

    async def stop(self) -> None:
        self.ticking.cancel()
        self.transport.close()

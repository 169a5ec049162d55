"""A street that lives on a clock which the test moves, while a browser looks at it.

The world and the gateway run on a virtual loop in a thread of their own. Its clock is held: pages answer,
and time stands still, until the test says `advance`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from gateway.app import Gateway
from gateway.registry import Registry, import_devices
from simulator import loop as virtual
from simulator.plan import PlannedNode, write_provisioning
from simulator.street import Street, StreetConfig
from tests.system.house import config

T = TypeVar("T")
START_S = 1_780_920_000  # 2026-06-08T12:00:00Z, a Monday in summer time


class Living:
    """`with Living(folder, nodes) as place:`; place.url is where the pages are."""

    def __init__(
        self, folder: Path, planned: list[PlannedNode], interval_s: int = 300, **street: Any
    ) -> None:
        """street: more fields of StreetConfig, as `around` and `forwarder`."""
        self._folder, self._planned, self._interval_s = folder, planned, interval_s
        self._more = street
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run)
        self.gateway: Gateway
        self.street: Street
        self.loop: virtual.VirtualLoop

    def __enter__(self) -> Living:
        self._thread.start()
        self._ready.result(60)
        return self

    def __exit__(self, *error: object) -> None:
        if self._ready.done() and self._ready.exception() is None:
            self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(60)

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.gateway.ports['web']}"

    def now_ms(self) -> int:
        """What the clock says."""
        return self.loop.now_us() // 1000

    def advance(self, seconds: float) -> None:
        """Let the world live for some virtual seconds, and all that came in be stored."""

        async def live() -> None:
            self.loop.release()
            try:
                await self.street.world.run_for(seconds)
            finally:
                self.loop.hold()
            await self.gateway.drained()

        asyncio.run_coroutine_threadsafe(live(), self.loop).result(120)

    def call(self, work: Callable[[], T]) -> T:
        """Do something in the world's own thread."""

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(60)

    def node(self, site_id: str) -> Any:
        """Return a simulated node."""
        return self.street.nodes[site_id]

    def _run(self) -> None:
        try:
            virtual.run(self._live(), start_us=START_S * 1_000_000)
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            else:
                raise

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        self.loop, self._end = loop, asyncio.Event()
        provisioning = self._folder / "street" / "street.json"
        write_provisioning(provisioning, self._planned)
        registry = Registry(self._folder / "gateway")
        assert all(row.outcome == "added" for row in import_devices(registry, provisioning))
        registry.close()
        settings = config(self._folder, web__time_zone="Europe/Brussels", web__refresh_s=1)
        self.gateway = Gateway(settings, virtual.LoopClock(loop))
        await self.gateway.start()
        try:
            street = StreetConfig(
                folder=self._folder / "street",
                nodes=len(self._planned),
                planned=self._planned,
                interval_s=self._interval_s,
                semtech_udp=("127.0.0.1", self.gateway.ports["semtech_udp"]),
                mqtt=("127.0.0.1", self.gateway.ports["broker"]),
                power_on=False,
                **self._more,
            )
            async with Street(street) as self.street:
                loop.hold()
                self._ready.set_result(None)
                await self._end.wait()
                loop.release()
        finally:
            await self.gateway.stop()

"""Runs a whole house for a system test: real firmware, radio, gateway, store, on one virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.app import Gateway
from gateway.config import Config
from gateway.model import PublicObservation
from gateway.registry import Registry, import_devices
from simulator import loop as virtual
from simulator.channel.model import RadioModel
from simulator.interfaces import City
from simulator.plan import plan, write_provisioning
from simulator.replay import Recording
from simulator.street import Street, StreetConfig

HOUR_S = 3600
Meanwhile = Callable[[Gateway, Street], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """What a run left behind. observations are in order of observed time."""

    observations: list[PublicObservation]
    counters: dict[str, int]
    street: Street
    start_s: int
    status: dict[str, Any]

    def of(self, site_id: str, quantity: str) -> list[PublicObservation]:
        """Return one series."""
        return [o for o in self.observations if (o.site_id, o.quantity) == (site_id, quantity)]


def config(folder: Path, **values: Any) -> Config:
    """Return a gateway on loopback with free ports."""
    settings = {
        "data.directory": str(folder / "gateway"),
        "data.segment_mib": 1,
        "semtech_udp.port": 0,
        "broker.port": 0,
        "web.port": 0,
    }
    return Config({**settings, **{key.replace("__", "."): value for key, value in values.items()}})


def run_house(
    folder: Path,
    *,
    nodes: int,
    virtual_s: float,
    start_s: int,
    interval_s: int = 300,
    replay: Recording | None = None,
    seed: int = 1,
    meanwhile: Meanwhile | None = None,
    overrides: dict[str, Any] | None = None,
    city: City | None = None,
    radio: RadioModel | None = None,
) -> Outcome:
    """Let a street live for virtual_s from start_s (seconds UTC) and return what the store then holds."""

    async def live() -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        provisioning = folder / "street" / "street.json"
        write_provisioning(provisioning, plan(nodes, seed))
        registry = Registry(folder / "gateway")
        assert all(row.outcome == "added" for row in import_devices(registry, provisioning))
        registry.close()
        gateway = Gateway(config(folder), virtual.LoopClock(loop))
        await gateway.start()
        try:
            settings = StreetConfig(
                folder=folder / "street",
                nodes=nodes,
                seed=seed,
                interval_s=interval_s,
                semtech_udp=("127.0.0.1", gateway.ports["semtech_udp"]),
                mqtt=("127.0.0.1", gateway.ports["broker"]),
                replay=replay,
                overrides=overrides or {},
                city=city,
                radio=radio,
            )
            async with Street(settings) as street:
                side = asyncio.create_task(meanwhile(gateway, street)) if meanwhile else None
                await street.run(street.start_us + round(virtual_s * 1e6))
                if side is not None:
                    await side
            await gateway.drained()
            end_ms = loop.now_us() // 1000 + 1
            found = list(gateway.reader.observations(0, end_ms, limit=10_000_000))
            counters = {name: int(row["count"]) for name, row in gateway.counters.snapshot().items()}
            return Outcome(found, counters, street, start_s, gateway.status())
        finally:
            await gateway.stop()

    return virtual.run(live(), start_us=start_s * 1_000_000)

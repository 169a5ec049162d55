"""Runs a fleet with a gateway and its store on one virtual clock, and counts on three sides."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.app import Gateway
from gateway.registry import Registry, import_devices
from simulator import loop as virtual
from simulator.fleet.ledger import RadioLedger, Record, measured
from simulator.fleet.living import live
from simulator.fleet.street import FleetConfig, FleetStreet
from simulator.interfaces import Observer
from simulator.plan import write_provisioning
from tests.system.house import config as gateway_config

_STRETCH_S = 300.0


@dataclass
class Run:
    """What became of a fleet's records. measured: at the sensors; received: in frames that a gateway's radio
    got; stored: rows of the store as often as they are there.
    """

    measured: set[Record] = field(default_factory=set[Record])
    received: set[Record] = field(default_factory=set[Record])
    stored: list[Record] = field(default_factory=list[Record])
    virtual_s: float = 0.0
    digest: str = ""
    tally: dict[str, int] = field(default_factory=dict[str, int])
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    counters: dict[str, int] = field(default_factory=dict[str, int])
    duty_worst: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    rss_before_mb: float = 0.0
    rss_fleet_mb: float = 0.0
    rss_mb: float = 0.0


def run_fleet(
    folder: Path,
    make: Callable[[Path, tuple[str, int]], FleetConfig],
    virtual_s: float,
    start_s: int,
    *,
    on_event: Observer | None = None,
    progress: Callable[[float], None] | None = None,
    wall_limit_s: float = 0.0,
    **settings: Any,
) -> Run:
    """Let a fleet live with a gateway of its own; return what is where afterwards.

    wall_limit_s: stop earlier when this has passed on the clock, and count what is there by then.
    """
    run = Run()

    async def at_the_gateway() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        planned = make(folder / "fleet", ("127.0.0.1", 1)).planned
        write_provisioning(folder / "fleet" / "fleet.json", list(planned))
        registry = Registry(folder / "gateway")
        assert all(
            row.outcome == "added" for row in import_devices(registry, folder / "fleet" / "fleet.json")
        )
        registry.close()
        run.rss_before_mb = _rss_mb()
        gateway = Gateway(gateway_config(folder, **settings), virtual.LoopClock(loop))
        await gateway.start()
        try:
            before_mb = _rss_mb()
            fleet = FleetStreet(
                make(folder / "fleet", ("127.0.0.1", gateway.ports["semtech_udp"])), on_event=on_event
            )
            run.rss_fleet_mb = _rss_mb() - before_mb
            ledger = RadioLedger(fleet)
            cpu, wall = time.process_time(), time.monotonic()
            async with fleet:
                run.virtual_s = await live(
                    fleet,
                    virtual_s,
                    gateway.drained,
                    stretch_s=_STRETCH_S,
                    goes_on=lambda: not wall_limit_s or time.monotonic() - wall < wall_limit_s,
                    told=lambda lived_s: progress(lived_s / virtual_s) if progress is not None else None,
                )
            run.cpu_s, run.wall_s = time.process_time() - cpu, time.monotonic() - wall
            _count(run, fleet, ledger, gateway, folder / "gateway" / "store.db")
        finally:
            await gateway.stop()

    virtual.run(at_the_gateway(), start_us=start_s * 1_000_000)
    return run


def _count(run: Run, fleet: FleetStreet, ledger: RadioLedger, gateway: Gateway, store: Path) -> None:
    run.measured = measured(fleet)
    run.received = ledger.records
    number = {planned.dev_eui: k for k, planned in enumerate(fleet.planned)}
    query = "SELECT dev_eui, seq FROM records JOIN devices ON devices.id = records.device"
    with contextlib.closing(sqlite3.connect(store)) as database:
        run.stored = [(number[dev_eui], seq) for dev_eui, seq in database.execute(query)]
    run.digest = fleet.digest
    run.tally = fleet.tally().as_dict()
    run.outcomes = dict(fleet.air.outcomes)
    run.duty_worst = max(fleet.air.duty.worst().values(), default=0.0)
    run.counters = {name: int(row["count"]) for name, row in gateway.counters.snapshot().items()}
    run.rss_mb = _rss_mb()


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

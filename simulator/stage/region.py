"""A scenario with a fleet: a whole region of nodes in one process, a house behind their gateways in another.

Counted by three who do not know one another: what the nodes measured, what the radios of the gateways
received (opened with the sessions' own keys), and the rows of the store. What a radio received and the store
lacks is lost; a region's air loses frames by itself, which the nodes send again when they are asked for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

from simulator.fleet.ledger import RadioLedger, Record, measured
from simulator.fleet.living import live
from simulator.fleet.node import Habits
from simulator.fleet.plan import gateways, town
from simulator.fleet.street import FleetConfig, FleetStreet
from simulator.plan import PlannedNode, write_provisioning
from simulator.stage.accounts import MOST_TOLD
from simulator.stage.air import StageForwarder
from simulator.stage.events import EventLog
from simulator.stage.houses import house_class
from simulator.stage.lockstep import HouseProcess, StageLoop
from simulator.stage.result import Progress, Result
from simulator.stage.scenario import Fleet, Scenario
from simulator.stage.units import duration_us

_STRETCH_S = 60.0
_SETTLE_MS = 1000  # gateways get what has ended once a second, so
_SETTINGS = {"lns.rx1_delay_s": 5, "data.segment_mib": 16}  # answers come in a window that is far enough
_TELLS_NODE = ("joined", "power_on", "power_off")


async def play_region(
    scenario: Scenario,
    folder: Path,
    *,
    reproduce: str = "",
    progress: Progress | None = None,
    on_ready: Callable[[dict[str, int]], None] | None = None,
) -> Result:
    """Live the scenario inside a StageLoop and settle the accounts."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StageLoop) and scenario.fleet is not None
    began_s, cpu_s = time.monotonic(), time.process_time()
    planned = town(scenario.fleet.count, scenario.seed, scenario.fleet.size_km * 1000.0)
    write_provisioning(folder / "street.json", planned)
    events = EventLog(folder / "events.jsonl", scenario.events)
    counters: Counter[str] = Counter()
    house = HouseProcess(
        loop,
        scenario.gateway.house,
        folder,
        _SETTINGS | scenario.gateway.settings | {"events": scenario.events},
        partial(_on_house, events, counters),
        scenario.slack_us,
    )
    ports = await house.start()
    if on_ready is not None:
        on_ready(ports)
    before_mb = _rss_mb()
    config = _fleet_config(scenario, scenario.fleet, planned, folder / "fleet", ports["semtech_udp"])
    try:
        fleet = FleetStreet(config, on_event=partial(_on_node, events))
        node_kb = (_rss_mb() - before_mb) * 1000 / len(planned)
        ledger = RadioLedger(fleet)
        gc.collect()
        gc.freeze()  # a hundred thousand nodes stay: no need to look through them again and again
        async with fleet:
            for forwarder in fleet.air.forwarders:
                assert isinstance(forwarder, StageForwarder)
                forwarder.on_sent = loop.sent
            stopping = _asked_to_stop(loop)

            def told(lived_s: float) -> None:
                events.flush(loop.now_us())
                if progress is not None:
                    note = f"{fleet.tally().frames} frames, {len(ledger.records)} records received"
                    progress(round(lived_s * 1e6), scenario.until_us, note)

            await live(
                fleet,
                scenario.until_us / 1e6,
                lambda: house.call("drained"),
                stretch_s=_STRETCH_S,
                goes_on=lambda: not stopping.is_set(),
                told=told,
            )
    finally:
        gc.unfreeze()
        await house.stop()
        events.close()
    found, failures = _settle(scenario, folder, fleet, ledger)
    return Result(
        scenario=scenario.title,
        seed=scenario.seed,
        nodes=len(planned),
        virtual_s=(loop.now_us() - fleet.start_us) / 1e6,
        real_s=round(time.monotonic() - began_s, 3),
        events=dict(sorted(events.counts.items())),
        sha256=fleet.digest,
        accounts=found,
        counters=dict(sorted(counters.items())),
        rss_mb={"gateway": round(house.max_rss_kib / 1024, 1), "simulator": round(_peak_mb(), 1)},
        fleet={
            "kb_a_node": round(node_kb, 1),
            "cpu_s": round(time.process_time() - cpu_s, 1),
            "gateway_cpu_s": round(house.cpu_s, 1),
            "air": dict(fleet.air.outcomes),
        },
        stopped_early=stopping.is_set(),
        house_starts=house.starts,
        house_steps=house.steps,
        failures=failures,
        reproduce=reproduce,
    )


def _asked_to_stop(loop: StageLoop) -> asyncio.Event:
    """Return what Ctrl-C sets: the minute under way is lived to its end, and the accounts are settled."""
    stopping = asyncio.Event()
    with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: nobody presses anything
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
    return stopping


def _fleet_config(
    scenario: Scenario, fleet: Fleet, planned: list[PlannedNode], folder: Path, port: int
) -> FleetConfig:
    return FleetConfig(
        folder,
        planned,
        gateways(fleet.gateways, fleet.size_km * 1000.0),
        seed=scenario.seed,
        semtech_udp=("127.0.0.1", port),
        habits=Habits(interval_s=fleet.interval_s, batch=fleet.batch),
        power_on_s=duration_us(fleet.power_on, "fleet.power_on") / 1e6,
        settle_ms=_SETTLE_MS,
        forwarder=partial(StageForwarder, slack_us=scenario.slack_us),
    )


def _settle(
    scenario: Scenario, folder: Path, fleet: FleetStreet, ledger: RadioLedger
) -> tuple[dict[str, Any], list[str]]:
    """Return the accounts and what is wrong with them."""
    number = {planned.dev_eui: k for k, planned in enumerate(fleet.planned)}
    rows = [
        (number[dev_eui], seq)
        for dev_eui, seq, *_ in house_class(scenario.gateway.house).records(folder)
        if dev_eui in number
    ]
    tally = fleet.tally()
    found = balance(measured(fleet), ledger.records, rows)
    found |= {
        "acquired": tally.records,
        "joins_sent": tally.joins,
        "frames_sent": tally.frames + tally.joins,
    }
    return found, [] if found["balanced"] else [f"the accounts do not balance: {found['wrong']}"]


def balance(
    at_sensors: AbstractSet[Record], received: AbstractSet[Record], rows: Sequence[Record]
) -> dict[str, Any]:
    """Return how three counts of records fit together. rows: of the store, as often as they are there."""
    stored, times = set(rows), Counter(rows)
    wrong = {
        "lost": sorted(received - stored),
        "twice": sorted(row for row, n in times.items() if n > 1),
        "invented": sorted(stored - at_sensors),
    }
    return {
        "received": len(received),
        "stored": len(stored),
        **{what: len(found) for what, found in wrong.items()},
        "balanced": not any(wrong.values()),
        "wrong": {what: found[:MOST_TOLD] for what, found in wrong.items() if found},
    }


def _on_node(events: EventLog, t_us: int, name: str, kind: str, text: str) -> None:
    if kind in _TELLS_NODE:
        events.add(t_us, "node", name, kind, text=text)


def _on_house(events: EventLog, counters: Counter[str], event: list[Any]) -> None:
    t_us, kind, who, what, facts = event
    if what == "counted":
        counters.update(facts)
    events.add(t_us, kind, who, what, **facts)


def _rss_mb() -> float:
    """Return the memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

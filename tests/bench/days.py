"""Real firmware in virtual time: `python -m tests.bench.days [--hours H] [--nodes N] [--json]`.

For each kind of node, N of them (8) with their own gateway for H virtual hours (6), radio and store included:

node_days_per_cpu_s  virtual days of one node for a second of processor time, everything counted
cpu_s_a_node_day     the same the other way round, and where it went: world (chip models, air, clock), nodes
                     (MicroPython), gateway
memory_kb            of one node's process while it sleeps: its own pages, those it shares divided (PSS)

Processor time, not time on the clock: other load on the machine shows little.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from simulator.stage.scenario import parse
from simulator.stage.stage import Stage, play

ROWS = (
    ("garden", "lorawan"),
    ("garden", "mqtt"),
    ("bin", "lorawan"),
    ("air", "lorawan"),
    ("noise", "lorawan"),
)
DAY_H = 24.0


def measure(kind: str, transport: str, nodes: int, hours: float, interval_s: int) -> dict[str, Any]:
    """Return what a scenario of like nodes costs."""
    document = {
        "title": f"{nodes} of {kind}",
        "until": f"{hours}h",
        "nodes": [{"kind": kind, "transport": transport, "count": nodes, "interval_s": interval_s}],
    }
    found: dict[str, Any] = {}
    stages: list[Stage] = []

    def looked(done_us: int, whole_us: int, _note: str) -> None:
        if done_us > 0.8 * whole_us and "memory_kb" not in found:
            found["memory_kb"] = memory(stages[0])
            assert stages[0].house is not None and stages[0].house.pid is not None
            spent = psutil.Process(stages[0].house.pid).cpu_times()
            found["house_s"] = (spent.user + spent.system) * whole_us / done_us

    with tempfile.TemporaryDirectory(prefix="meetnet-") as folder:
        world_s, children = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        before_s = children.ru_utime + children.ru_stime
        result = play(parse(document), Path(folder), on_stage=stages.append, progress=looked)
        world_s = time.process_time() - world_s
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        rest_s = children.ru_utime + children.ru_stime - before_s
    assert not result.failures, result.failures
    days = nodes * hours / DAY_H
    house_s = found.get("house_s", 0.0)
    return {
        "kind": kind,
        "transport": transport,
        "interval_s": interval_s,
        "node_days_per_cpu_s": round(days / (world_s + rest_s), 2),
        "cpu_s_a_node_day": {
            "world": round(world_s / days, 3),
            "nodes": round((rest_s - house_s) / days, 3),
            "gateway": round(house_s / days, 3),
        },
        "bus_transactions_a_node_day": round(result.bus_transactions / days),
        "memory_kb": found.get("memory_kb"),
        "records": (result.accounts or {}).get("stored"),
    }


def memory(stage: Stage) -> dict[str, int]:
    """Return KB a node: private and PSS of its process, and of this process's own memory by node."""
    pid = stage.street.world.spawner.pid
    assert pid is not None
    private = shared = 0
    children = psutil.Process(pid).children()
    for child in children:
        text = Path(f"/proc/{child.pid}/smaps_rollup").read_text()
        rows = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
        private += rows["Private_Clean"] + rows["Private_Dirty"]
        shared += rows["Pss"]
    n = max(1, len(children))
    world = psutil.Process(os.getpid()).memory_info().rss // 1024
    return {"private": private // n, "pss": shared // n, "world_whole": world, "processes": len(children)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--interval", type=int, default=300)
    parser.add_argument("--kind", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        measure(kind, transport, options.nodes, options.hours, options.interval)
        for kind, transport in ROWS
        if options.kind in ("", kind)
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(
        f"{'kind':<16}{'days/CPU s':>11}{'world':>8}{'nodes':>8}{'gateway':>9}{'bus/day':>9}"
        f"{'own KB':>8}{'PSS KB':>8}"
    )
    for row in rows:
        spent, kb = row["cpu_s_a_node_day"], row["memory_kb"] or {}
        print(
            f"{row['kind'] + ' ' + row['transport']:<16}{row['node_days_per_cpu_s']:>11}{spent['world']:>8}"
            f"{spent['nodes']:>8}{spent['gateway']:>9}{row['bus_transactions_a_node_day']:>9}"
            f"{kb.get('private', 0):>8}{kb.get('pss', 0):>8}"
        )


if __name__ == "__main__":
    main()

"""A fleet end to end, counted on three sides: `python -m tests.bench.fleet [--nodes 20000 --hours 24]`.

Nodes join by OTAA, send real frames through the radio model to every gateway in reach, each gateway
forwards by Semtech UDP to the built-in network server, and what is decoded lies in the store. Counted apart:
records at the sensors, records in frames that a gateway's radio received (opened with the session's own
keys), rows of the store. `lost` and `twice` are received records that the store lacks or has twice.

cpu_s is of all of it: fleet, radio, gateways and gateway in one process. Peer: ChirpStack's simulator
publishes no rate of its own; its sample configuration is 1,000 devices every 5 minutes, 3.3 uplinks/s.
Use a file system in memory for --data: small commits come by the thousand; durability is not measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from simulator.fleet import FleetConfig, town
from simulator.fleet.node import Habits
from simulator.fleet.plan import gateways
from tests.system.fleet_house import Run, run_fleet

START_S = 1_789_999_200
_CHIRPSTACK_SAMPLE_PER_S = 1000 / 300


def figures(run: Run, nodes: int, hours: float) -> dict[str, Any]:
    """Return what the bench prints."""
    stored = set(run.stored)
    frames = run.tally["frames"] + run.tally["joins"]
    return {
        "nodes": nodes,
        "virtual_h": hours,
        "records_measured": len(run.measured),
        "records_received_by_radio": len(run.received),
        "records_stored": len(run.stored),
        "lost": len(run.received - stored),
        "twice": len(run.stored) - len(stored),
        "stored_but_never_measured": len(stored - run.measured),
        "frames_on_air": frames,
        "air_h": round(run.tally["air_us"] / 3.6e9, 2),
        "outcomes_at_gateways": run.outcomes,
        "duty_worst_share_of_allowance": round(run.duty_worst, 3),
        "cpu_s": round(run.cpu_s, 1),
        "wall_s": round(run.wall_s, 1),
        "frames_per_cpu_s": round(frames / run.cpu_s, 1),
        "chirpstack_simulator_sample_uplinks_per_s": round(_CHIRPSTACK_SAMPLE_PER_S, 1),
        "rss_mb": round(run.rss_mb, 1),
        "fleet_kb_per_node": round(run.rss_fleet_mb * 1024 / nodes, 2),
        "event_log_sha256": run.digest,
        "gateway_counters": run.counters,
        "machine": {"python": platform.python_version(), "machine": platform.machine()},
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run and return the figures."""
    planned = town(options.nodes, options.seed, options.size)
    habits = Habits(interval_s=options.interval, batch=options.batch)
    began = time.monotonic()

    def make(folder: Path, server: tuple[str, int]) -> FleetConfig:
        return FleetConfig(
            folder,
            planned,
            gateways(options.gateways, options.size),
            seed=options.seed,
            semtech_udp=server,
            habits=habits,
            power_on_s=options.power_on,
            settle_ms=3000,
        )

    def progress(part: float) -> None:
        passed = time.monotonic() - began
        print(f"\r{100 * part:5.1f} %, {passed:.0f} s", end="", file=sys.stderr, flush=True)

    folder = options.data or Path(tempfile.mkdtemp())
    try:
        gc.collect()
        gc.freeze()  # what is there by now stays: no need to look through it again and again
        run = run_fleet(
            folder,
            make,
            options.hours * 3600,
            START_S,
            progress=progress,
            wall_limit_s=options.wall,
            lns__rx1_delay_s=5,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures(run, options.nodes, options.hours)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--gateways", type=int, default=4)
    parser.add_argument("--size", type=float, default=4000.0, help="side of the town in metres")
    parser.add_argument("--interval", type=int, default=900, help="seconds from record to record")
    parser.add_argument("--batch", type=int, default=4, help="records that share a frame")
    parser.add_argument(
        "--power-on", type=float, default=600.0, help="seconds within which all are switched on"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wall", type=float, default=0.0, help="stop after so many seconds on the clock")
    parser.add_argument("--data", type=Path, help="folder of the run; removed afterwards")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    found = measure(options)
    print(file=sys.stderr)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

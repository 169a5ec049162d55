"""What a bad update does to a fleet, as JSON: `python -m tests.bench.updates [--nodes N] [--intervals K]`.

N nodes (200) run the node's own update code and frozen main.py, each in a folder of its own; a bundle that
crashes at its start is offered by the gateway's own service. touched: nodes that ever started it.
most_starts_to_be_back: of any of them, from the start with the bad one to the start with the good one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.update.bundle import Release, build_application
from gateway.update.keys import public_bytes
from tests.gateway.update.fleet import Fleet

DAY_S = 86400


async def measure(folder: Path, nodes: int, intervals: int) -> dict[str, Any]:
    """Return the figures."""
    key = ec.generate_private_key(ec.SECP256R1())
    application = folder / "application"
    (application / "node").mkdir(parents=True)
    (application / "node" / "start.py").write_text("a bug that crashes")
    bundle = build_application(application, Release((1, 0, 0), 9), key)
    fleet = Fleet(folder, nodes, public_bytes(key))
    fleet.book.begin(bundle, list(fleet.nodes), fleet.now_ms, DAY_S, 720)
    await fleet.run(intervals)
    touched = [node for node in fleet.nodes.values() if node.touched_boot is not None]
    back = [node.back_boot - (node.touched_boot - 1) for node in touched if node.back_boot is not None]
    rollout = fleet.book.rollout(bundle.id)
    await fleet.service.close()
    return {
        "nodes": nodes,
        "touched": len(touched),
        "touched_percent": round(100 * len(touched) / nodes, 2),
        "not_back": len(touched) - len(back) + sum(node.runs_bad for node in touched),
        "most_starts_to_be_back": max(back, default=0),
        "rollout": rollout.state if rollout else "",
        "reason": rollout.reason if rollout else "",
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--intervals", type=int, default=12, help="of six hours")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), options.nodes, options.intervals))))


if __name__ == "__main__":
    main()

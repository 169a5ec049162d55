"""Cut the power of log, configuration and updates: `python -m tests.bench.power_cuts [--cuts N]`.

log_littlefs   records on the real littlefs of the unix port
log_raw        records on raw NOR flash, torn at the bit
config         SET, trial, return and Wi-Fi set-up on littlefs, with boot.py
update_good, update_bad   signed applications by HTTP pieces and TS004 fragments on littlefs, with main.py

N cuts in all (20,000), a fifth each, at random bytes. Prints JSON: lost acknowledged records, dead nodes,
half-updated nodes; exit code 1 when there is any. The same code runs in short in the normal suite.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.dual import run_on_micropython
from tests.firmware.node.test_log import _lives
from tests.firmware.node.test_update_cuts import _judge

Part = dict[str, int]
_A_RUN = 200  # seeds in one interpreter


def _until(cuts: int, run: Callable[[list[int]], Part], seeds_for: Callable[[int], int]) -> Part:
    """Run with further seeds until there were so many cuts; return the sums."""
    total: Part = {}
    seed = 100_000
    while total.get("cuts", 0) < cuts:
        n = max(1, min(_A_RUN, seeds_for(cuts - total.get("cuts", 0))))
        for name, value in run(list(range(seed, seed + n))).items():
            total[name] = total.get(name, 0) + int(value)
        seed += n
    return total


def run(cuts: int) -> dict[str, Any]:
    """Return what every part found."""
    share = -(-cuts // 5)

    def log_littlefs(seeds: list[int]) -> Part:
        return run_on_micropython("log_on_littlefs", seeds, heap="4m", timeout_s=3000)

    def config(seeds: list[int]) -> Part:
        return run_on_micropython("config_cuts", {"seeds": seeds, "cuts": 20}, heap="4m", timeout_s=3000)

    def update(bad: bool) -> Callable[[list[int]], Part]:
        def one(seeds: list[int]) -> Part:
            with tempfile.TemporaryDirectory() as folder:
                return _judge(Path(folder), seeds, bad=bad, cuts=8)

        return one

    parts = {
        "log_littlefs": _until(share, log_littlefs, lambda left: left // 4),
        "log_raw": _until(
            share, lambda seeds: _lives(range(seeds[0], seeds[-1] + 1)), lambda left: left // 20
        ),
        "config": _until(share, config, lambda left: left // 20),
        "update_good": _until(share, update(bad=False), lambda left: left // 7),
        "update_bad": _until(share, update(bad=True), lambda left: left // 7),
    }
    return {
        "cuts": sum(part["cuts"] for part in parts.values()),
        "lost_records": sum(part.get("lost", 0) for part in parts.values()),
        "dead_nodes": sum(part.get("dead", 0) for part in parts.values()),
        "half": sum(part.get("half", 0) for part in parts.values()),
        "parts": parts,
    }


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=20_000)
    found = run(parser.parse_args().cuts)
    print(json.dumps(found, indent=1))
    return 1 if found["lost_records"] or found["dead_nodes"] or found["half"] else 0


if __name__ == "__main__":
    raise SystemExit(main())

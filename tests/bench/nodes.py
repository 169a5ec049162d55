"""Sizes, heap and battery life of every node: `python -m tests.bench.nodes [--heap] [--json] [--board t3s3]`.

.mpy: all firmware for the chip, as `python -m tools.sizes` compiles it. With --heap (takes some minutes), in
the unix port, whose pointers are twice as wide and where the bytecode is loaded instead of frozen: what is
allocated after an hour, and the peak: the smallest heap, in steps of 8 KB, in which the node starts and lives
an hour.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from simulator import energy, hardware
from tools.sizes import ARCHITECTURES, measure

ROOT = Path(__file__).parents[2]

ROOMS = ("wire", "kernels", "drivers", "radio", "node", "boards")


def sizes() -> dict[str, dict[str, int]]:
    """Return bytes of .mpy by architecture and room, as they go on a chip."""
    files, errors = measure()
    if errors:
        raise SystemExit("\n".join(errors))
    found = {architecture: dict.fromkeys(ROOMS, 0) for architecture in ARCHITECTURES}
    for name, row in files.items():
        for architecture, size in row.items():
            if (room := name.partition("/")[0]) in ROOMS:  # boot.py and main.py stay source
                found[architecture][room] += size
    return found


def least_heap_kb(name: str) -> int:
    """Return the smallest heap in which a node starts and measures for an hour."""
    low, high = 64, 640  # too little, enough
    while high - low > 8:
        middle = (low + high) // 16 * 8
        low, high = (low, middle) if _lives(name, middle) else (middle, high)
    return high


def _lives(name: str, heap_kb: int) -> bool:
    from simulator.loop import run
    from simulator.node import NodeSettings
    from simulator.world import NodeCrashedError, World
    from tests.node_flash import records_of
    from tests.system.kinds import START_US
    from tests.system.test_soak import subject

    async def main(folder: Path) -> bool:
        async with World(folder) as world:
            it = subject(folder, name)
            config = {"schema": 1, "kind": it.kind, "board": name, "interval_s": 900, "noise_s": 1}
            node = world.add_node(
                NodeSettings("n", it.board, path=it.path, config=config, heap_bytes=heap_kb * 1024)
            )
            node.power_on()
            try:
                await world.run_for(4000)
            except NodeCrashedError:
                return False
            text = node.log.read_text(errors="replace")
            return node.boots == 1 and "MemoryError" not in text and len(records_of(node)) >= 4

    with tempfile.TemporaryDirectory() as folder:
        try:
            return run(main(Path(folder)), start_us=START_US)
        except (OSError, ValueError):  # no log: it did not get that far
            return False


def rows(heap: bool, board: str = "") -> list[dict[str, object]]:
    """Return a row for each node, or for those of one board."""
    found: list[dict[str, object]] = []
    for name, node in hardware.nodes().items():
        if board and not name.startswith(board + "_"):
            continue
        interval = node.kit["interval_s"]
        told = {sf: energy.predict(node, interval, sf) for sf in (7, 9, 12)}
        row: dict[str, object] = {
            "node": name,
            "interval_s": interval,
            "average_ma": round(told[9].average_ua / 1000, 2),
            "battery_mah": told[9].battery_mah,
            "days": {f"SF{sf}": prediction.days for sf, prediction in told.items()},
        }
        if heap:
            from tests.system.test_soak import heap_of_days

            with tempfile.TemporaryDirectory() as folder:
                row["allocated_kb"] = round(heap_of_days(Path(folder), name, 1, 3600)[0] / 1024)
            row["peak_kb"] = least_heap_kb(name)
        found.append(row)
    return found


def main(arguments: list[str]) -> int:
    """Print the tables."""
    heap = "--heap" in arguments
    mpy = sizes()
    board = arguments[arguments.index("--board") + 1] if "--board" in arguments else ""
    nodes = rows(heap, board)
    if "--json" in arguments:
        print(json.dumps({"mpy_bytes": mpy, "nodes": nodes}, indent=1))
        return 0
    print(f"{'.mpy bytes':<14}" + "".join(f"{room:>10}" for room in ROOMS) + f"{'all':>10}")
    for architecture, by_room in mpy.items():
        row = "".join(f"{by_room.get(room, 0):>10}" for room in ROOMS)
        print(f"{architecture:<14}{row}{sum(by_room.values()):>10}")
    head = f"\n{'node':<18}{'every':>7}{'average':>12}{'battery':>10}{'days SF7':>10}{'SF9':>8}{'SF12':>8}"
    print(head + (f"{'heap kB':>10}{'peak kB':>9}" if heap else ""))
    for row in nodes:
        days: dict[str, int | None] = row["days"]  # type: ignore[assignment]
        lasts = "".join(
            f"{'mains' if days[sf] is None else days[sf]:>{w}}"
            for sf, w in (("SF7", 10), ("SF9", 8), ("SF12", 8))
        )
        cell = f"{row['battery_mah']} mAh" if row["battery_mah"] else "-"
        line = f"{row['node']:<18}{row['interval_s']:>5} s{row['average_ma']:>9} mA{cell:>10}{lasts}"
        print(line + (f"{row['allocated_kb']:>10}{row['peak_kb']:>9}" if heap else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

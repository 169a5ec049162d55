"""Tips of a rain gauge that a sleeping node counts, against those that fell: `python -m tests.bench.rain`.

A day of showers (up to 110 mm an hour) on a bucket of 0.2794 mm, a contact that bounces at both ends, a node
that sleeps deeply and wakes every 15 minutes to a new life of MicroPython. --hours N (24), --json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator import boards
from simulator.loop import run
from simulator.node import NodeSettings
from simulator.world import World
from tests.system.kinds import FIRMWARE, START_US

BOARDS = ("lora32_garden", "heltec3_garden", "t3s3_garden", "c3_garden")
MM_PER_TIP = 0.2794

_LIFE = """
import machine
from node import build
board = build.board_module({board!r})
name, bus, where = [row for row in board.SENSORS if row[0] == "rain_gauge"][0]
try:
    with open("total") as f:
        total = int(f.read())
except OSError:
    total = None
gauge = build._driver(name, bus, where, build.Buses(board), {{}}, lambda _id: total)
found = gauge.fetch()[0]
with open("total", "w") as f:
    f.write(str(found[1]))
print("TIPS", found[1], found[2])
machine.deepsleep({sleep_ms})
"""


@dataclass(frozen=True)
class Told:
    """What fell and what was counted. lives: how often the node woke."""

    counter: str
    fell: int
    counted: int
    lives: int


def showers_mm(now_us: int) -> float:
    """Return the rain since the start: showers of half an hour every two, the hardest 110 mm an hour."""
    hours = (now_us - START_US) / 3.6e9
    whole, part = divmod(max(0.0, hours), 2.0)
    hardest = [20 + 30 * (i % 4) for i in range(int(whole) + 1)]
    fell = sum(h * 0.25 for h in hardest[:-1])
    now = min(part, 0.5) / 0.5
    return fell + hardest[-1] * 0.25 * (now - math.sin(2 * math.pi * now) / (2 * math.pi))


def _source(quantity: str, now_us: int) -> float:
    return showers_mm(now_us) if quantity == "rain_mm" else 20.0


def asleep(folder: Path, board: str, hours: int, sleep_s: int = 900) -> Told:
    """Let a node sleep and wake; return what it counted."""
    script = folder / "script.py"
    script.write_text(_LIFE.format(board=board, sleep_ms=sleep_s * 1000))

    async def main() -> Told:
        async with World(folder / "w") as world:
            models = boards.build(board, _source, mm_per_tip=MM_PER_TIP)
            node = world.add_node(NodeSettings("n", models, script=script, path=(FIRMWARE,)))
            node.power_on()
            await world.run_for(hours * 3600 + 60)
            lines = [line.split() for line in node.log.read_text().splitlines() if line.startswith("TIPS")]
            assert len(lines) == node.boots
            gauge: Any = models.chips["rain_gauge"]
            name = "PCF8593" if "pcf8593" in models.chips else f"ULP of {models.chips['ulp'].family}"
            return Told(name, gauge.tips, int(lines[-1][1]) - int(lines[0][1]), node.boots)

    return run(main(), start_us=START_US)


def contact(family: str, faults: set[str], minutes: int = 60) -> Told:
    """Count at the contact itself, without a node around it."""
    from simulator.chips.rain_gauge import RainGauge
    from tests.simulator.chips.test_ulp import Chip

    gauge = RainGauge(lambda _q, now_us: now_us / 1e6 * 0.03, MM_PER_TIP)
    gauge.faults = faults
    chip = Chip(family, gauge)
    counted = chip.after(minutes * 60_000.0)
    return Told(f"ULP of {family}", gauge.tips, counted, 1)


def main(arguments: list[str]) -> int:
    """Print the counts; exit 1 where a tip is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.rain", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    rows: dict[str, Told] = {}
    for board in BOARDS:
        with tempfile.TemporaryDirectory() as folder:
            rows[board] = asleep(Path(folder), board, options.hours)
    if options.json:
        print(json.dumps({board: asdict(told) for board, told in rows.items()}, indent=1))
    else:
        print(f"{'NODE':<16}{'COUNTER':<18}{'LIVES':>7}{'FELL':>7}{'COUNTED':>9}{'LOST':>6}")
        for board, told in rows.items():
            row = f"{told.lives:>7}{told.fell:>7}{told.counted:>9}{told.fell - told.counted:>6}"
            print(f"{board:<16}{told.counter:<18}{row}")
    return int(any(told.fell != told.counted for told in rows.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A node of any kind on any board in the unix port, with its log read back: for tests of whole nodes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from simulator import boards
from simulator.chips.base import Source
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.node_flash import records_of
from wire.record import Record

START_US = 1_790_000_000_000_000
FIRMWARE = Path(__file__).parents[2] / "firmware"
Live = Callable[[World, SimNode], Awaitable[None]]

AROUND: dict[str, float] = {
    "temperature_c": 18.0,
    "relative_humidity_pct": 60.0,
    "pm2_5_ug_m3": 12.0,
    "distance_mm": 900.0,
    "tilt_deg": 0.0,
    "motion_mg": 0.0,
    "battery_mv": 3900.0,
    "rain_mm": 0.0,
    "passages": 0.0,
    "soil_temperature_c": 11.0,
    "soil_moisture_pct": 40.0,
    "sound_level": 55.0,
}


class Around:
    """A source of values that a test sets as it goes: `around.now["tilt_deg"] = 70`."""

    def __init__(self, **values: float) -> None:
        self.now = AROUND | values

    def __call__(self, quantity: str, now_us: int) -> float:
        return self.now[quantity]


def live(
    folder: Path,
    kind: str,
    board: str,
    source: Source,
    during: Live,
    heap_bytes: int | None = None,
    **settings: Any,
) -> tuple[SimNode, list[Record]]:
    """Let a node without a network live; return it and the records of its log."""

    async def main() -> SimNode:
        async with World(folder) as world:
            config = {
                "schema": 1,
                "kind": kind,
                "board": board,
                "interval_s": 300,
                "radio": "none",
                "dev_eui": "70b3d57ed0000001",
                "page": False,  # to wait for visitors each second is most of a simulated day
            } | settings
            options: dict[str, Any] = {} if heap_bytes is None else {"heap_bytes": heap_bytes}
            hardware = boards.build(board, source)
            node = world.add_node(
                NodeSettings(
                    "n", hardware, path=(FIRMWARE,), seed=3, config=json.loads(json.dumps(config)), **options
                )
            )
            node.power_on()
            await during(world, node)
            assert node.state in ("running", "waiting"), node.log_tail()
            return node

    node = run(main(), start_us=START_US)
    return node, records_of(node)

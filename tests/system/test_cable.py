"""A node on a cable: real firmware on one end of a line, the gateway's serial ingest on the other.

The line is two terminals with somebody between them who can pull the plug, or change bytes on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.counters import Counters
from gateway.ingest.mqtt.waiting import WaitingCommands
from gateway.ingest.serial import SerialIngest, SerialSettings
from gateway.registry import Device
from simulator import boards
from simulator.loop import LoopClock, run
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.gateway.house import a_house, a_site
from tests.node_flash import records_of
from tests.system.kinds import START_US, Around
from wire import ports

pytestmark = pytest.mark.mpy

EUI = "70b3d57ed0c0ffee"
CONFIG: dict[str, Any] = {
    "schema": 1, "kind": "air", "board": "sim_air", "interval_s": 60, "dev_eui": EUI, "radio": "cable",
}  # fmt: skip


class Cable:
    """Two terminals: `node_end` for the node, `path` (a link) for the gateway."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ttyNODE"
        self._node, self._node_slave = os.openpty()
        tty.setraw(self._node_slave)
        os.set_blocking(self._node, False)
        self.node_end = Path(os.ttyname(self._node_slave))
        self._gateway: int | None = None
        self._slave = -1
        self.change: Callable[[bytes], bytes] = lambda data: data
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self._node, self._from_node)

    def plug(self) -> None:
        self._gateway, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._gateway, False)
        self.path.symlink_to(os.ttyname(self._slave))
        # The slave stays open here: a terminal that nobody has open is readable for ever (EIO).
        self.loop.add_reader(self._gateway, self._from_gateway)

    def pull(self) -> None:
        assert self._gateway is not None
        self.loop.remove_reader(self._gateway)
        os.close(self._gateway)
        os.close(self._slave)
        self._gateway = None
        self.path.unlink()

    def close(self) -> None:
        if self._gateway is not None:
            self.pull()
        self.loop.remove_reader(self._node)
        os.close(self._node)
        os.close(self._node_slave)

    def _from_node(self) -> None:
        data = self.change(os.read(self._node, 65536))
        if self._gateway is not None:
            with contextlib.suppress(OSError):
                os.write(self._gateway, data)

    def _from_gateway(self) -> None:
        assert self._gateway is not None
        with contextlib.suppress(OSError):  # EIO while nobody has it open
            os.write(self._node, self.change(os.read(self._gateway, 65536)))


def register(house: Any) -> None:
    house.registry.put_site(a_site("plein-1", "air"))
    house.registry.put_device(Device(EUI, "air", "serial"))
    house.registry.deploy(EUI, "plein-1", None)


@contextlib.asynccontextmanager
async def a_gateway(folder: Path, house: Any, world: World, counters: Counters, path: Path):
    waiting = WaitingCommands(folder / "cable-commands.json")
    settings = SerialSettings((str(path), "/dev/nothing-here*"))
    ingest = SerialIngest(
        house.log, lambda eui: eui == EUI, LoopClock(world.loop), counters, waiting, settings
    )
    await ingest.start()
    try:
        yield ingest, waiting
    finally:
        await ingest.close()


def test_everything_a_node_on_a_cable_measures_is_stored_once_whatever_happens_to_the_cable(
    tmp_path: Path,
) -> None:
    told: dict[str, Any] = {}

    async def main() -> SimNode:
        counters = Counters()
        async with World(tmp_path) as world, a_house(tmp_path / "gateway") as house:
            register(house)
            cable = Cable(tmp_path)
            hardware = boards.build("sim_air", Around())
            node = world.add_node(NodeSettings("n", hardware, config=CONFIG, console=cable.node_end))
            async with a_gateway(tmp_path, house, world, counters, cable.path) as (ingest, waiting):
                cable.plug()
                node.power_on()
                await world.run_for(300)
                told["first"] = house.store.count()
                cable.pull()
                await world.run_for(600)
                cable.plug()
                await world.run_for(900)
                told["after the plug was out"] = house.store.count()
                dice = random.Random(5)
                cable.change = lambda data: bytes(b ^ 1 if dice.random() < 0.002 else b for b in data)
                told["command"] = await ingest.enqueue(EUI, ports.COMMANDS, b"\x01\x05\x01")
                await world.run_for(900)
                cable.change = lambda data: data
                await world.run_for(300)
                told["waiting"] = waiting.of(EUI)
            await house.pipeline.drained()
            told["rows"] = [
                row.observed_at_ms for row in house.store.series("plein-1", "temperature", 0, 2**60, 999)
            ]
            told["now_ms"] = LoopClock(world.loop).now_ms()
            told["counters"] = {name: row["count"] for name, row in counters.snapshot().items()}
            cable.close()
            return node

    node = run(main(), start_us=START_US)
    measured = records_of(node)
    assert told["first"] >= 3
    assert told["after the plug was out"] >= 25  # of 30 minutes, the ten without a cable too
    assert len(told["rows"]) == len(set(told["rows"]))
    assert len(measured) - 2 <= len(told["rows"]) <= len(measured)
    assert all(0 <= told["now_ms"] - at_ms <= 3_000_000 for at_ms in told["rows"])
    assert sorted(told["rows"]) == told["rows"]
    assert told["waiting"] == []  # the node took the command, and said so
    assert told["counters"]["ingest.serial_disconnected"] >= 1
    assert told["counters"]["ingest.serial_downlinks"] == 1

"""What a node does when its file system, its configuration or its application is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from simulator import boards
from simulator.channel.ideal import IdealChannel
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.plan import MM_PER_TIP
from simulator.world import World
from tests.dual import micropython
from tests.node_flash import records_of

pytestmark = pytest.mark.mpy

START_US = 1_790_000_000_000_000
FIRMWARE = Path(__file__).parents[3] / "firmware"
CONFIG: dict[str, Any] = {
    "schema": 1, "kind": "bin", "board": "sim_bin", "interval_s": 60, "radio": "lorawan",
    "dev_eui": "70b3d57ed005b420", "join_eui": "70b3d57ed0000000", "app_key": "0f" * 16,
}  # fmt: skip
AROUND = {"distance_mm": 700.0, "battery_v": 3.9, "temperature_c": 15.0}
Live = Callable[[World, SimNode], Awaitable[None]]


def _live(folder: Path, live: Live) -> SimNode:
    async def main() -> SimNode:
        async with World(folder) as world:
            hardware = boards.build(
                "sim_bin",
                lambda quantity, _us: AROUND.get(quantity, 1.0),
                IdealChannel(),
                mm_per_tip=MM_PER_TIP,
            )
            node = world.add_node(NodeSettings("n", hardware, config=CONFIG))
            node.power_on()
            await live(world, node)
            assert node.state in ("running", "waiting"), node.state
            return node

    return run(main(), start_us=START_US)


def _copy_application(
    node: SimNode, *, broken: str | None = None, bug: tuple[str, str] | None = None
) -> None:
    """Put an application into the flash file system, where it goes before the one in the image."""
    for room in ("node", "wire", "radio", "drivers", "boards", "kernels"):
        shutil.copytree(FIRMWARE / room, node.flash / room, ignore=shutil.ignore_patterns("__pycache__"))
    if broken is not None:
        (node.flash / broken).write_text("this is no Python")
    if bug is not None:
        path = node.flash / bug[0]
        text = path.read_text()
        assert bug[1] in text
        path.write_text(text.replace(bug[1], bug[1] + "\n        raise RuntimeError('a bug')", 1))


@pytest.mark.parametrize("broken", ["node/start.py", "wire/record.py", "node/__init__.py"])
def test_an_application_that_does_not_import_gives_way_to_the_one_in_the_image(
    tmp_path: Path, broken: str
) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(300)
        _copy_application(node, broken=broken)
        node.reset_button()
        await world.run_for(1800)

    node = _live(tmp_path, live)
    assert node.boots == 2
    assert "SyntaxError" in node.log.read_text()
    assert len(records_of(node)) >= 33
    assert {reading[0] for r in records_of(node) for reading in r.readings} >= {15}  # it measures on


def test_an_application_that_keeps_crashing_gives_way_to_the_one_in_the_image_and_measuring_goes_on(
    tmp_path: Path,
) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(700)
        _copy_application(node, bug=("node/core.py", "    def _measure(self):"))
        node.reset_button()
        await world.run_for(3600)

    node = _live(tmp_path, live)
    assert node.log.read_text().count("RuntimeError: a bug") == 4
    assert node.boots == 6
    assert len(records_of(node)) >= 11 + 50


@pytest.mark.parametrize("damage", ["", "{", "[1]", "\x00\x00\x00", None])
def test_a_destroyed_configuration_comes_back_from_its_copy(tmp_path: Path, damage: str | None) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(300)
        path = node.flash / "config.json"
        if damage is None:
            path.unlink()
        else:
            path.write_text(damage)
        node.reset_button()
        await world.run_for(600)

    node = _live(tmp_path, live)
    assert json.loads((node.flash / "config.json").read_text()) == CONFIG
    assert 14 <= len(records_of(node)) <= 18  # one a minute, as configured


def test_a_file_system_that_does_not_mount_is_made_anew_and_one_that_does_is_left_alone() -> None:
    said = micropython(
        """
import vfs
import _boot

class Flash:
    def __init__(self):
        self.data = bytearray(b"\\xff" * (4096 * 16))
    def readblocks(self, n, buf, offset=0):
        buf[:] = self.data[n * 4096 + offset : n * 4096 + offset + len(buf)]
    def writeblocks(self, n, buf, offset=0):
        for i in range(len(buf)):
            self.data[n * 4096 + offset + i] &= buf[i]
    def ioctl(self, op, arg):
        if op == 4:
            return 16
        if op == 5:
            return 4096
        if op == 6:
            self.data[arg * 4096 : (arg + 1) * 4096] = b"\\xff" * 4096
        return 0

flash = Flash()
print(_boot.mount(vfs, flash, "/chip"))
with open("/chip/keep", "w") as f:
    f.write("me")
vfs.umount("/chip")
print(_boot.mount(vfs, flash, "/chip"), open("/chip/keep").read())
vfs.umount("/chip")
for i in range(8192):
    flash.data[i] = i * 7 & 255  # both superblocks
print(_boot.mount(vfs, flash, "/chip"), open("/chip/mended").read())
"""
    )
    assert said.split("\n")[:3] == ["True", "False me", "True file system"]

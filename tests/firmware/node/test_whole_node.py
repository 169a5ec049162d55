"""main.py itself in the MicroPython unix port on simulated boards: power cuts, faults, recovery."""

from __future__ import annotations

import itertools
import json
import random
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
from tests.node_flash import records_of
from wire.record import NO_ANSWER, OK, TIME_NEVER_SET

pytestmark = pytest.mark.mpy

START_US = 1_790_000_000_000_000
FIRMWARE = Path(__file__).parents[3] / "firmware"
CONFIG: dict[str, Any] = {
    "schema": 1,
    "kind": "bin",
    "board": "sim_bin",
    "interval_s": 60,
    "radio": "none",
    "dev_eui": "70b3d57ed0000001",
}
AROUND = {"distance_mm": 800.0, "battery_mv": 3900.0, "rain_mm": 0.0}

Live = Callable[[World, SimNode], Awaitable[None]]


def _live(
    folder: Path, live: Live, config: object = CONFIG, firmware: Path = FIRMWARE, board: str = "sim_bin"
) -> SimNode:
    def source(quantity: str, _now_us: int) -> float:
        return AROUND.get(quantity, 20.0)

    async def main() -> SimNode:
        async with World(folder) as world:
            hardware = boards.build(board, source, mm_per_tip=MM_PER_TIP)
            node = world.add_node(NodeSettings("n", hardware, path=(firmware,), seed=3))
            (node.flash / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
            node.power_on()
            await live(world, node)
            assert node.state in ("running", "waiting"), node.state
            return node

    return run(main(), start_us=START_US)


def test_a_node_that_never_finds_a_network_keeps_every_minute(tmp_path: Path) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(3600)

    records = records_of(_live(tmp_path, live))
    assert [r.seq for r in records] == list(range(60))
    assert {r.time_quality for r in records} == {TIME_NEVER_SET}
    assert {b.time_s - a.time_s for a, b in itertools.pairwise(records[1:])} == {60}
    assert {state for r in records for _id, _raw, state in r.readings} == {OK}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (1, 2))])
def test_power_cuts_at_any_instant_lose_no_finished_record_and_reuse_no_number(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    finished: list[int] = []

    async def live(world: World, node: SimNode) -> None:
        for _ in range(12):
            await world.run_for(chance.uniform(1, 250))
            node.power_off()
            seqs = [r.seq for r in records_of(node)]
            assert seqs[: len(finished)] == finished
            finished[:] = seqs
            node.power_on()
        await world.run_for(200)

    seqs = [r.seq for r in records_of(_live(tmp_path, live))]
    assert seqs[: len(finished)] == finished
    assert len(set(seqs)) == len(seqs) > 12
    assert seqs == sorted(seqs)


def test_a_sensor_that_is_unplugged_and_plugged_in_again_is_told_in_therecords_of(tmp_path: Path) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(300)
        chip = node.board._i2c[0, 0x44]
        node.board.unplug_i2c(0, 0x44)
        await world.run_for(300)
        node.board.plug_i2c(0, chip)
        await world.run_for(300)

    config = CONFIG | {"board": "sim_garden", "kind": "garden"}
    records = records_of(_live(tmp_path, live, config, board="sim_garden"))
    states = [{i: state for i, _raw, state in r.readings}[5] for r in records]
    assert states[0] == states[-1] == OK
    assert states.count(NO_ANSWER) == 5
    assert all((17, OK) in [(i, state) for i, _raw, state in r.readings] for r in records)


@pytest.mark.parametrize("text", ["{", "", '{"schema": 1, "board": "nowhere"}', "\u0000"])
def test_a_broken_configuration_leaves_a_node_that_runs_and_says_why(tmp_path: Path, text: str) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(1800)

    node = _live(tmp_path, live, text)
    assert node.boots == 1
    said = node.log_tail()
    assert ("config.json" in said and "write it anew" in said) or "board" in said


def test_a_wrong_key_takes_its_default_and_the_rest_counts(tmp_path: Path) -> None:
    async def live(world: World, node: SimNode) -> None:
        await world.run_for(1500)

    node = _live(tmp_path, live, CONFIG | {"interval_s": 5})
    assert "interval_s is outside 10..86400" in node.log_tail()
    records = records_of(node)
    assert {b.time_s - a.time_s for a, b in itertools.pairwise(records[1:])} == {300}


def test_an_application_that_crashes_on_every_record_ends_in_safe_mode_without_wearing_out_the_flash(
    tmp_path: Path,
) -> None:
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE, firmware, ignore=shutil.ignore_patterns("__pycache__"))
    power = firmware / "node" / "power.py"
    broken = power.read_text().replace(
        "        for measurement_id, raw, state in readings:",
        "        for measurement_id, raw, state in readings:\n            raise RuntimeError('a bug')",
    )
    assert "a bug" in broken
    power.write_text(broken)

    async def live(world: World, node: SimNode) -> None:
        await world.run_for(5 * 3600)
        assert node.boots == 5  # four short lives, then one in safe mode
        await world.run_for(2 * 3600)

    node = _live(tmp_path / "world", live, firmware=firmware)
    assert node.boots == 10  # after six hours it tried everything again
    assert "RuntimeError: a bug" in node.log.read_text()


def test_an_application_file_that_does_not_import_is_told_and_the_others_run(tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE, firmware, ignore=shutil.ignore_patterns("__pycache__"))
    (firmware / "drivers" / "a02yyuw.py").write_text("this is no Python")

    async def live(world: World, node: SimNode) -> None:
        await world.run_for(600)

    node = _live(tmp_path / "world", live, firmware=firmware)
    assert "a02yyuw: SyntaxError" in node.log_tail()
    assert all([i for i, _raw, _state in r.readings] == [17] for r in records_of(node))
    assert len(records_of(node)) == 10


def test_every_driver_of_the_table_can_be_built_and_has_what_the_node_asks_for(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
from node import build
from node.acquire import Sensor

class Buses:
    def i2c(self, number):
        return None
    uart = i2c

for name in sorted(build._ON_BUS):
    sensor = Sensor(name, build._driver(name, 0, None, Buses(), None, None))
    assert sensor.driver.MEASURES, name
    for method in ("probe", "start", "fetch", "stop"):
        getattr(sensor.driver, method)
print("built", len(build._ON_BUS))
"""
    )

    async def main() -> str:
        async with World(tmp_path / "world") as world:
            hardware = boards.build("sim_bin", lambda quantity, _now_us: AROUND[quantity])
            node = world.add_node(NodeSettings("n", hardware, script=script, path=(FIRMWARE,)))
            node.power_on()
            await world.run_for(10)
            return node.log_tail()

    assert run(main(), start_us=START_US).splitlines() == ["built 16"]


# It needs 356 and 384 KB; the collector takes some numbers on the stack for addresses, each run others.
@pytest.mark.parametrize(("codec", "heap_kib"), [(1, 376), (2, 408)])
def test_a_node_with_its_radio_lives_in_a_small_heap(tmp_path: Path, codec: int, heap_kib: int) -> None:
    async def main() -> tuple[int, str]:
        async with World(tmp_path) as world:
            hardware = boards.build("sim_bin", lambda quantity, _now_us: AROUND[quantity], IdealChannel())
            keys = {"radio": "lorawan", "join_eui": "70b3d57ed0000000", "app_key": "0f" * 16, "codec": codec}
            settings = NodeSettings("n", hardware, config=CONFIG | keys, heap_bytes=heap_kib * 1024)
            node = world.add_node(settings)
            node.power_on()
            await world.run_for(1800)
            return node.boots, node.log.read_text()

    boots, said = run(main(), start_us=START_US)
    assert boots == 1
    assert "MemoryError" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("heap_kib", "is_plain"), [(576, False), (448, True)])
def test_a_noise_node_codes_compactly_where_its_sound_leaves_the_memory(
    tmp_path: Path, heap_kib: int, is_plain: bool
) -> None:
    async def main() -> tuple[int, str, int]:
        async with World(tmp_path) as world:
            hardware = boards.build("heltec3_noise", lambda _quantity, _now_us: 60.0)
            config = CONFIG | {"kind": "noise", "board": "heltec3_noise", "noise_s": 1}
            node = world.add_node(NodeSettings("n", hardware, config=config, heap_bytes=heap_kib * 1024))
            node.power_on()
            await world.run_for(400)
            return node.boots, node.log.read_text(), len(records_of(node))

    boots, said, records = run(main(), start_us=START_US)
    assert boots == 1
    assert ("codec 1: no memory for 2" in said) is is_plain
    assert "MemoryError" not in said
    assert records >= 5

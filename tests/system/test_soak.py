"""Days of every kind of node in the unix port through every fault of its sensors, in a small heap.

No reading may be good while its sensor is broken, nothing crashes, and the heap does not grow. Short here, 30
days with `--nightly`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from simulator.chips.base import Source
from simulator.city import CityAt
from simulator.node import SimNode
from simulator.world import World
from tests.system.kinds import START_US, Around, live
from wire import measurements as m
from wire.record import FIRST_ERROR, OK, Record

HOUR_S = 3600
HEAP = 384 * 1024  # bytecode and doubled pointers included: see simulator.nodeproc.HEAP_BYTES
HEAP_OF = {"heltec3_noise": 512 * 1024}  # its buffers of sound
# Faults that a chip cannot hide: while they last none of its readings may be plain OK.
TELLS = {
    "nak",
    "brown_out",
    "bad_crc",
    "slow",
    "dead_fan",
    "gas_fail",
    "rht_fail",
    "laser_fail",
    "no_conversion",
}
# Late, but in time; or without supply as a switched sensor is most of the time, and back when it measures.
HARMLESS = {("sps30", "slow"), ("a02yyuw", "brown_out"), ("sps30", "brown_out")}
SENSORS: dict[str, dict[str, tuple[int, ...]]] = {
    "t3s3_air": {"sps30": (m.PM2_5, m.PM10), "sht4x": (m.TEMPERATURE,)},
    "t3s3_bin": {
        "a02yyuw": (),
        "vl53l1x": (m.DISTANCE_LIGHT,),
        "lis3dh": (m.TILT,),
        "sht4x": (m.TEMPERATURE,),
    },
    "c3_garden": {
        "sht4x": (m.TEMPERATURE, m.RELATIVE_HUMIDITY),
        "soil_moisture": (m.SOIL_MOISTURE,),
        "ds18b20": (m.SOIL_TEMPERATURE,),
        "pcf8593": (m.RAIN_TIPS,),
    },
    "lora32_bin_air": {"sps30": (m.PM2_5,), "sht4x": (m.TEMPERATURE,), "a02yyuw": ()},
    "heltec3_noise": {"i2s_mic": ()},
}
FAULTS = {
    "sps30": ("nak", "bad_crc", "slow", "stuck", "brown_out", "worn_fan", "dead_fan", "old_laser", "drift"),
    "sht4x": ("nak", "bad_crc", "slow", "stuck", "brown_out", "condensation", "drift"),
    "a02yyuw": ("nak", "bad_crc", "stuck", "brown_out", "noise", "ghost_echo", "blocked_cone"),
    "vl53l1x": ("nak", "slow", "stuck", "brown_out", "condensation", "ghost_echo"),
    "lis3dh": ("nak", "stuck", "brown_out", "dead_axis"),
    "soil_moisture": ("nak",),
    "ds18b20": ("nak", "bad_crc", "short", "no_conversion", "brown_out"),
    "pcf8593": ("nak", "brown_out", "stuck"),
    "i2s_mic": (),  # a microphone says nothing about itself; tests/firmware/test_noise_meter.py breaks it
}


def _kind(board: str) -> str:
    return "bin" if "_bin" in board else board.rsplit("_", 1)[1]


def _around(board: str) -> Source:
    city = CityAt(7, board, START_US)
    fixed = Around()

    def source(quantity: str, now_us: int) -> float:
        try:
            return city(quantity, now_us)
        except KeyError:
            return fixed(quantity, now_us)

    return source


def _soak(
    folder: Path, board: str, hours_each: float, rounds: int
) -> tuple[SimNode, list[Record], list[Any]]:
    spans: list[tuple[float, float, str, str]] = []

    async def during(world: World, node: SimNode) -> None:
        await world.run_for(2 * HOUR_S)
        for _ in range(rounds):
            for name in SENSORS[board]:
                chip: Any = node.board.chips[name]
                for fault in FAULTS[name]:
                    began = world.loop.now_us()
                    powered = "brown_out" in chip.faults  # behind a switch that is off just now
                    chip.faults.add(fault)
                    await world.run_for(hours_each * HOUR_S)
                    if not (fault == "brown_out" and powered):
                        chip.faults.discard(fault)
                    spans.append((began / 1e6, world.loop.now_us() / 1e6, name, fault))
                    await world.run_for(hours_each * HOUR_S / 2)
        await world.run_for(2 * HOUR_S)

    heap = HEAP_OF.get(board, HEAP)
    node, records = live(
        folder, _kind(board), board, _around(board), during, heap, interval_s=900, noise_s=1, log_kib=1024
    )
    return node, records, spans


def _judge(node: SimNode, records: list[Record], spans: list[Any], board: str) -> None:
    assert node.boots == 1, node.log_tail()
    text = node.log.read_text()
    assert "Traceback" not in text
    assert "MemoryError" not in text
    began_s = START_US / 1e6
    wrong: list[str] = []
    for start, end, name, fault in spans:
        if fault not in TELLS or (name, fault) in HARMLESS:
            continue
        for record in records:
            at = began_s + record.time_s
            if not start + 60 < at < end - 60:
                continue
            for i, raw, state in record.readings:
                if i in SENSORS[board][name] and state == OK:
                    wrong.append(f"{name} {fault} at {at - began_s:.0f}: {i} {raw} is OK")
    assert not wrong, wrong[:5]
    for record in records:
        for i, raw, state in record.readings:
            row = m.by_id(i)
            assert row is not None
            assert (state >= FIRST_ERROR and raw == 0) or row[4] <= raw <= row[5]
    assert all(b.seq == a.seq + 1 for a, b in itertools.pairwise(records))
    last = {i: state for i, _, state in records[-1].readings}
    healthy = [i for ids in SENSORS[board].values() for i in ids]
    assert all(last[i] < FIRST_ERROR for i in healthy if i in last), last  # everything came back


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("board", sorted(SENSORS))
def test_a_day_through_every_fault(tmp_path: Path, board: str) -> None:
    node, records, spans = _soak(tmp_path, board, 0.75, 1)
    _judge(node, records, spans, board)


@pytest.mark.mpy
@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("board", sorted(SENSORS))
def test_thirty_days_through_every_fault(tmp_path: Path, board: str) -> None:
    faults = sum(len(FAULTS[name]) for name in SENSORS[board])
    node, records, spans = _soak(tmp_path, board, 4.0, max(1, round(30 * 24 / (6.0 * faults))))
    _judge(node, records, spans, board)


_HEAP_WATCH = """
import gc
from node import start, recovery
from node.hal import Hal
from node.store import NvsStore
hal, store = Hal(), NvsStore()
node = start.make(hal, store, recovery.Lives(store, 1), 1)
node.start()
seen = []
for day in range({days}):
    while node.time.uptime_ms() < (day + 1) * {day_ms}:
        node.step()
    gc.collect()
    seen.append(gc.mem_alloc())
print("HEAP", " ".join([str(n) for n in seen]))
"""


def heap_of_days(folder: Path, board: str, days: int, day_s: int) -> list[int]:
    from simulator import boards
    from simulator.loop import run
    from simulator.node import NodeSettings
    from tests.system.kinds import FIRMWARE

    script = folder / "script.py"
    script.write_text(_HEAP_WATCH.format(days=days, day_ms=day_s * 1000))

    async def main() -> str:
        async with World(folder / "w") as world:
            config = {"schema": 1, "kind": _kind(board), "board": board, "interval_s": 900, "noise_s": 1}
            models = boards.build(board, _around(board))
            node = world.add_node(
                NodeSettings(
                    "n", models, script=script, path=(FIRMWARE,), config=config, heap_bytes=512 * 1024
                )
            )
            node.power_on()
            await world.run_for(days * day_s + 600)
            return node.log_tail()

    told = next(line for line in run(main(), start_us=START_US).splitlines() if line.startswith("HEAP"))
    return [int(n) for n in told.split()[1:]]


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.parametrize("board", ["t3s3_bin", "c3_garden", "t3s3_air"])
def test_the_heap_of_the_last_quarter_day_is_that_of_the_second(tmp_path: Path, board: str) -> None:
    seen = heap_of_days(tmp_path, board, 8, 21600)
    assert max(seen[2:]) - seen[1] < 2048, seen


@pytest.mark.mpy
@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("board", ["t3s3_bin", "c3_garden", "t3s3_air"])
def test_the_heap_of_day_thirty_is_that_of_day_two(tmp_path: Path, board: str) -> None:
    seen = heap_of_days(tmp_path, board, 30, 86400)
    assert abs(seen[29] - seen[1]) < 2048, seen

"""Days of every kind of node in the unix port through every fault of its sensors, in a small heap.

No reading may be good while its sensor is broken, nothing crashes, and the heap does not grow. Nodes are
those of hardware/ and, for each further part of hardware/parts.toml, a board with that part alone. Short;
30 days: `pytest --nightly -m nightly tests/system/test_soak.py`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator import boards, hardware
from simulator.buses import Board
from simulator.channel.ideal import IdealChannel
from simulator.chips.base import Source
from simulator.chips.known_faults import FAULTS
from simulator.city import CityAt
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.nodeproc import HEAP_BYTES
from simulator.world import World
from tests.node_flash import records_of
from tests.system.kinds import FIRMWARE, START_US, Around
from tools import boards as board_modules
from wire import measurements as m
from wire.record import FIRST_ERROR, OK, Record

HOUR_S = 3600
HEAP = 416 * 1024  # bytecode and doubled pointers included: see simulator.nodeproc.HEAP_BYTES
HEAP_OF = {
    "heltec3_noise": 512 * 1024,  # its buffers of sound
    "lora32_bin_air": 448 * 1024,  # most drivers of all: 400 KB is the least it lives in (tests.bench.nodes)
}
PM = (m.PM1, m.PM2_5, m.PM4, m.PM10)
CLIMATE = (m.TEMPERATURE, m.RELATIVE_HUMIDITY)
# Faults that a chip cannot hide: while they last none of the readings named may be plain OK (all of the
# sensor's where nothing is named).
TELLS: dict[str, tuple[int, ...]] = {
    "nak": (),
    "brown_out": (),
    "bad_crc": (),
    "slow": (),
    "dead_fan": PM,
    "gas_fail": (m.VOC_INDEX, m.NOX_INDEX, m.SRAW_VOC, m.SRAW_NOX, m.GAS_RESISTANCE),
    "rht_fail": CLIMATE,
    "co2_fail": (m.CO2,),
    "laser_fail": (),
    "no_conversion": (),
    "no_power": (),
    "line_high": (),
}
# Late, but in time; or without supply as a switched sensor is most of the time, and back when it measures.
HARMLESS = {
    ("sps30", "slow"),
    ("sps30_uart", "slow"),
    ("a02yyuw", "brown_out"),
    ("sps30", "brown_out"),
    ("mb7389", "brown_out"),
    ("sen5x", "slow"),
    ("sen66", "slow"),
    ("scd4x", "slow"),
    ("pms5003", "slow"),
    ("sds011", "slow"),
}
# Models that take faults from another module's class.
ENGINES = {
    name: "".join(
        (hardware.ROOT.parent / "simulator" / "chips" / f"{part}.py").read_text()
        for part in ("sps30", "sensirion", "registers", "sen5x")
    )
    for name in ("sps30", "sps30_uart", "sen5x", "sen66", "scd4x", "sgp41", "pcf8593", "vl53l1x", "lis3dh")
}
# What of a node's record comes from one sensor alone, so that its faults show there.
SENSORS: dict[str, dict[str, tuple[int, ...]]] = {
    "t3s3_air": {"sps30": (m.PM2_5, m.PM10), "sht4x": (m.TEMPERATURE,)},
    "t3s3_air_gas": {
        "sps30": (m.PM2_5, m.PM10),
        "sht4x": (m.TEMPERATURE,),
        "sgp41": (m.SRAW_VOC, m.VOC_INDEX, m.NOX_INDEX),
    },
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
    "lora32_garden": {"sht4x": (m.TEMPERATURE, m.RELATIVE_HUMIDITY), "rain_gauge": ()},
    "lora32_bin_air": {"sps30": (m.PM2_5,), "sht4x": (m.TEMPERATURE,), "a02yyuw": ()},
    "heltec3_noise": {"i2s_mic": (m.LAEQ,)},
}
# Parts that stand in none of these nodes, each on a board of its own.
ALONE: dict[str, tuple[int, ...]] = {
    "sps30_uart": PM,
    "sen54": (*PM, *CLIMATE, m.VOC_INDEX),
    "sen55": (*PM, *CLIMATE, m.VOC_INDEX, m.NOX_INDEX),
    "sen66": (*PM, *CLIMATE, m.VOC_INDEX, m.NOX_INDEX, m.CO2),
    "pms5003": (m.PM2_5,),
    "pms7003": (m.PM2_5,),
    "sds011": (m.PM2_5,),
    "bme280": (m.TEMPERATURE, m.PRESSURE),
    "bme680": (m.TEMPERATURE, m.PRESSURE, m.GAS_RESISTANCE),
    "scd41": (m.CO2, m.TEMPERATURE),
    "mb7389": (m.DISTANCE,),
    "ina219": (m.SOLAR, m.CURRENT),
}
NODES = [*SENSORS, *(f"alone_{part}" for part in ALONE)]


def test_every_part_with_a_driver_is_lived_through() -> None:
    used = {key for name in SENSORS for key in hardware.nodes()[name].parts}
    known = {key for key, part in hardware.parts().items() if "driver" in part}
    # The battery's divider cannot tell; the ICS-43434 stands for the INMP441, whose model differs in numbers.
    assert known - used - set(ALONE) == {"inmp441"}


@pytest.mark.parametrize("driver", sorted(FAULTS))
def test_every_fault_is_one_that_the_model_says_it_has(driver: str) -> None:
    module = __import__(f"simulator.chips.{driver}", None, None, ("x",))
    text = Path(module.__file__ or "").read_text() + (ENGINES.get(driver) or "")
    for fault in FAULTS[driver]:
        assert re.search(rf"\b{fault}\b", text), fault


@dataclass
class Subject:
    """A node to live: its board, its firmware's path, and what each sensor's faults must show in."""

    name: str
    kind: str
    board: Board
    path: tuple[Path, ...]
    sensors: dict[str, tuple[int, ...]]


def subject(folder: Path, name: str, channel: IdealChannel | None = None) -> Subject:
    if not name.startswith("alone_"):
        kind = hardware.nodes()[name].kit["kind"]
        board = boards.build(name, _around(name), channel)
        return Subject(name, kind, board, (FIRMWARE,), SENSORS.get(name, {}))
    key = name.removeprefix("alone_")
    part = hardware.parts()[key]
    kind = "bin" if key == "mb7389" else "air"
    kit = {"kind": kind, "summary": "One part alone", "power": "mains", "parts": [key], "others": []}
    found = hardware.combine("t3s3", hardware.read(hardware.ROOT / "boards" / "t3s3.toml"), "alone", kit)
    package = folder / "path" / "boards"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    text = board_modules.text_of(hardware.ROOT / "boards" / "t3s3.toml", found.description, "t3s3.toml")
    (package / f"{name}.py").write_text(text)
    board = boards.build_described(name, found.description, _around(name), channel)
    return Subject(name, kind, board, (package.parent, FIRMWARE), {part["driver"]: ALONE[key]})


def _around(board: str) -> Source:
    city = CityAt(7, board, START_US)
    fixed = Around(
        solar_mv=5120.0, current_ma=120.0, voc_index=112.0, nox_index=3.0, co2_ppm=612.0, gas_ohm=52_000.0
    )

    def source(quantity: str, now_us: int) -> float:
        try:
            return city(quantity, now_us)
        except KeyError:
            return fixed(quantity, now_us)

    return source


def _set(chip: Any, fault: str, on: bool) -> None:
    if hasattr(chip, "fault"):  # the microphone has one at a time
        chip.fault = fault if on else None
    elif on:
        chip.faults.add(fault)
    else:
        chip.faults.discard(fault)


def _soak(
    folder: Path, name: str, hours_each: float, rounds: int, page: bool
) -> tuple[SimNode, list[Record], list[Any], Subject]:
    spans: list[tuple[float, float, str, str]] = []

    async def main() -> tuple[SimNode, Subject]:
        async with World(folder) as world:
            it = subject(folder, name)
            config = {"schema": 1, "kind": it.kind, "board": name, "interval_s": 900, "radio": "none"}
            config |= {"dev_eui": "70b3d57ed0000001", "noise_s": 1, "log_kib": 1024, "page": page}
            heap = max(HEAP_OF.get(name, HEAP), HEAP_BYTES if page else 0)  # the page takes what nodes leave
            node = world.add_node(
                NodeSettings("n", it.board, path=it.path, seed=3, config=config, heap_bytes=heap)
            )
            node.power_on()
            await world.run_for(2 * HOUR_S)
            for _ in range(rounds):
                for sensor in it.sensors:
                    chip: Any = node.board.chips[sensor]
                    for fault in FAULTS[sensor]:
                        began = world.loop.now_us()
                        powered = "brown_out" in getattr(chip, "faults", ())  # behind a switch that is off
                        _set(chip, fault, True)
                        await world.run_for(hours_each * HOUR_S)
                        if not (fault == "brown_out" and powered):
                            _set(chip, fault, False)
                        spans.append((began / 1e6, world.loop.now_us() / 1e6, sensor, fault))
                        await world.run_for(hours_each * HOUR_S / 2)
            await world.run_for(2 * HOUR_S)
            assert node.state in ("running", "waiting"), node.log_tail()
            return node, it

    node, it = run(main(), start_us=START_US)
    return node, records_of(node), spans, it


def _judge(node: SimNode, records: list[Record], spans: list[Any], it: Subject) -> None:
    assert node.boots == 1, node.log_tail()
    text = node.log.read_text()
    assert "Traceback" not in text
    assert "MemoryError" not in text
    began_s = START_US / 1e6
    wrong: list[str] = []
    for start, end, name, fault in spans:
        if fault not in TELLS or (name, fault) in HARMLESS:
            continue
        named = TELLS[fault] or it.sensors[name]
        for record in records:
            at = began_s + record.time_s
            if not start + 60 < at < end - 60:
                continue
            for i, raw, state in record.readings:
                if i in named and i in it.sensors[name] and state == OK:
                    wrong.append(f"{name} {fault} at {at - began_s:.0f}: {i} {raw} is OK")
    assert not wrong, wrong[:5]
    for record in records:
        for i, raw, state in record.readings:
            row = m.by_id(i)
            assert row is not None
            assert (state >= FIRST_ERROR and raw == 0) or row[4] <= raw <= row[5]
    assert all(b.seq == a.seq + 1 for a, b in itertools.pairwise(records))
    last = {i: state for i, _, state in records[-1].readings}
    healthy = [i for ids in it.sensors.values() for i in ids]
    assert all(last[i] < FIRST_ERROR for i in healthy if i in last), last  # everything came back


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.timeout(300)
# A second at a time, air-gas takes half a minute of CPU a day: tests/firmware/node/test_gas.py lives hours.
@pytest.mark.parametrize("name", [name for name in NODES if name != "t3s3_air_gas"])
def test_a_day_through_every_fault(tmp_path: Path, name: str) -> None:
    # Waiting for visitors of the node's page is two thirds of a simulated day: the long form does it, too.
    _judge(*_soak(tmp_path, name, 0.75, 1, page=False))


@pytest.mark.mpy
@pytest.mark.nightly
@pytest.mark.timeout(7200)  # air-gas wakes each second: 23 minutes on a busy machine
@pytest.mark.parametrize("name", NODES)
def test_thirty_days_through_every_fault(tmp_path: Path, name: str) -> None:
    sensors = SENSORS.get(name) or {hardware.parts()[name.removeprefix("alone_")]["driver"]: ()}
    faults = sum(len(FAULTS[sensor]) for sensor in sensors)
    _judge(*_soak(tmp_path, name, 4.0, max(1, round(30 * 24 / (6.0 * faults))), page=True))


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


def heap_of_days(
    folder: Path, name: str, days: int, day_s: int, radio: str = "none", page: bool = True
) -> list[int]:
    """Return the bytes allocated at the end of each day. radio: lorawan searches a network in vain."""
    script = folder / "script.py"
    script.write_text(_HEAP_WATCH.format(days=days, day_ms=day_s * 1000))

    async def main() -> str:
        async with World(folder / "w") as world:
            channel = None if radio == "none" else IdealChannel()
            it = subject(folder, name, channel)
            config = {"schema": 1, "kind": it.kind, "board": name, "interval_s": 900, "noise_s": 1}
            config |= {
                "radio": radio,
                "dev_eui": "70b3d57ed0000001",
                "join_eui": "0" * 16,
                "app_key": "2b" * 16,
                "page": page,
            }
            node = world.add_node(
                NodeSettings("n", it.board, script=script, path=it.path, config=config, heap_bytes=512 * 1024)
            )
            node.power_on()
            await world.run_for(days * day_s + 600)
            return node.log_tail()

    told = next(line for line in run(main(), start_us=START_US).splitlines() if line.startswith("HEAP"))
    return [int(n) for n in told.split()[1:]]


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.parametrize("name", ["t3s3_bin", "c3_garden", "t3s3_air"])
def test_the_heap_of_the_last_quarter_day_is_that_of_the_second(tmp_path: Path, name: str) -> None:
    seen = heap_of_days(tmp_path, name, 8, 21600, page=False)
    assert max(seen[2:]) - seen[1] < 2048, seen


@pytest.mark.mpy
@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("radio", ["none", "lorawan"])
@pytest.mark.parametrize("name", list(SENSORS))
def test_the_heap_of_day_thirty_is_that_of_day_two(tmp_path: Path, name: str, radio: str) -> None:
    seen = heap_of_days(tmp_path, name, 30, 86400, radio)
    assert abs(seen[29] - seen[1]) < 2048, seen

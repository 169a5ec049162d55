"""Lives of a node: deep sleep, reset, power cut, crash; what survives each."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest

from simulator.buses import Board
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.nodeproc import SimulatorError
from simulator.wear import Wear
from simulator.world import NodeCrashedError, World
from tests.simulator.bench import START_US, run_script

pytestmark = pytest.mark.mpy

_COUNTING = """
import machine, time
m = machine.RTC().memory()
n = int(m or b"0")
print(n, machine.reset_cause(), machine.wake_reason(), time.ticks_ms() < 1000)
machine.RTC().memory(str(n + 1).encode())
time.sleep(1)
try:
    machine.deepsleep(600000)
finally:
    print("nothing runs after deepsleep")
"""


def test_deep_sleep_ends_the_program_and_keeps_rtc_memory(tmp_path: Path) -> None:
    events: list[tuple[int, str, str, str]] = []
    lines = run_script(tmp_path, _COUNTING, seconds=1900, events=events)
    assert lines == ["0 1 0 True", "1 4 4 True", "2 4 4 True", "3 4 4 True"]
    asleep = [t for t, _, kind, _ in events if kind == "deepsleep"]
    # each cycle: 600 s asleep, start-up, one second awake
    assert all(601.2 < (b - a) / 1e6 < 601.4 for a, b in itertools.pairwise(asleep))


def test_the_rtc_runs_through_deep_sleep_with_its_own_error(tmp_path: Path) -> None:
    script = """
import machine, time
if machine.reset_cause() == machine.PWRON_RESET:
    machine.RTC().datetime((2026, 9, 21, 0, 0, 0, 0, 0))
    machine.deepsleep(3600000)
print(time.gmtime()[3:6])
"""
    assert run_script(tmp_path, script, seconds=4000) == ["(1, 0, 0)"]

    async def drifted() -> tuple[str, float]:
        file = tmp_path / "script.py"
        async with World(tmp_path / "drift") as world:
            settings = NodeSettings("n", Board(), script=file, rtc_ppm=3300.0)  # 12 s/h: esp-idf issue 6030
            node = world.add_node(settings)
            node.power_on()
            await world.run_for(4000)
            return node.log_tail(), 0.0

    assert run(drifted())[0] == "(1, 0, 0)"  # it woke when its own clock said so, 12 s too early in truth


def test_a_reset_by_program_starts_anew_and_a_power_cut_forgets(tmp_path: Path) -> None:
    script = """
import machine
m = machine.RTC().memory()
print(machine.reset_cause(), m)
machine.RTC().memory(b"kept")
if not m:
    machine.reset()
import time
time.sleep(1000000)
"""

    async def cut(world: World, node: SimNode) -> None:
        await world.run_for(100)
        node.power_off()
        await world.run_for(10)
        assert node.state == "off"
        node.power_on()

    lines = run_script(tmp_path, script, during=cut, seconds=100)
    assert lines == ["1 b''", "2 b'kept'", "1 b''", "2 b'kept'"]


def test_flash_and_committed_nvs_survive_a_power_cut_and_uncommitted_does_not(tmp_path: Path) -> None:
    script = """
import esp32, machine, time
nvs = esp32.NVS("lora")
buf = bytearray(8)
for key in ("a", "b"):
    try:
        print(key, bytes(buf[:nvs.get_blob(key, buf)]))
    except OSError as e:
        print(key, e.args)
try:
    with open("log", "rb") as f:
        print(f.read())
except OSError:
    print("no log")
nvs.set_blob("a", b"\\x00\\xff")
nvs.commit()
nvs.set_blob("b", b"lost")
with open("log", "ab") as f:
    f.write(b"x")
time.sleep(1000000)
"""

    async def cut(world: World, node: SimNode) -> None:
        await world.run_for(10)
        node.power_off()
        node.power_on()

    lines = run_script(tmp_path, script, during=cut)
    missing = "(-4354, 'ESP_ERR_NVS_NOT_FOUND')"
    assert lines == [f"a {missing}", f"b {missing}", "no log", r"a b'\x00\xff'", f"b {missing}", "b'x'"]


def test_a_raw_partition_is_nor_flash(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        """
import esp32
p = esp32.Partition("vfs2")
print(p.ioctl(4, 0), p.ioctl(5, 0))
p.writeblocks(3, b"\\x0f", 10)
p.writeblocks(3, b"\\xf3", 10)
b = bytearray(3)
p.readblocks(3, b, 9)
print(b)
p.ioctl(6, 3)
p.readblocks(3, b, 9)
print(b)
""",
    )
    # programming clears bits (0x0f & 0xf3 = 0x03), erasing sets them
    assert lines == ["64 4096", r"bytearray(b'\xff\x03\xff')", r"bytearray(b'\xff\xff\xff')"]


def test_erased_sectors_and_commits_are_counted(tmp_path: Path) -> None:
    seen: list[Wear] = []

    async def take(world: World, node: SimNode) -> None:
        await world.run_for(10)
        seen.append(node.wear)

    script = """
import esp32
p = esp32.Partition("log")
for block in (3, 5, 3, 3):
    p.ioctl(6, block)
p.writeblocks(7, bytes(4096))  # erases first
nvs = esp32.NVS("lora")
for n in range(2):
    nvs.set_i32("a", n)
    nvs.set_blob("b", bytes(33))
    nvs.commit()
"""
    run_script(tmp_path, script, during=take)
    (wear,) = seen
    assert wear.erases == {"log": {3: 3, 5: 1, 7: 1}}
    assert wear.nvs_commits == 2
    # ESP-IDF programming guide, NVS: an i32 is one entry of 32 bytes; of a blob of 33 bytes the data are two,
    # with one before them and one for the index
    assert wear.nvs_entries == 2 * (1 + 4)
    assert wear.as_dict()["most_erases"] == {"log": 3} and wear.worst == 3


def test_a_crash_stops_the_run_and_shows_the_nodes_traceback(tmp_path: Path) -> None:
    with pytest.raises(NodeCrashedError, match=r"(?s)node n crashed.*line 3.*ZeroDivisionError"):
        run_script(tmp_path, "import time\ntime.sleep(5)\n1 // 0\n")


def children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    if not listing.exists():
        pytest.skip("needs /proc to find a node's process")
    return [int(child) for child in listing.read_text().split()]


def test_a_process_that_dies_is_a_crash_with_its_code(tmp_path: Path) -> None:
    async def kill(world: World, node: SimNode) -> None:
        await world.run_for(10)
        assert world.spawner.pid is not None
        os.kill(children(world.spawner.pid)[0], 9)

    with pytest.raises(NodeCrashedError, match="ended with -9"):
        run_script(tmp_path, "import time\nwhile True: time.sleep(1)\n", during=kill, seconds=5)


class _Broken:
    address = 0x44

    def write(self, data: bytes, now_us: int) -> None:
        raise LookupError("no such quantity")

    def read(self, n: int, now_us: int) -> bytes:
        return bytes(n)


def test_a_fault_of_a_chip_model_ends_the_run_and_names_the_node(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no such quantity") as caught:
        run_script(
            tmp_path, "import machine\nmachine.I2C(0).writeto(0x44, b'x')\n", Board(i2c={0: [_Broken()]})
        )
    assert caught.value.__notes__ == ["while simulating node n"]


def test_the_death_of_the_zygote_ends_the_run(tmp_path: Path) -> None:
    async def kill(world: World, node: SimNode) -> None:
        await world.run_for(10)
        assert world.spawner.pid is not None
        os.kill(world.spawner.pid, 9)

    with pytest.raises(SimulatorError, match="parent process of the nodes died"):
        run_script(tmp_path, "import time\nwhile True: time.sleep(1)\n", during=kill, seconds=1000)


def test_nothing_is_left_running_after_the_world(tmp_path: Path) -> None:
    zygote: list[int] = []

    async def note(world: World, node: SimNode) -> None:
        assert world.spawner.pid is not None
        zygote.append(world.spawner.pid)

    run_script(tmp_path, "import time\nwhile True: time.sleep(1)\n", during=note, seconds=5)
    with pytest.raises(ProcessLookupError):
        os.kill(zygote[0], 0)


def test_the_same_seed_gives_the_same_life_and_another_seed_another(tmp_path: Path) -> None:
    script = """
import os, random, machine, time
print(os.urandom(8), random.getrandbits(30), machine.unique_id(), time.ticks_us())
time.sleep(random.getrandbits(4))
print(time.ticks_us())
"""
    runs: list[list[str]] = []
    for i, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(i)
        folder.mkdir()
        runs.append(run_script(folder, script, seed=seed))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_heap_is_that_of_a_board(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        """
import gc
gc.collect()
print(gc.mem_free())
try:
    bytearray(530_000)
except MemoryError:
    print("full")
""",
    )
    assert 400_000 < int(lines[0]) < 512 * 1024
    assert lines[1] == "full"


def test_config_json_lies_in_the_flash_root(tmp_path: Path) -> None:
    config = {"schema": 1, "kind": "air"}
    lines = run_script(tmp_path, "print(open('config.json').read())\n", config=config)
    assert json.loads(lines[0]) == config


def test_nodes_wait_for_one_another_in_time_not_in_processes(tmp_path: Path) -> None:
    file = tmp_path / "s.py"
    file.write_text("import machine, time\ntime.sleep(int.from_bytes(machine.unique_id()[:2], 'big') % 50)\n")
    ended: list[tuple[int, str]] = []

    async def main(folder: Path) -> None:
        async with World(
            folder, on_event=lambda t, n, k, x: ended.append((t, n)) if k == "ended" else None
        ) as world:
            for i in range(6):
                world.add_node(NodeSettings(f"n{i}", Board(), script=file)).power_on()
            await world.run_for(60)

    for name in ("a", "b"):
        run(main(tmp_path / name), start_us=START_US)
    assert len(ended) == 12
    assert ended[:6] == ended[6:]
    assert ended[:6] == sorted(ended[:6])

"""Two processes on one clock: equal times at every run, kill -9, what goes wrong is said."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from simulator.nodeproc import SimulatorError
from simulator.stage.lockstep import HouseProcess, StageLoop, run_stage

HOUSE = "tests.simulator.stage.toy_house:House"
START_US = 1_790_000_000_000_000


def live(folder: Path, settings: dict[str, Any] | None = None) -> tuple[list[Any], list[Any]]:
    """Send three datagrams at odd times and ask something; return the events and what came back when."""
    events: list[Any] = []
    back: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StageLoop)
        house = HouseProcess(loop, HOUSE, folder, settings or {}, events.append)
        ports = await house.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", ports["semtech_udp"]))
            loop.add_reader(sock.fileno(), lambda: back.append((loop.now_us() - START_US, sock.recv(99))))
            for i, pause_s in enumerate((0.25, 1.1, 0.000_7)):
                await asyncio.sleep(pause_s)
                sock.send(b"ab%d" % i)
                loop.sent()
            assert await house.call("slow", 2.5) == 2.5
            back.append(loop.now_us() - START_US)
            loop.remove_reader(sock.fileno())
        pid = house.pid
        assert pid is not None
        house.kill()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert (await house.start())["semtech_udp"] == ports["semtech_udp"]
        await asyncio.sleep(1)
        await house.stop()
        assert house.starts == 2

    run_stage(main(), start_us=START_US)
    return events, back


def test_with_slack_what_can_wait_falls_together_and_what_cannot_does_not(tmp_path: Path) -> None:
    told: list[list[int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StageLoop)
        house = HouseProcess(
            loop, HOUSE, tmp_path, {"still": True}, lambda _event: None, slack_us=3_600_000_000
        )
        await house.start()
        for _ in range(2):
            told.append(await house.call("wakes", [0.5, 19, 20, 60, 3600]))
        await house.stop()

    run_stage(main(), start_us=START_US)  # 1,790,000,000 s: 13 min 20 s after a full hour
    hour_s = 1_790_000_000 // 3600 * 3600 + 3600
    assert told[0] == [1_790_000_000, 1_790_000_019, hour_s, hour_s, hour_s + 3600]
    after_s = hour_s + 3600
    assert told[1] == [after_s, after_s + 19, after_s + 3600, after_s + 3600, after_s + 3600]


def test_both_see_the_same_times_and_every_run_is_the_same(tmp_path: Path) -> None:
    events, back = live(tmp_path)
    assert back == [(250_000, b"0ba"), (1_350_000, b"1ba"), (1_350_700, b"2ba"), 3_850_700]
    got = [(e[0] - START_US, e[4]["ms"] - START_US // 1000) for e in events if e[3] == "got"]
    assert got == [(250_000, 250), (1_350_000, 1350), (1_350_700, 1350)]
    ticks = [e[0] - START_US for e in events if e[3] == "tick"]
    assert ticks[:12] == [300_000 * i for i in range(1, 13)]
    assert live(tmp_path) == (events, back)


def test_a_house_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="made to fail"):
        live(tmp_path, {"broken": True})


def test_what_it_does_not_know_comes_back_as_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StageLoop)
        house = HouseProcess(loop, HOUSE, tmp_path, {}, lambda _event: None)
        await house.start()
        with pytest.raises(SimulatorError, match="AttributeError"):
            await house.call("dance")
        await house.call("set_clock", 5000)
        await house.stop()
        with pytest.raises(SimulatorError, match="does not run"):
            await house.call("slow", 1)

    run_stage(main(), start_us=START_US)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_house_dies_with_a_stage_that_is_killed(tmp_path: Path) -> None:
    """Also one that turns in a loop and never looks at its socket: nobody is left to spin."""
    script = (
        "import asyncio, os, pathlib, signal, threading\n"
        "from simulator.stage.lockstep import HouseProcess, run_stage\n"
        "async def main():\n"
        f"    house = HouseProcess(asyncio.get_running_loop(), {HOUSE!r}, pathlib.Path({str(tmp_path)!r}),"
        " {}, print)\n"
        "    await house.start()\n"
        "    print(house.pid, flush=True)\n"
        "    threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()\n"
        "    await house.call('spin')\n"
        "run_stage(main(), start_us=0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    pid = int(done.stdout.split()[-1])
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # dead; whoever adopted it has not looked yet
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the house went on without its stage")

"""No sample of a noise node's microphone leaves it: not by radio, in a log, or on flash.

The microphone plays noise of known words through the whole house: firmware, LoRaWAN, gateway, store. Then
every file that the house left behind (the node's flash and its log of everything printed, the street's
files, the gateway's raw frames and its store) is searched for two neighbouring samples in
the forms that a leak would have. (On the air everything is encrypted; the gateway's raw frames are what was
sent, decrypted.)
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from pathlib import Path

import numpy as np
import pytest

from gateway.app import Gateway
from simulator import boards
from simulator.chips.i2s_mic import I2sMicrophone
from simulator.loop import run
from simulator.node import NodeSettings
from simulator.street import Street
from simulator.world import World
from tests.system.house import run_house

START_S = 1_790_000_000
WORDS = 4800  # a tenth of a second, over and over


def marker() -> np.ndarray:
    """Return words of 24 bits, loud enough for all their bytes to be in use."""
    rng = np.random.default_rng(77)
    return ((rng.normal(0, 2**19, WORDS).astype(np.int64) | 1) << 8).astype("<i4")


def forms(words: np.ndarray) -> list[bytes]:
    """Return what two neighbouring samples would look like in a leak."""
    found: list[bytes] = []
    for a, b in itertools.pairwise(words):
        four = a.tobytes() + b.tobytes()
        three = a.tobytes()[1:] + b.tobytes()[1:]
        stereo = a.tobytes() + bytes(4) + b.tobytes()
        top_first = a.astype(">i4").tobytes() + b.astype(">i4").tobytes()
        found += [four, three, stereo, top_first]
        found += [four.hex().encode(), f"{a}, {b}".encode(), f"{a >> 8}, {b >> 8}".encode()]
        found.append(base64.b64encode(three))
    return found


def hits(data: bytes, needles: set[bytes]) -> int:
    """Count places where a needle begins; places are found by the needles' first six bytes."""
    if len(data) < 6:
        return 0
    starts = np.unique([int.from_bytes(needle[:6], "little") for needle in needles]).astype(np.uint64)
    octets = np.frombuffer(data, np.uint8).astype(np.uint64)
    windows = sum(octets[i : octets.size - 5 + i] << np.uint64(8 * i) for i in range(6))
    lengths = sorted({len(needle) for needle in needles})
    places = np.flatnonzero(np.isin(windows, starts))
    return sum(data[at : at + n] in needles for at in places.tolist() for n in lengths)


def test_the_search_finds_a_leak() -> None:
    words = marker()
    needles = set(forms(words))
    assert hits(b"x" * 40 + words[7:12].tobytes() + b"y" * 40, needles) == 4
    assert hits(repr(words[:3].tolist()).encode(), needles) == 2
    assert hits(bytes(1000), needles) == 0


@pytest.mark.mpy
def test_no_sample_leaves_a_noise_node(tmp_path: Path) -> None:
    words = marker()
    needles = set(forms(words))
    printed: list[str] = []

    async def listen(gateway: Gateway, street: Street) -> None:
        """Let the noise node hear the marker; keep what the nodes print."""
        for node in street.world.nodes:
            microphone = node.board.chips.get("i2s_mic")
            if isinstance(microphone, I2sMicrophone):
                microphone.play(words)
        for _ in range(5):
            await asyncio.sleep(60)
            printed.extend(node.log_tail() for node in street.world.nodes)

    outcome = run_house(
        tmp_path, nodes=2, virtual_s=330, start_s=START_S, interval_s=60, meanwhile=listen,
        overrides={"noise_s": 0},
    )  # fmt: skip
    levels = [o.value for o in outcome.observations if o.quantity == "laeq"]
    assert len(levels) >= 4
    # it did hear: an RMS of 2^-4 is 98.9 dB, and A-weighting takes some 2 dB of white noise
    assert all(value is not None and 95 < value < 100 for value in levels)
    searched = 0
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            searched += len(data)
            assert hits(data, needles) == 0, path
    assert searched > 10_000
    for text in printed:
        assert hits(text.encode(), needles) == 0


FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
CRASH = """
import gc
import time
from boards import sim_noise
from node import build, config, recovery
from node.noise_sensor import NoiseSensor
from node.store import NvsStore

settings, _ = config.load('{"schema": 1, "kind": "noise", "board": "sim_noise", "noise_s": 2}')
store = NvsStore()
lives = recovery.Lives(store, 1)
sensor = NoiseSensor(0, sim_noise.I2S[0], 0, settings, store, time)
seen = []

def broken(lap):
    frames = sensor._meter._microphone._frames
    seen.append(any(frames))
    raise ValueError("lap %r of %r" % (lap, sensor))

sensor._meter.on_second = broken
sensor.start()
try:
    sensor.fetch()
except Exception as error:
    gc.collect()
    build.print_error(error)
    lives.crashed(repr(error))
print("heard", seen, "left", any(sensor._meter._microphone._frames))
print("kept", recovery.last_crash(lives._store))
with open("dump", "wb") as file:
    for part in (sensor._meter._levels, sensor._meter._line, sensor._meter):
        for name in dir(part):
            value = getattr(part, name)
            if isinstance(value, (bytes, bytearray)) or type(value).__name__ == "array":
                file.write(bytes(value))
"""


@pytest.mark.mpy
def test_a_crash_in_the_middle_of_a_measurement_dumps_no_sample(tmp_path: Path) -> None:
    """The program breaks while the buffer is full of sound: traceback, NVS and what is left in memory."""
    words = marker()
    needles = set(forms(words))
    script = tmp_path / "crash.py"
    script.write_text(CRASH)

    async def main() -> str:
        async with World(tmp_path / "world") as world:
            hardware = boards.build("sim_noise", lambda _quantity, _now_us: 60.0)
            microphone = hardware.chips["i2s_mic"]
            assert isinstance(microphone, I2sMicrophone)
            microphone.play(words)
            node = world.add_node(NodeSettings("n", hardware, script=script, path=(FIRMWARE,)))
            node.power_on()
            await world.run_for(20)
            return node.log_tail()

    said = run(main(), start_us=START_S * 1_000_000)
    assert "heard [True] left False" in said
    assert "Traceback" in said
    assert "kept ValueError" in said
    searched = 0
    for path in (tmp_path / "world").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            searched += len(data)
            assert hits(data, needles) == 0, path
    assert (tmp_path / "world" / "n" / "flash" / "dump").stat().st_size > 1000
    assert searched > 1000
    assert hits(said.encode(), needles) == 0

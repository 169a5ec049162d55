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
from simulator.chips.i2s_mic import I2sMicrophone
from simulator.street import Street
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
        for _ in range(24):
            await asyncio.sleep(60)
            printed.extend(node.log_tail() for node in street.world.nodes)

    outcome = run_house(tmp_path, nodes=4, virtual_s=1500, start_s=START_S, interval_s=60, meanwhile=listen)
    levels = [o.value for o in outcome.observations if o.quantity == "laeq"]
    assert len(levels) >= 10
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

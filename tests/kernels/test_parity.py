"""Parity is the same bytes in plain Python, in numpy, in viper of this machine and in rv32imc code."""

from __future__ import annotations

import random

import pytest

from gateway.decode.recovery import add_sum as numpy_sum
from tests.bench.codec_engine import Adder
from tests.dual import run_on_both
from wire.codec import parity


def _frames(n: int) -> list[bytes]:
    rng = random.Random(4)
    return [rng.randbytes(rng.randrange(29)) for _ in range(n)]


@pytest.mark.mpy
def test_both_pythons_and_the_machine_code_protect_alike() -> None:
    # 140 frames go once round the window; only a few rates, as the plain sum is slow
    frames = [data.hex() for data in _frames(140)]
    made = run_on_both("parity", {"rates": [0, 3], "frames": frames, "limit": 51, "counter": 200})
    assert [len(bytes.fromhex(rows[-1])) for rows in made] == [37, 47]


@pytest.mark.parametrize("rate", range(len(parity.RATES)))
def test_the_chips_code_and_the_gateways_numpy_add_alike(rate: int) -> None:
    chip = Adder()
    plain = parity.Window(rate, 250)
    others = [parity.Window(rate, 250, numpy_sum), parity.Window(rate, 250, chip.add_sum)]
    for data in _frames(20):
        frame = plain.protect(data[: plain.size], 51)
        assert [other.protect(data[: plain.size], 51) for other in others] == [frame, frame]

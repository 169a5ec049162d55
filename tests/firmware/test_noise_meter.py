"""The node's noise meter on MicroPython, fed by the microphone model and by recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.chips.base import Constants
from simulator.chips.i2s_mic import I2sMicrophone
from tests.dual import run_on_micropython
from wire import measurements as m
from wire.record import BELOW_FLOOR, GAP, NO_ANSWER, OK, OVERLOAD

pytestmark = pytest.mark.mpy

BLOCK = 6000


def record(path: Path, microphone: I2sMicrophone, seconds: float) -> str:
    """Write what the microphone sends in blocks of 125 ms, from power-up on."""
    with path.open("wb") as file:
        for block in range(round(seconds * 8)):
            file.write(microphone.frames(BLOCK, block * 125_000))
    return str(path)


def measure(path: str, duration_ms: int, **more: Any) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """Return {measurement: (raw, state)} and the status."""
    data = {"path": path, "duration_ms": duration_ms, **more}
    result = run_on_micropython("noise_meter", data, heap="1m")
    return {i: (raw, state) for i, raw, state in result["readings"][-1]}, result["status"]


@pytest.mark.parametrize("level", [33.0, 35.5, 47.4, 60.0, 75.25, 94.0, 105.0])
def test_a_level_of_the_model_arrives_within_half_a_tenth(tmp_path: Path, level: float) -> None:
    """The wanted level is exact by construction of the model, from the formula of IEC 61672-1."""
    microphone = I2sMicrophone(Constants(sound_level=level))
    got, status = measure(record(tmp_path / "f", microphone, 5), 4000)
    assert status == []
    assert abs(got[m.LAEQ][0] - 10 * level) <= 0.8  # rounding to a tenth, and 0.03 dB
    assert {state for _, state in got.values()} == {OK}
    assert got[m.LAFMIN][0] <= got[m.LA90][0] <= got[m.LA50][0] <= got[m.LA10][0] <= got[m.LAFMAX][0]


def test_the_calibrator_recording_reads_94(shared: Callable[[str], Path], tmp_path: Path) -> None:
    """94 dB, 1 kHz, -38.09 dBFS: offset 132.09 dB for an RMS of 1.0, so a full-scale sine is 129.08 dB."""
    raw = shared("data/noise_golden/ref94dB_48000Hz_32bitsPCM.raw").read_bytes()
    (tmp_path / "f").write_bytes(raw)
    got, status = measure(
        str(tmp_path / "f"), 1500, settings={"sensitivity_mdbfs": 94000 - 129080, "self_noise_mdb": None}
    )
    assert status == []
    assert got[m.LAEQ] == (940, OK)
    assert got[m.LCEQ] == (940, OK)
    assert abs(got[m.LCPEAK][0] - 970) <= 1  # a sine's crest, 3.01 dB


def test_too_loud_is_flagged(tmp_path: Path) -> None:
    got, status = measure(record(tmp_path / "f", I2sMicrophone(Constants(sound_level=118.0)), 3), 2000)
    assert "overload" in status
    assert got[m.LAEQ][1] == OVERLOAD


def test_quieter_than_the_microphone_is_flagged(tmp_path: Path) -> None:
    got, status = measure(record(tmp_path / "f", I2sMicrophone(Constants(sound_level=24.0)), 3), 2000)
    assert "below_floor" in status
    assert got[m.LAEQ][1] == BELOW_FLOOR


def test_lost_blocks_are_a_gap(tmp_path: Path) -> None:
    path = record(tmp_path / "f", I2sMicrophone(Constants(sound_level=60.0)), 4)
    got, status = measure(path, 2000, stalls={"8": 40})
    assert "gap" in status
    assert got[m.LAEQ] == (600, GAP)


@pytest.mark.parametrize("fault", ["no_power", "line_high"])
def test_a_dead_line_gives_no_level(tmp_path: Path, fault: str) -> None:
    microphone = I2sMicrophone(Constants(sound_level=60.0))
    microphone.fault = fault
    got, status = measure(record(tmp_path / "f", microphone, 2), 1000)
    assert status
    assert set(got.values()) == {(0, NO_ANSWER)}


def test_the_model_repeats_its_sound_after_a_second() -> None:
    microphone = I2sMicrophone(Constants(sound_level=60.0))
    microphone.frames(1, 0)
    first = np.frombuffer(microphone.frames(48000, 5_000_000), "<i4").reshape(-1, 2)
    again = np.frombuffer(microphone.frames(48000, 6_000_000), "<i4").reshape(-1, 2)
    assert (first == again).all()
    assert first[:, 0].any()
    assert not first[:, 1].any()
    assert not (first[:, 0] & 0xFF).any()

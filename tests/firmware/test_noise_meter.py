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
from wire.record import BELOW_FLOOR, DEGRADED, FAULT, GAP, NO_ANSWER, OK, OVERLOAD, TIMEOUT

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
        str(tmp_path / "f"), 1375, settings={"sensitivity_mdbfs": 94000 - 129080, "self_noise_mdb": None}
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
    got, status = measure(path, 2000, stalls={"31": 40})
    assert "gap" in status
    assert got[m.LAEQ] == (600, GAP)


@pytest.mark.parametrize(
    ("fault", "name", "state"),
    [
        ("no_power", "line_low", NO_ANSWER),
        ("line_high", "line_high", NO_ANSWER),
        ("wrong_slot", "wrong_slot", FAULT),
        ("floating", "floating_line", FAULT),
        ("late_bit", "late_bit", FAULT),
        ("stuck_bit", "stuck_bits", FAULT),
        ("repeat", "repeating_data", FAULT),
        ("hum", "hum", FAULT),
    ],
)
@pytest.mark.parametrize("level", [45.0, 75.0])
def test_a_broken_microphone_is_named_and_gives_no_level(
    tmp_path: Path, fault: str, name: str, state: int, level: float
) -> None:
    microphone = I2sMicrophone(Constants(sound_level=level if fault != "hum" else 45.0))
    microphone.fault = fault
    got, status = measure(record(tmp_path / "f", microphone, 3), 2000)
    assert status == [name]
    assert set(got.values()) == {(0, state)}


@pytest.mark.parametrize("level", [30.0, 94.0, 112.0, 128.0])
def test_a_sound_microphone_is_never_called_broken(tmp_path: Path, level: float) -> None:
    """Down to its own noise and far into clipping."""
    got, status = measure(record(tmp_path / "f", I2sMicrophone(Constants(sound_level=level)), 3), 2000)
    assert set(status) <= {"overload"}
    assert got[m.LAEQ][1] in (OK, OVERLOAD)


def test_wind_is_noted_and_the_level_stands(tmp_path: Path) -> None:
    microphone = I2sMicrophone(Constants(sound_level=60.0))
    microphone.fault = "wind"
    got, status = measure(record(tmp_path / "f", microphone, 4), 3000)
    assert status == ["wind"]
    assert abs(got[m.LAEQ][0] - 600) <= 1


@pytest.mark.parametrize(
    ("ppm", "notes", "states"),
    [(300, [], {OK}), (5000, ["clock_drift"], {DEGRADED}), (-40_000, ["wrong_rate"], {FAULT})],
)
def test_a_clock_that_drifts_is_told_from_lost_frames(
    tmp_path: Path, ppm: int, notes: list[str], states: set[int]
) -> None:
    path = record(tmp_path / "f", I2sMicrophone(Constants(sound_level=60.0)), 4)
    got, status = measure(path, 3000, ppm=ppm)
    assert status == notes
    assert {state for _, state in got.values()} == states


def test_no_frames_at_all_is_a_timeout(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    got, status = measure(str(tmp_path / "f"), 1000)
    assert status == ["no_data"]
    assert set(got.values()) == {(0, TIMEOUT)}


def test_a_late_reader_that_lost_nothing_is_no_gap(tmp_path: Path) -> None:
    """The bus was slow for a while and caught up from its buffer: elapsed time and frames agree again."""
    path = record(tmp_path / "f", I2sMicrophone(Constants(sound_level=60.0)), 4)
    got, status = measure(path, 2000, late={"31": 90})
    assert status == []
    assert got[m.LAEQ] == (600, OK)


def test_seconds_are_kept_for_later(tmp_path: Path) -> None:
    """The ring of one-second levels: a second of 80 dB among seconds of 50 dB."""
    microphone = I2sMicrophone(lambda _, now_us: 80.0 if 6_500_000 <= now_us < 7_500_000 else 50.0)
    data = {"path": record(tmp_path / "f", microphone, 9), "duration_ms": 8000}
    result = run_on_micropython("noise_meter", data, heap="1m")
    seconds, laps = result["seconds"], result["laps"]
    assert len(seconds) == len(laps) == 8
    assert [(lap[0] + 50) // 100 for lap in laps] == seconds
    assert max(laps)[1] == max(lap[1] for lap in laps)
    assert abs(seconds[6] - 800) <= 1
    assert all(abs(level - 500) <= 2 for level in seconds[:6])
    # the filter's tail after the jump of 30 dB is in the last second
    assert abs(seconds[7] - 500) <= 30


def test_third_octaves_beside_the_levels(tmp_path: Path) -> None:
    """A tone of 80 dB at 1 kHz: its band, and the mask's attenuation (60 dB at three octaves) in others."""
    microphone = I2sMicrophone(Constants(sound_level=20.0))
    microphone.tones = [(1000.0, 80.0)]
    data = {"path": record(tmp_path / "f", microphone, 4), "duration_ms": 2000, "settings": {"octaves": 10}}
    bands = dict(run_on_micropython("noise_meter", data, heap="1m")["bands"])
    assert len(bands) == 30
    assert abs(bands["1000"] - 800) <= 1
    assert max(level for name, level in bands.items() if name in ("125", "8000", "63")) <= 800 - 400


def test_third_octaves_need_48_khz(tmp_path: Path) -> None:
    data = {
        "path": record(tmp_path / "f", I2sMicrophone(Constants(sound_level=60.0)), 1),
        "duration_ms": 100,
        "settings": {"octaves": 10, "rate_hz": 32000},
    }
    with pytest.raises(AssertionError, match="octaves: third octaves need rate_hz 48000"):
        run_on_micropython("noise_meter", data, heap="1m")


def test_calibration_finds_the_offset(tmp_path: Path) -> None:
    """A part of -27.2 dBFS under a calibrator of 94 dB needs 1.2 dB."""
    microphone = I2sMicrophone(Constants(sound_level=30.0))
    microphone.tones = [(1000.0, 94.0 - 1.2)]
    data = {"path": record(tmp_path / "f", microphone, 6), "duration_ms": 1000, "calibrate": True}
    assert abs(run_on_micropython("noise_meter", data, heap="1m")["calibration"] - 1200) <= 20


@pytest.mark.parametrize(
    ("tones", "reason"),
    [
        ([], "not a pure tone"),
        ([(250.0, 94.0)], "not a pure tone"),
        ([(1000.0, 80.0)], "more than 6 dB"),
        ([(1000.0, 121.0)], "overload"),
    ],
)
def test_calibration_refuses_what_is_no_calibrator(
    tmp_path: Path, tones: list[tuple[float, float]], reason: str
) -> None:
    microphone = I2sMicrophone(Constants(sound_level=30.0))
    microphone.tones = tones
    data = {"path": record(tmp_path / "f", microphone, 6), "duration_ms": 1000, "calibrate": True}
    assert reason in run_on_micropython("noise_meter", data, heap="1m")["calibration"]


def test_no_sample_can_be_reached_after_a_measurement(tmp_path: Path) -> None:
    """A marker as sound; every buffer that hangs on the meter is searched, also after a cut in the middle."""
    word = bytes.fromhex("00cdab13")
    (tmp_path / "f").write_bytes((word + word) * 6000 * 16)
    data = {"path": str(tmp_path / "f"), "duration_ms": 1000, "marker": word.hex()}
    for n_buffers, size, hits in run_on_micropython("noise_privacy", data, heap="1m"):
        assert n_buffers > 5
        assert size > 6004 + 12_288  # the capture buffer was among them, beside the histogram
        assert hits == 0


def test_the_model_repeats_its_sound_after_a_second() -> None:
    microphone = I2sMicrophone(Constants(sound_level=60.0))
    for block in range(40):
        microphone.frames(BLOCK, block * 125_000)
    first = np.frombuffer(microphone.frames(48000, 5_000_000), "<i4").reshape(-1, 2)
    again = np.frombuffer(microphone.frames(48000, 6_000_000), "<i4").reshape(-1, 2)
    assert (first == again).all()
    assert first[:, 0].any()
    assert not first[:, 1].any()
    assert not (first[:, 0] & 0xFF).any()


def white(level_db: float) -> np.ndarray:
    """Return five seconds of white noise, RMS re a full-scale sine of 120 dB."""
    rng = np.random.default_rng(5)
    amplitude = 2**23 * np.sqrt(0.5) * 10 ** ((level_db - 120) / 20)
    words = np.clip(np.rint(rng.normal(0, amplitude, 5 * 48000)), -(2**23), 2**23 - 1)
    return words.astype(np.int32) << 8


def test_steady_bright_noise_is_noted_as_rain_and_the_level_stands(tmp_path: Path) -> None:
    microphone = I2sMicrophone(Constants(sound_level=30.0))
    microphone.play(white(62.0))
    got, status = measure(record(tmp_path / "f", microphone, 5), 4000)
    assert status == ["rain"]
    assert got[m.SOUND_NOTES] == (m.SOUND_RAIN, OK)
    assert got[m.LAEQ][1] == OK


def test_a_street_a_tone_and_quiet_are_no_rain(tmp_path: Path) -> None:
    tone = I2sMicrophone(Constants(sound_level=30.0))
    tone.tones = [(2500.0, 80.0)]
    for microphone in (
        I2sMicrophone(Constants(sound_level=65.0)),
        tone,
        I2sMicrophone(Constants(sound_level=33.0)),
    ):
        got, status = measure(record(tmp_path / "f", microphone, 5), 4000)
        assert status == []
        assert got[m.SOUND_NOTES] == (0, OK)


def test_every_level_a_noise_officer_asks_for_is_there_in_order(tmp_path: Path) -> None:
    got, _ = measure(record(tmp_path / "f", I2sMicrophone(Constants(sound_level=70.0)), 5), 4000)
    assert got[m.LA99][0] <= got[m.LA95][0] <= got[m.LA90][0] <= got[m.LA10][0] <= got[m.LA1][0]
    assert got[m.LASMAX][0] <= got[m.LAFMAX][0]
    assert got[m.LZEQ][0] >= got[m.LCEQ][0] - 1


def test_the_basic_set_is_there_for_short_frames(tmp_path: Path) -> None:
    path = record(tmp_path / "f", I2sMicrophone(Constants(sound_level=70.0)), 3)
    got, _ = measure(path, 2000, settings={"every": False})
    assert set(got) == {m.LAEQ, m.LAFMAX, m.LAFMIN, m.LA10, m.LA50, m.LA90, m.LCEQ, m.LCPEAK}


def test_an_unsteady_calibrator_is_refused(tmp_path: Path) -> None:
    microphone = I2sMicrophone(Constants(sound_level=30.0))
    microphone.tones = [(1000.0, 94.0)]
    with (tmp_path / "f").open("wb") as file:
        for block in range(48):
            microphone.tones = [(1000.0, 94.0 - block / 24)]  # its battery dies
            file.write(microphone.frames(BLOCK, block * 125_000))
    data = {"path": str(tmp_path / "f"), "duration_ms": 1000, "calibrate": True}
    assert "not steady" in run_on_micropython("noise_meter", data, heap="1m")["calibration"]

"""Music and sirens in the microphone: the level is that of the second, the spectrum is not the street's."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.chips.base import Constants
from simulator.chips.i2s_mic import I2sMicrophone, a_weighting

RATE = 16000


def second(**levels: float) -> np.ndarray:
    """Return the spectrum of a settled second."""
    microphone = I2sMicrophone(Constants(**levels), rate_hz=RATE)
    for k in range(8):
        data = microphone.frames(RATE, 10_000_000 + k * 1_000_000)
    words = np.frombuffer(data, "<i4").reshape(-1, 2)[:, 0] / 2**31
    return np.abs(np.fft.rfft(words)) / RATE


def level_dba(spectrum: np.ndarray) -> float:
    """Return the A-weighted level: a full-scale sine is 120 dB."""
    weighted = spectrum * a_weighting(np.arange(spectrum.size, dtype=np.float64))
    return float(10 * np.log10(2 * np.sum(weighted[1:] ** 2) / 0.5) + 120)


@pytest.mark.parametrize(
    "voices", [{}, {"music_dba": 78.0, "siren_dba": -20.0}, {"music_dba": -20.0, "siren_dba": 79.5}]
)
def test_the_level_of_the_second_is_kept(voices: dict[str, float]) -> None:
    assert level_dba(second(sound_level=80.0, **voices)) == pytest.approx(80.0, abs=0.1)


def test_a_siren_is_two_tones_and_music_is_bass() -> None:
    street = second(sound_level=80.0)
    siren = second(sound_level=80.0, music_dba=-20.0, siren_dba=79.5)
    stage = second(sound_level=80.0, music_dba=79.5, siren_dba=-20.0)
    for tone in (440, 586):
        assert siren[tone - 3 : tone + 4].max() > 5 * street[tone - 3 : tone + 4].max()
    assert np.sum(stage[55:110] ** 2) > 4 * np.sum(street[55:110] ** 2)

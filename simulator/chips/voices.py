"""Sounds with a character of their own beside the street's noise: music from a stage, a siren that drives by.

One second each, repeating without a seam, with an A-weighted mean square of 1, so that a level in dB(A)
scales it. Shapes are estimates: a stage plays from the bass up, two beats a second; a siren here holds two
tones a fourth apart for half a second each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
_LOW_HZ, _HIGH_HZ = 440, 586
_HARMONICS = (1.0, 0.5, 0.35, 0.2, 0.1)


def levelled(sound: Samples, weighting: Callable[[Samples], Samples]) -> Samples:
    """Return a second of sound with an A-weighted mean square of 1."""
    spectrum = np.fft.rfft(sound) * weighting(np.arange(sound.size // 2 + 1, dtype=np.float64))
    weighted = np.fft.irfft(spectrum, sound.size)
    return sound / np.sqrt(np.mean(weighted**2))


def music(rate_hz: int, weighting: Callable[[Samples], Samples], seed: int = 1) -> Samples:
    """Return a second of amplified music: bass at 60 to 110 Hz in two beats, pink above it."""
    frequency = np.arange(rate_hz // 2 + 1, dtype=np.float64)
    bass = np.exp(-(((frequency - 80) / 25) ** 2)) * 6.0
    above = np.where((frequency > 100) & (frequency < 9000), 4.0 / np.sqrt(np.maximum(frequency, 1.0)), 0.0)
    phase = np.exp(2j * np.pi * np.random.default_rng(seed).random(frequency.size))
    t = np.arange(rate_hz) / rate_hz
    beat = 0.25 + np.exp(-8.0 * (t * 2.0 % 1.0))
    low: Samples = np.fft.irfft(bass * phase, rate_hz)
    high: Samples = np.fft.irfft(above * phase, rate_hz)
    return levelled(low * beat + 0.7 * high, weighting)


def siren(rate_hz: int, weighting: Callable[[Samples], Samples]) -> Samples:
    """Return a second of a two-tone siren: 440 Hz, then 586 Hz, with their harmonics."""
    t = np.arange(rate_hz) / rate_hz
    tone = np.where(t < 0.5, _LOW_HZ, _HIGH_HZ)
    sound = np.zeros(rate_hz)
    for k, share in enumerate(_HARMONICS, start=1):
        sound += share * np.sin(2 * np.pi * k * tone * t)
    return levelled(sound, weighting)

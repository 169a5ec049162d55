"""Runs the meter on the shipped rv32imc machine code, and the double-precision references it is judged by."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from kernels.levels import SoundLevels
from tests.bench.engine import Engine
from tests.kernels.signals import raw, stereo

Floats = NDArray[np.float64]

# IEC 61672-1:2013 annex E: pole frequencies and the gain that makes 0 dB at 1 kHz
F1, F2, F3, F4 = 20.598997, 107.652649, 737.862231, 12194.217148
A1000, C1000 = 1.99966, 0.06190
P_FULL = 120.0  # dB SPL of a full-scale sine at -26 dBFS for 94 dB


def a_db(frequency: Floats | float) -> Floats:
    """Return the exact A-weighting."""
    f = np.asarray(frequency, float)
    low = f**4 * F4**2 / ((f**2 + F1**2) * np.sqrt((f**2 + F2**2) * (f**2 + F3**2)) * (f**2 + F4**2))
    return 20 * np.log10(low) + A1000


def c_db(frequency: Floats | float) -> Floats:
    """Return the exact C-weighting."""
    f = np.asarray(frequency, float)
    return 20 * np.log10(f**2 * F4**2 / ((f**2 + F1**2) * (f**2 + F4**2))) + C1000


def exact_frequencies() -> Floats:
    """Return the 34 third-octave frequencies of the standard's table, 10 Hz to 20 kHz, exact."""
    return 1000 * 10 ** (np.arange(-20, 14) / 10)


def sine(frequency: float, level_db: float, seconds: float, rate: int = 48000, phase: float = 0.0) -> Floats:
    """Return a sine of a sound pressure level, full scale = 1."""
    t = np.arange(round(seconds * rate)) / rate
    return 10 ** ((level_db - P_FULL) / 20) * np.sin(2 * np.pi * frequency * t + phase)


def measure(
    x: Floats,
    settle_blocks: int = 0,
    rate: int = 48000,
    self_noise_mdb: int | None = None,
    response: str = "",
) -> SoundLevels:
    """Run full-scale-1 samples through the meter, 125 ms a block; the interval begins after settle_blocks."""
    block = rate // 8
    frames = stereo(raw(x))
    levels = SoundLevels(rate, 120_000, self_noise_mdb, engine=_engine(rate, response), response=response)
    for i in range(x.size // block):
        if i == settle_blocks:
            levels.restart()
        levels.block(frames[i * block * 8 : (i + 1) * block * 8], 0, 125)
    return levels


@cache
def _engine(rate: int, response: str) -> Engine:
    return Engine(rate, response=response)


def noise(slope: float, level_dba: float, seconds: int, seed: int = 7, rate: int = 48000) -> Floats:
    """Return noise whose A-weighted level over each whole second is exact: sines at whole Hertz, 10 Hz up.

    slope: exponent of the power spectrum over frequency: 0 white, -1 pink, -2 brown.
    """
    f = np.arange(rate // 2 + 1, dtype=float)
    amplitude = np.zeros(f.size)
    top = min(20000, rate // 2 - 800)
    amplitude[10:top] = f[10:top] ** (slope / 2)
    weighted = amplitude[1:] * 10 ** (a_db(f[1:]) / 20)
    amplitude /= np.sqrt((weighted**2).sum())  # A-weighted mean square 1/2, as a full-scale sine's
    phase = np.exp(2j * np.pi * np.random.default_rng(seed).random(f.size))
    second = np.fft.irfft(amplitude * phase * (rate / 2), rate)
    return np.tile(second * 10 ** ((level_dba - P_FULL) / 20), seconds)


def ideal_a(x: Floats, rate: int) -> Floats:
    """Return the analogue A filter's output, applied in the frequency domain."""
    s = 2j * np.pi * np.fft.rfftfreq(x.size, 1 / rate)
    w1, w2, w3, w4 = (2 * np.pi * f for f in (F1, F2, F3, F4))
    h = s**4 * w4**2 / ((s + w1) ** 2 * (s + w2) * (s + w3) * (s + w4) ** 2) * 10 ** (A1000 / 20)
    return np.fft.irfft(np.fft.rfft(x) * h, x.size)


def ideal_f(x: Floats, rate: int, tau_s: float = 0.125) -> Floats:
    """Return the F (or S) level of the A-weighted signal at every sample, in dB."""
    k = np.exp(-1 / (rate * tau_s))
    mean = lfilter([1 - k], [1, -k], ideal_a(x, rate) ** 2)
    return 10 * np.log10(np.maximum(mean, 1e-20) / 0.5) + P_FULL

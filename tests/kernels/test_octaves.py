"""The third-octave bank against class 1 of IEC 61260-1:2014: its response, and tones through its code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import freqz

from kernels.octave_coefficients import BANDS, HALF_BAND
from kernels.octaves import ThirdOctaves
from tests.bench.engine import OctaveEngine
from tests.kernels.meter import noise, sine
from tests.kernels.signals import raw, stereo

Shared = Callable[[str], Path]
Floats = NDArray[np.float64]


def centre(i: int) -> float:
    """Return the exact midband frequency of row i: 20 kHz is 1000 * 10^1.3."""
    stage, within = divmod(i, 3)
    return 1000 * 10 ** ((11 + within - 3 * stage) / 10)


def mask(path: Path, ratio: Floats) -> tuple[Floats, Floats]:
    """Return the least and greatest relative attenuation of class 1 at f / fm."""
    rows = [line.split(",") for line in path.read_text().splitlines() if line[0] in "0123456789>"]
    at = np.log([float(row[1]) for row in rows])
    low, high = (np.array([float(row[i]) for row in rows]) for i in (2, 3))
    x = np.abs(np.log(ratio))
    inside = x <= at[4]
    return (
        np.where(inside, -0.4, np.interp(x, at[5:], low[5:])),
        np.where(inside, np.interp(x, at[:5], high[:5]), np.inf),
    )


def response(i: int, frequency: Floats) -> Floats:
    """Return the gain in dB from the input to band i, straight from the integers, aliasing included."""
    stage, _, values, _, _ = BANDS[i]
    gain = np.ones(frequency.size)
    seen, rate = frequency.copy(), 48000.0
    a, b, c, d = (v / 1024 for v in HALF_BAND)
    for _ in range(stage):
        w = 2 * np.pi * seen / rate
        even = [freqz([k, 0, 1], [1, 0, k], w)[1] for k in (a, c)]
        odd = [freqz([k, 0, 1], [1, 0, k], w)[1] for k in (b, d)]
        gain *= np.abs(even[0] * even[1] + np.exp(-1j * w) * odd[0] * odd[1]) / 2
        rate /= 2
        seen = np.abs(seen - np.round(seen / rate) * rate)
    w = 2 * np.pi * seen / rate
    gain *= np.abs(freqz([1, -3, 2, 2, -3, 1], 1, w)[1])
    for j in (0, 2, 4):
        gain *= np.abs(freqz(1, [1, -values[j] / 1024, -values[j + 1] / 1024], w)[1])
    return 20 * np.log10(gain + 1e-15)


@pytest.mark.parametrize("i", range(33), ids=[row[1] for row in BANDS])
def test_every_band_is_inside_class_1_with_room(shared: Shared, i: int) -> None:
    path = shared("vectors/noise/iec61260_class_limits.csv")
    fm = centre(i)
    ratio = np.concatenate([np.geomspace(1 / 20, 20, 1200), np.geomspace(0.85, 1.18, 400)])
    frequency = np.concatenate([ratio * fm, np.linspace(1, 23_950, 1500)])
    frequency = np.append(frequency[frequency < 23_950], fm)
    gain = response(i, frequency)
    attenuation = gain[-1] - gain
    low, high = mask(path, frequency / fm)
    assert (attenuation - low).min() >= 0.3
    assert (high - attenuation).min() >= 0.3


@pytest.mark.parametrize("i", range(33), ids=[row[1] for row in BANDS])
def test_every_band_reads_pink_noise_as_an_ideal_band_would(i: int) -> None:
    """The effective bandwidth (IEC 61260-1, 5.12): within 0.05 dB; the standard gives class 1 0.4 dB."""
    fm = centre(i)
    ratio = np.geomspace(1 / 4, 4, 4001)
    ratio = ratio[ratio * fm < 23_950]
    power = 10 ** ((response(i, ratio * fm) - response(i, np.array([fm]))[0]) / 10)
    bandwidth = power.sum() * np.log(ratio[1] / ratio[0])
    assert abs(10 * np.log10(bandwidth / (0.1 * np.log(10)))) <= 0.05


def bank(x: Floats, settle_blocks: int, stages: int) -> list[tuple[str, int | None]]:
    """Run the machine code of an rv32imc chip; blocks of 100 ms."""
    frames = stereo(raw(x))
    levels = ThirdOctaves(120_000, stages, OctaveEngine())
    for i in range(x.size // 4800):
        if i == settle_blocks:
            levels.restart()
        levels.block(frames[i * 38_400 : (i + 1) * 38_400], 0, 4800)
    return levels.levels()


@pytest.mark.parametrize("i", [0, 2, 4, 8, 13, 15])
def test_tones_through_the_machine_code(shared: Shared, i: int) -> None:
    """At midband the level is the tone's; beside it every band of the bank attenuates as its mask asks."""
    path = shared("vectors/noise/iec61260_class_limits.csv")
    fm = centre(i)
    levels = bank(sine(fm, 100, 0.6), 3, i // 3 + 2)
    assert abs((levels[i][1] or 0) / 1000 - 100) <= 0.05
    for j, (_, level) in enumerate(levels):
        if j != i and abs(np.log(fm / centre(j))) < np.log(4):
            low, high = mask(path, np.array([fm / centre(j)]))
            attenuation = 100 - (level or 0) / 1000
            # the grid of bands lies on break points of the mask, where the limits are exact
            assert low[0] <= attenuation <= high[0], (j, fm)


def test_bands_of_noise_and_their_sum() -> None:
    """Pink noise of whole Hertz: each band holds the energy of the lines between its edges."""
    amplitude = np.zeros(24001)
    amplitude[10:23_900] = 0.004 / np.sqrt(np.arange(10, 23_900))
    phase = np.exp(2j * np.pi * np.random.default_rng(4).random(24001))
    second = np.fft.irfft(amplitude * phase * 24000, 48000)
    x = np.tile(second, 2)
    lines = np.abs(np.fft.rfft(second)) ** 2 * 2 / 48000**2  # mean square of each whole Hertz
    levels = bank(x, 10, 8)
    total = 0.0
    for i, (name, level) in enumerate(levels):
        low, high = centre(i) * 10**-0.05, centre(i) * 10**0.05
        expected = 10 * np.log10(lines[int(np.ceil(low)) : int(np.floor(high)) + 1].sum() / 0.5) + 120
        assert abs((level or 0) / 1000 - expected) <= (0.1 if centre(i) > 400 else 0.6), name
        total += 10 ** ((level or 0) / 10_000)
    whole = lines[int(centre(21) * 10**-0.05) : 22_387].sum() / 0.5
    assert abs(10 * np.log10(total / whole) - 120) <= 0.1


def test_octaves_are_the_energy_sums_of_their_thirds() -> None:
    frames = stereo(raw(noise(-1.0, 80, 1)[:9600]))
    levels = ThirdOctaves(120_000, 3, OctaveEngine())
    levels.block(frames, 0, 9600)
    thirds = [level or 0 for _, level in levels.levels()]
    for i, (name, level) in enumerate(levels.octaves()):
        assert name == ("16000", "8000", "4000")[i]
        expected = 10_000 * np.log10(sum(10 ** (t / 10_000) for t in thirds[3 * i : 3 * i + 3]))
        assert abs((level or 0) - expected) <= 3


def test_blocks_may_be_cut_anywhere_without_a_trace() -> None:
    """What waits between two chunks is kept: the same sound in other pieces gives the same energy."""
    frames = stereo(raw(noise(-1.0, 80, 1)[:9600]))
    whole, cut = ThirdOctaves(120_000), ThirdOctaves(120_000)
    whole.block(frames, 0, 2400)
    for begin, end in ((0, 4), (4, 100), (100, 104), (104, 1000), (1000, 2400)):
        cut.block(frames[8 * begin : 8 * end], 0, end - begin)
    assert cut.levels()[:6] == whole.levels()[:6]


def test_silence_has_no_level() -> None:
    assert {level for _, level in bank(np.zeros(4800), 0, 11)} == {None}

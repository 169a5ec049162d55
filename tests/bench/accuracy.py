"""How accurate the noise meter is, as JSON: worst errors of the rv32imc machine code that ships.

    python -m tests.bench.accuracy

The same signals and references as tests/kernels/test_accuracy.py, which holds the limits. Takes about ten
seconds; recordings are left out, by name, where the shared set is absent.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware")]

from tests.kernels.meter import (  # noqa: E402
    P_FULL,
    a_db,
    c_db,
    exact_frequencies,
    ideal_f,
    measure,
    noise,
    sine,
)
from tools.noise_design import microphone  # noqa: E402

BURSTS_MS = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.25)


def weighting(rate: int, response: str, low: float, high: float) -> dict[str, float]:
    """Return the worst deviations of A and C at the exact frequencies between low and high."""
    worst = {"a_db": 0.0, "c_db": 0.0}
    f = exact_frequencies()
    for frequency, heard in zip(f, microphone(response, f), strict=True):
        if not low <= frequency <= high:
            continue
        level = 94.0 if frequency > 100 else 100.0 if response else 110.0
        blocks = min(range(16, 65), key=lambda n, hz=frequency: abs(n * hz / 8 - round(n * hz / 8)))
        got = measure(
            sine(frequency, level + float(heard), 3 + blocks / 8, rate), 24, rate, response=response
        )
        for name, value, aim in (
            ("a_db", got.laeq(), a_db(frequency)),
            ("c_db", got.lceq(), c_db(frequency)),
        ):
            worst[name] = max(worst[name], abs(value / 1000 - level - float(aim)))
    return {name: round(value, 3) for name, value in worst.items()}


def noises() -> dict[str, float]:
    """Return the worst LAeq error of each colour, 30 to 100 dB(A)."""
    out: dict[str, float] = {}
    for name, slope in (("white", 0.0), ("pink", -1.0), ("brown", -2.0)):
        worst = 0.0
        for level in (30, 35, 40, 60, 80, 94, 100):
            x = noise(slope, level, 2)
            if np.abs(x).max() <= 1:
                worst = max(worst, abs(measure(x, 8).laeq() / 1000 - level))
        out[name] = round(worst, 3)
    return out


def linearity() -> dict[str, float]:
    """Return the worst departure from the level at 100 dB, 35 to 120 dB(A), by frequency."""
    out: dict[str, float] = {}
    for frequency in (31.622776601683793, 1000.0, 7943.282347242815):
        weight = float(a_db(frequency))
        reference = measure(sine(frequency, 100, 1), 4).laeq() / 1000 - 100
        errors = [
            measure(sine(frequency, level - weight, 1), 4).laeq() / 1000 - (level - weight) - reference
            for level in range(35, 121, 5)
            if level - weight <= P_FULL
        ]
        out[f"{frequency:.0f}_hz"] = round(float(np.abs(errors).max()), 3)
    return out


def burst(duration_ms: float, level: float, delay_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a band-limited 4 kHz burst at 48 kHz and at 384 kHz."""
    seconds = np.ceil((0.6 + duration_ms / 1000 + 0.3) * 8) / 8
    t = np.arange(round(seconds * 384_000)) / 384_000 - 0.5 - delay_ms / 1000
    x = np.where((t >= 0) & (t < duration_ms / 1000), np.sin(2 * np.pi * 4000 * t), 0.0)
    spectrum = np.fft.rfft(x * 10 ** ((level - P_FULL) / 20))
    spectrum[spectrum.size // 8 :] = 0
    high = np.fft.irfft(spectrum, x.size)
    return high[::8], high


def bursts() -> dict[str, float]:
    """Return the worst errors of LAFmax on tone bursts."""
    ideal, formula, inherent = 0.0, 0.0, 0.0
    for duration_ms in BURSTS_MS:
        for level, delay_ms in ((90, 0.0), (115, 0.37), (70, 0.77)):
            low, high = burst(duration_ms, level, delay_ms)
            got = measure(low).lafmax() / 1000
            perfect = float(ideal_f(high, 384_000).max())
            ideal = max(ideal, abs(got - perfect))
            if duration_ms >= 1:
                steady = level + float(a_db(4000)) + 10 * np.log10(1 - np.exp(-duration_ms / 125))
                formula = max(formula, abs(got - float(steady)))
                inherent = max(inherent, abs(perfect - float(steady)))
    return {
        "against_an_ideal_meter_db": round(ideal, 3),
        "against_the_formula_from_1_ms_db": round(formula, 3),
        "of_these_an_ideal_meters_own_db": round(inherent, 3),
    }


def percentiles() -> dict[str, float]:
    """Return the errors of LAN on a minute of noise that swells and falls; see tests/kernels."""
    t = np.arange(60 * 48000) / 48000
    swell = 10 ** ((12 * np.sin(2 * np.pi * t / 5) + 5 * np.sin(2 * np.pi * t / 17)) / 20)
    x = noise(-1.0, 60, 60) * swell
    levels = ideal_f(x, 48000)[5999::6000][8:]
    return {
        f"la{percent}": round(value / 1000 - float(np.percentile(levels, 100 - percent, method="hazen")), 3)
        for percent, value in zip((99, 95, 90, 50, 10, 1), measure(x, 8).percentiles(), strict=True)
    }


def golden() -> dict[str, float] | str:
    """Return LAeq errors on the golden recordings, second 2, against the values of the set's README."""
    folder = Path(os.environ.get("MEETNET_SHARED", ROOT.parent / "shared")) / "data/noise_golden"
    out: dict[str, float] = {}
    for name, expected in (("ref94dB", -38.10), ("ref38dB", -95.56)):
        path = folder / f"{name}_48000Hz_32bitsPCM.raw"
        if not path.exists():
            return "left out: the shared recordings are absent"
        x = np.frombuffer(path.read_bytes(), "<i4").reshape(-1, 2)[:, 0] / 2**31
        got = measure(x, 8).laeq() / 1000 - P_FULL - 10 * float(np.log10(2))
        out[name] = round(abs(got - expected), 3)
    return out


def report() -> dict[str, Any]:
    """Return all figures."""
    return {
        "code": "rv32imc as shipped, in an emulator",
        "weighting_48_khz_10_hz_to_20_khz": weighting(48_000, "", 9, 21_000),
        "weighting_32_khz_10_hz_to_12_5_khz": weighting(32_000, "", 9, 13_000),
        "weighting_with_ics43434_20_hz_to_20_khz": weighting(48_000, "ics43434", 19, 21_000),
        "laeq_of_noise_30_to_100_dba_db": noises(),
        "linearity_35_to_120_dba_db": linearity(),
        "lafmax_of_4_khz_bursts": bursts(),
        "percentiles_of_a_minute_db": percentiles(),
        "golden_recordings_db": golden(),
    }


def main() -> int:
    """Print the report."""
    sys.stdout.write(json.dumps(report(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

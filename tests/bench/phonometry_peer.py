"""The meter against phonometry, an independent implementation in double precision, as JSON, in dB.

    pip install --ignore-requires-python phonometry==3.3.0
    python -m tests.bench.phonometry_peer

phonometry's metadata asks for Python 3.13; what is used of it here runs on 3.11 too. Without it exit code 2.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware")]

from tests.kernels.meter import P_FULL, a_db, c_db, exact_frequencies, measure, noise, sine  # noqa: E402

RATE = 48000
# pascals of a sample of 1.0, so that a full-scale sine is P_FULL dB
PASCALS = 20e-6 * 10 ** (P_FULL / 20) * np.sqrt(2)
P0_SQUARED = 4e-10
PERCENTS = (99, 95, 90, 50, 10, 1)


def laeq(peer: Any) -> dict[str, dict[str, float]]:
    """Return LAeq less the level that the noise has by construction, 65 dB(A): ours and theirs."""
    out: dict[str, dict[str, float]] = {}
    for name, slope in (("white", 0.0), ("pink", -1.0), ("brown", -2.0)):
        x = noise(slope, 65, 4)
        ours = measure(np.concatenate([x[-RATE:], x]), 8).laeq() / 1000
        out[name] = {"ours": ours - 65, "theirs": float(peer.laeq(x, RATE, PASCALS)) - 65}
    return out


def weighting(peer: Any) -> dict[str, dict[str, float]]:
    """Return the worst error against the formula at every third exact frequency, 16 Hz to 16 kHz."""
    worst = {"A": {"ours": 0.0, "theirs": 0.0}, "C": {"ours": 0.0, "theirs": 0.0}}
    for frequency in exact_frequencies()[2::3]:
        x = sine(frequency, 94, 4)
        got = measure(x, 16)
        for curve, value, exact in (("A", got.laeq(), a_db), ("C", got.lceq(), c_db)):
            aim = 94 + float(exact(frequency))
            theirs = float(peer.leq(peer.weighting_filter(x, RATE, curve)[2 * RATE :], PASCALS))
            for who, level in (("ours", value / 1000), ("theirs", theirs)):
                worst[curve][who] = max(worst[curve][who], abs(level - aim))
    return worst


def fast(peer: Any, x: np.ndarray) -> np.ndarray:
    """Return their LAF of every sample, in dB."""
    weighted = peer.weighting_filter(x, RATE, "A") * PASCALS
    return 10 * np.log10(np.maximum(peer.time_weighting(weighted, RATE, "fast"), 1e-14) / P0_SQUARED)


def street(peer: Any) -> dict[str, float]:
    """Return differences of LAFmax and of LAN, read eight times a second, on noise that swells and falls."""
    t = np.arange(20 * RATE) / RATE
    x = noise(-1.0, 60, 20) * 10 ** ((12 * np.sin(2 * np.pi * t / 5) + 5 * np.sin(2 * np.pi * t / 17)) / 20)
    envelope = fast(peer, x)
    got = measure(x, 8)
    out = {"lafmax": abs(got.lafmax() / 1000 - float(envelope[RATE:].max()))}
    for percent, value in zip(PERCENTS, got.percentiles(), strict=True):
        theirs = np.percentile(envelope[RATE + 5999 :: 6000], 100 - percent, method="hazen")
        out[f"la{percent}"] = abs(value / 1000 - float(theirs))
    return out


def bursts(peer: Any) -> float:
    """Return the worst difference of LAFmax of 4 kHz bursts, 1 to 1000 ms."""
    worst = 0.0
    for duration_ms in (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1):
        n = round(duration_ms * RATE / 1000)
        x = np.zeros(2 * RATE)
        x[RATE // 2 : RATE // 2 + n] = np.sin(2 * np.pi * 4000 * np.arange(n) / RATE)
        x *= 10 ** ((90 - P_FULL) / 20)
        worst = max(worst, abs(measure(x).lafmax() / 1000 - float(fast(peer, x).max())))
    return worst


def report(peer: Any) -> dict[str, Any]:
    """Return all of it."""
    found: dict[str, Any] = {
        "laeq_of_noise_less_its_level": laeq(peer),
        "weighting_against_the_formula": weighting(peer),
        "street_ours_against_theirs": street(peer),
        "lafmax_of_4_khz_bursts_ours_against_theirs": bursts(peer),
    }
    rounded = json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 3))
    return {"peer": f"phonometry {peer.__version__}", **rounded}


def main() -> int:
    """Print the report."""
    try:
        import phonometry  # pyright: ignore[reportMissingImports]
    except ImportError:
        sys.stderr.write("phonometry is absent: pip install --ignore-requires-python phonometry==3.3.0\n")
        return 2
    sys.stdout.write(json.dumps(report(phonometry), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

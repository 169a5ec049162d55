"""Designs the noise meter's weighting and writes its coefficients, tolerance table and picture.

    python -m tools.noise_design                     write coefficients.py, weighting.csv and weighting.svg
    python -m tools.noise_design --check             exit 1 if a file on disk differs
    python -m tools.noise_design search RATE [NAME]  search integer coefficients for a rate, and for the
                                                     microphone of tools/microphones/NAME.csv

The aim is the formula of IEC 61672-1 annex E, less the microphone's response. The integers themselves stand
in tools/noise_kernels.py; `search` finds them: a float minimax fit of all sections together, rounded, then
climbed in steps of one.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.filters import Complex, Floats, minimum
from tools.noise_kernels import KERNELS, WEIGHTINGS, Weighting

MICROPHONES = Path(__file__).resolve().parent / "microphones"
POLES_HZ = (20.598997, 107.652649, 737.862231, 12194.217148)
A_1000_DB, C_1000_DB = 1.99966, 0.06190
# Class 1 limits of IEC 61672-1:2013 at 10 Hz .. 20 kHz, upper then lower (as transcribed in public tools).
_UPPER = (3, 2.5, 2, 2, 2, 1.5, *[1] * 14, 0.7, *[1] * 6, 1.5, 1.5, 1.5, 2, 2, 2.5, 3)
_LOWER = (99, 99, 4, 2, 1.5, 1.5, *[1] * 14, 0.7, *[1] * 6, 1.5, 2, 2.5, 3, 5, 16, 99)


def exact_frequencies() -> Floats:
    """Return the third-octave frequencies 10 Hz to 20 kHz, exact: 1000 * 10^(n/10)."""
    return 1000 * 10 ** (np.arange(-20, 14) / 10)


def goal(frequency: Floats) -> tuple[Floats, Floats]:
    """Return A- and C-weighting in dB by the standard's formula."""
    f1, f2, f3, f4 = (p**2 for p in POLES_HZ)
    f = frequency**2
    c = 20 * np.log10(f4 * f / ((f + f1) * (f + f4))) + C_1000_DB
    a = 20 * np.log10(f4 * f**2 / ((f + f1) * np.sqrt((f + f2) * (f + f3)) * (f + f4))) + A_1000_DB
    return a, c


def microphone(name: str, frequency: Floats) -> Floats:
    """Return the response of a microphone in dB re 1 kHz, a smooth curve through the file's points."""
    if not name:
        return np.zeros(frequency.size)
    lines = [line for line in (MICROPHONES / f"{name}.csv").read_text().splitlines() if line[0].isdigit()]
    points = np.array([[float(v) for v in line.split(",")] for line in lines])
    at = np.log(points[:, 0])
    steps = np.diff(points[:, 1]) / np.diff(at)
    # Hermite with the mean of the neighbouring slopes, so that no corner remains; straight beyond the ends
    slope = np.concatenate([steps[:1], (steps[1:] + steps[:-1]) / 2, steps[-1:]])
    x = np.log(frequency)
    i = np.clip(np.searchsorted(at, x) - 1, 0, len(at) - 2)
    width = at[i + 1] - at[i]
    t = np.clip((x - at[i]) / width, 0, 1)
    curve = (
        (1 + 2 * t) * (1 - t) ** 2 * points[i, 1]
        + t * (1 - t) ** 2 * width * slope[i]
        + t**2 * (3 - 2 * t) * points[i + 1, 1]
        + t**2 * (t - 1) * width * slope[i + 1]
    )
    beyond = np.where(x < at[0], (x - at[0]) * slope[0], np.where(x > at[-1], (x - at[-1]) * slope[-1], 0.0))
    return curve + beyond


def response(w: Weighting, frequency: Floats) -> tuple[Complex, Complex, Complex]:
    """Return the complex responses (A, C, Z) of the integer coefficients."""
    return _cascade(_numbers(w), frequency, w.rate_hz)


def _numbers(w: Weighting) -> Floats:
    q = 2**w.q
    return np.array(
        [
            w.k1 / 2 ** (w.f1 + w.r1),
            w.k2 / 2**w.f2,
            w.g / 64,
            w.a / q,
            w.b / q * 2**w.h,
            w.c / q * 2**w.h,
            w.k3 / 2 ** (w.f3 + w.r3),
            w.k4 / 2 ** (w.f4 + w.r4),
            2.0**-w.h,
        ]
    )


def _cascade(p: Floats, frequency: Floats, rate_hz: int) -> tuple[Complex, Complex, Complex]:
    z: Complex = np.exp(-2j * np.pi * frequency / rate_hz)

    def high_pass(k: float) -> Complex:
        return (1 - z) / (1 - (1 - k) * z)

    k1, k2, g, a, b, c, k3, k4, scale = (float(v) for v in p)
    bass = high_pass(k2) + g * k2 * z / (1 - (1 - k2) * z)
    c_weighted = high_pass(k1) * bass * (1 + b * z + c * z * z) * scale / (1 - a * z)
    return c_weighted * high_pass(k3) * high_pass(k4), c_weighted, high_pass(1 / 4096) * np.ones(z.size)


def deviations(w: Weighting, frequency: Floats) -> tuple[Floats, Floats]:
    """Return how far A and C, microphone included, lie from the formula, in dB; 0 at 1 kHz by calibration."""
    return _deviations(_numbers(w), frequency, w.rate_hz, w.response)


def _deviations(p: Floats, frequency: Floats, rate_hz: int, name: str) -> tuple[Floats, Floats]:
    f = np.append(frequency, 1000.0)
    a, c, _ = _cascade(p, f, rate_hz)
    heard = microphone(name, f)
    out: list[Floats] = []
    for h, aim in zip((a, c), goal(f), strict=True):
        level = 20 * np.log10(np.abs(h)) + heard
        out.append((level - level[-1] - aim)[:-1])
    return out[0], out[1]


def search(rate_hz: int, name: str) -> tuple[Weighting, float]:
    """Return the best integers found for a rate and a microphone, and their worst deviation in dB."""
    top = 20_000 if rate_hz >= 44_100 else 0.41 * rate_hz
    f = exact_frequencies()
    f = f[(f <= top) & (f >= (20 if name else 10))]
    between: Floats = np.geomspace(float(f[0]), float(f[-1]), 120)
    f = np.unique(np.concatenate([f, between]))
    start = min(
        (w for w in WEIGHTINGS if w.response == name or not w.response),
        key=lambda w: (w.response != name, abs(w.rate_hz - rate_hz)),
    )
    start = replace(start, rate_hz=rate_hz, response=name)

    def worst(w: Weighting) -> float:
        a, c = deviations(w, f)
        return float(max(np.abs(a).max(), np.abs(c).max()))

    first: Floats = _numbers(start)

    def cost(x: Floats) -> float:
        p = first * x
        if np.any(np.abs(p[[0, 1, 6, 7]] - 0.5) > 0.49999) or abs(p[3]) > 0.95:
            return 99.0
        a, c = _deviations(p, f, rate_hz, name)
        return float(np.mean(np.abs(np.concatenate([a, c])) ** 24) ** (1 / 24))

    x: Floats = np.ones(9)
    for _ in range(6):
        x = minimum(cost, x, 4000)
    scale = {"k1": 0, "k2": 1, "g": 2, "a": 3, "b": 4, "c": 5, "k3": 6, "k4": 7}
    found = {field: round(getattr(start, field) * float(x[i])) for field, i in scale.items()}
    found["k1"] = max(1, found["k1"])
    best = replace(start, **found)
    names = [field for field in scale if getattr(best, field) and not (field == "k1" and best.k1 == 1)]
    while True:
        tried = [
            replace(
                best,
                **{field: getattr(best, field) + step for field, step in zip(fields, steps, strict=True)},
            )
            for n in (1, 2, 3)
            for fields in itertools.combinations(names, n)
            for steps in itertools.product((-1, 1), repeat=n)
        ]
        better = min(tried, key=worst)
        if worst(better) >= worst(best) - 1e-6:
            return best, worst(best)
        best = better


def gains_mdb(w: Weighting) -> tuple[int, int, int]:
    """Return the gains of A, C and Z at 1 kHz in thousandths of a decibel."""
    a, c, z = (round(20000 * float(np.log10(np.abs(h[0])))) for h in response(w, np.array([1000.0])))
    return a, c, z


def coefficients() -> str:
    """Return the text of firmware/kernels/coefficients.py."""
    lines = [
        '"""Integer coefficients of the weighting filters. Written by tools/noise_design.py."""',
        "",
        "WEIGHTINGS = (",
    ]
    for w in WEIGHTINGS:
        a, c, z = gains_mdb(w)
        lines.append("    {")
        for name, value in {**vars(w), "gain_a_mdb": a, "gain_c_mdb": c, "gain_z_mdb": z}.items():
            lines.append(f'        "{name}": ' + (f'"{value}",' if isinstance(value, str) else f"{value},"))
        lines.append("    },")
    return "\n".join([*lines, ")", ""])


def table() -> str:
    """Return the tolerance table as CSV: deviation of every design at every exact frequency, and class 1."""
    f = exact_frequencies()
    titles = [f"{w.response or 'flat'}_{w.rate_hz // 1000}k" for w in WEIGHTINGS]
    head = ["exact_hz", "class1_upper_db", "class1_lower_db"]
    head += [f"{kind}_{title}_db" for title in titles for kind in ("a", "c")]
    columns: list[Floats] = [column for w in WEIGHTINGS for column in deviations(w, f)]
    limits = [w.rate_hz * 0.41 if w.rate_hz < 44_100 else 21_000 for w in WEIGHTINGS for _ in "ac"]
    lines = [",".join(head)]
    for i, frequency in enumerate(f):
        cells = [f"{frequency:.2f}", f"{_UPPER[i]:g}", "" if _LOWER[i] == 99 else f"-{_LOWER[i]:g}"]
        cells += [
            f"{column[i]:.3f}" if frequency < top else "" for column, top in zip(columns, limits, strict=True)
        ]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def picture() -> str:
    """Return an SVG: deviation of the A designs from the formula, and the class 1 limits around them."""
    width, height, left, top = 760, 380, 60, 20
    f = np.geomspace(10, 20_000, 300)

    def x(frequency: float) -> float:
        return left + (width - left - 20) * float(np.log10(frequency / 10) / np.log10(2000))

    def y(db: float) -> float:
        return top + (height - top - 50) * (0.5 - min(max(db, -3), 3) / 6)

    def line(frequency: Floats, values: Floats | tuple[float, ...], style: str) -> str:
        points = " ".join(
            f"{x(float(a)):.1f},{y(float(b)):.1f}" for a, b in zip(frequency, values, strict=True)
        )
        return f'<polyline points="{points}" fill="none" {style}/>'

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12">',
        "<title>A-weighting: deviation from IEC 61672-1</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for db in range(-3, 4):
        out.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(db):.1f}" y2="{y(db):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(db) + 4:.1f}" text-anchor="end">{db:+d} dB</text>')
    for frequency in (10, 100, 1000, 10_000, 20_000):
        label = f"{frequency // 1000} kHz" if frequency >= 1000 else f"{frequency} Hz"
        out.append(f'<text x="{x(frequency):.1f}" y="{height - 28}" text-anchor="middle">{label}</text>')
    exact = exact_frequencies()
    out.append(line(exact, _UPPER, 'stroke="#b00020" stroke-dasharray="5 4"'))
    out.append(line(exact, tuple(-v for v in _LOWER), 'stroke="#b00020" stroke-dasharray="5 4"'))
    legend = [("class 1 limits", "#b00020")]
    colours = ("#005f73", "#ee9b00", "#6a4c93")
    for w, colour in zip(WEIGHTINGS, colours, strict=True):
        until = f if w.rate_hz >= 44_100 else f[f < 0.41 * w.rate_hz]
        out.append(line(until, deviations(w, until)[0], f'stroke="{colour}" stroke-width="1.8"'))
        legend.append((f"{w.rate_hz // 1000} kHz, {w.response or 'flat microphone'}", colour))
    for i, (text, colour) in enumerate(legend):
        out.append(f'<text x="{left + 10 + i * 175}" y="{height - 8}" fill="{colour}">{text}</text>')
    return "\n".join([*out, "</svg>", ""])


def files() -> dict[Path, str]:
    """Return every file with its text."""
    return {
        KERNELS / "coefficients.py": coefficients(),
        KERNELS / "weighting.csv": table(),
        KERNELS / "weighting.svg": picture(),
    }


def main(arguments: list[str]) -> int:
    """Write, compare or search."""
    if arguments and arguments[0] == "search":
        name = Path(arguments[2]).stem if len(arguments) > 2 else ""
        best, worst = search(int(arguments[1]), name)
        print(f"{best}\nworst deviation {worst:.4f} dB")
        return 0
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} differs from what tools/noise_design.py writes")
        return 1 if stale else 0
    for path in stale:
        path.write_text(files()[path])
        print(f"wrote {path.name}")
    return 0


def classes(w: Weighting) -> NDArray[np.bool_]:
    """Return at which exact frequencies a design is inside class 1, microphone included."""
    upper, lower = np.array(_UPPER), -np.array(_LOWER)
    inside = np.ones(upper.size, bool)
    for column in deviations(w, exact_frequencies()):
        inside &= (column < upper) & (column > lower)
    return inside


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

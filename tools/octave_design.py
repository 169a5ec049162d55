"""Designs the third-octave bank and writes its integer coefficients.

    python -m tools.octave_design MASK.csv     design against the limits of IEC 61260-1 (two minutes)

The bank works by octaves. A stage takes samples at 48000 / 2^stage Hz, makes three third-octave bands of the
octave under its Nyquist frequency, and hands every second sample of a half-band filter to the next stage.
All three bands share a numerator that costs no multiplication, (1 - z^-1)^4 (1 + z^-1) / 16; each band adds
three all-pole sections. Plain Butterworth bands with their zeros spread evenly fail class 1 below the band,
so the poles are fitted to the mask, together with the half-bands that lie before them.

Because base-10 bands drift against a decimation by two (10^0.3 = 1.9953), every stage has coefficients of
its own: they are data, and cost no code.

The mask file has the columns of IEC 61260-1:2014 table 1: octave exponent, f/fm, class 1 minimum and maximum.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.filters import Complex, Floats, butterworth_poles, convolved, filtered, minimum
from tools.noise_kernels import KERNELS

RATE_HZ = 48000
STAGES = 11
Q = 10
NUMERATOR_SHIFT = 4
NUMERATOR = np.array([1, -3, 2, 2, -3, 1]) / 2**NUMERATOR_SHIFT
HALF_BAND = (82, 291, 558, 854)  # two all-pass branches of two, /1024: stop band from 0.3 of the rate
TOP_HZ = (1000 * 10**1.1, 1000 * 10**1.2, 1000 * 10**1.3)  # the three bands of stage 0
OCTAVE = 10**0.3
FULL_SCALE = 2.0**18  # amplitude of the samples that enter stage 0
STATE_LIMIT = 2.0**30.95
OUTPUT_LIMIT = 2.0**21.2  # 48 squares of it in steps of 2^8 stay under 2^32
ENOUGH_DB = 0.32  # margin beyond this counts for nothing; the bandwidth counts instead


@dataclass(frozen=True)
class Band:
    """One third-octave band: three sections of two coefficients each, and the shift before each section."""

    stage: int
    index: int
    sections: tuple[tuple[int, int], ...]
    shifts: tuple[int, int, int]
    margin_db: float
    bandwidth_db: float

    @property
    def centre_hz(self) -> float:
        """Exact midband frequency."""
        return TOP_HZ[self.index] / OCTAVE**self.stage


@dataclass(frozen=True)
class Mask:
    """Class 1 limits of relative attenuation, linear in the logarithm of frequency between break points."""

    ratio: Floats
    low: Floats
    high: Floats

    @staticmethod
    def read(path: Path) -> Mask:
        """Read the table; the rows `0.5-` and `0.5+` are the two sides of the band edge."""
        rows = [line.split(",") for line in path.read_text().splitlines() if line[0] in "0123456789>"]
        return Mask(*(np.array([float(row[i]) for row in rows]) for i in (1, 2, 3)))

    def limits(self, ratio: Floats) -> tuple[Floats, Floats]:
        """Return the least and greatest attenuation allowed at f / fm, the same below fm as above."""
        x = np.abs(np.log(ratio))
        at = np.log(self.ratio)
        edge = at[4]
        inside, outside = slice(0, 5), slice(5, None)
        low = np.where(x <= edge, self.low[0], np.interp(x, at[outside], self.low[outside]))
        # above the edge there is no upper limit
        high = np.where(x <= edge, np.interp(x, at[inside], self.high[inside]), np.inf)
        return low, high


def half_band(omega: Floats) -> Complex:
    """Return the response of the half-band at omega radians a sample of its own (higher) rate."""
    z: Complex = np.exp(-1j * omega)
    a, b, c, d = (value / 1024 for value in HALF_BAND)

    def all_pass(k: float) -> Complex:
        return (k + z * z) / (1 + k * z * z)

    return (all_pass(a) * all_pass(c) + z * all_pass(b) * all_pass(d)) / 2


def before(stage: int, frequency: Floats) -> tuple[Complex, Floats]:
    """Return the response of the half-bands before a stage, and the frequency that it sees, aliased."""
    response: Complex = np.ones(frequency.size, np.complex128)
    seen = frequency.copy()
    rate = float(RATE_HZ)
    for _ in range(stage):
        response *= half_band(2 * np.pi * seen / rate)
        rate /= 2
        seen = np.abs(seen - np.round(seen / rate) * rate)
    return response, 2 * np.pi * seen / rate


def poles(sections: Floats, omega: Floats) -> Complex:
    """Return the response of the all-pole sections; sections: rows (a1, a2) of y = x + a1 y1 + a2 y2."""
    z = np.exp(-1j * omega)
    out: Complex = np.ones(omega.size, np.complex128)
    for a1, a2 in sections:
        out /= 1 - a1 * z - a2 * z * z
    return out


class Fit:
    """The margin of one band as a function of its poles; everything before the poles is computed once."""

    def __init__(self, stage: int, index: int, mask: Mask, density: int) -> None:
        self.centre = TOP_HZ[index] / OCTAVE**stage
        ratio = np.concatenate(
            [
                np.geomspace(1 / 15, 15, 12 * density),
                np.geomspace(0.85, 1.18, 8 * density),
                mask.ratio,
                1 / mask.ratio,
            ]
        )
        frequency = np.unique(np.append(ratio * self.centre, np.linspace(1, 23990, 20 * density)))
        frequency = frequency[frequency < 23999]
        frequency = np.append(frequency, self.centre)
        self.low, self.high = mask.limits(frequency / self.centre)
        response, self.omega = before(stage, frequency)
        z: Complex = np.exp(-1j * self.omega)
        fixed = response * (1 - z) ** 4 * (1 + z)
        self.fixed_db = 20 * np.log10(np.abs(fixed) + 1e-12)
        across = np.geomspace(1 / 3, 3, 60 * density) * self.centre
        across = across[across < 23999]
        response, self.across = before(stage, across)
        z = np.exp(-1j * self.across)
        self.fixed_power = np.abs(response * (1 - z) ** 4 * (1 + z)) ** 2
        self.log_step = np.log(across[1] / across[0])

    def margins(self, sections: Floats) -> Floats:
        """Return the distance to the nearer limit at every frequency."""
        gain = self.fixed_db + 20 * np.log10(np.abs(poles(sections, self.omega)))
        attenuation = gain[-1] - gain
        return np.minimum(attenuation - self.low, self.high - attenuation)

    def margin(self, sections: Floats) -> float:
        """Return the least distance to the mask in dB; negative: outside."""
        return float(self.margins(sections).min())

    def bandwidth(self, sections: Floats) -> float:
        """Return by how many dB the band reads pink noise too high (IEC 61260-1: effective bandwidth)."""
        power = self.fixed_power * np.abs(poles(sections, self.across)) ** 2
        middle = 10 ** ((self.fixed_db[-1] + 20 * np.log10(np.abs(poles(sections, self.omega[-1:]))[0])) / 10)
        return float(10 * np.log10(power.sum() * self.log_step / middle / (0.1 * np.log(10))))

    def score(self, sections: Floats) -> float:
        """Return what the design maximises."""
        return min(self.margin(sections), ENOUGH_DB) - abs(self.bandwidth(sections))


def _from_angles(x: Floats) -> Floats:
    radius = 1 - np.exp(x[:3])
    return np.stack([2 * radius * np.cos(x[3:]), -(radius**2)], axis=1)


def fit(stage: int, index: int, mask: Mask) -> tuple[NDArray[np.int64], float, float]:
    """Return integer coefficients (3 x 2, scale 2^Q), their margin and their bandwidth."""
    coarse = Fit(stage, index, mask, 12)
    relative = coarse.centre / (RATE_HZ / 2**stage)
    start = butterworth_poles(3, relative * 10**-0.05, min(relative * 10**0.05, 0.497))
    x = np.concatenate([np.log(1 - np.abs(start)), np.angle(start)])

    def cost(x: Floats, sharpness: float) -> float:
        if np.any(x[:3] > -0.01) or np.any(x[3:] <= 0) or np.any(x[3:] >= np.pi):
            return 1e6
        m = np.minimum(coarse.margins(_from_angles(x)), 3.0)
        worst = float(m.min())
        soft = worst - float(np.log(np.mean(np.exp(-sharpness * (m - worst))))) / sharpness
        return float(abs(coarse.bandwidth(_from_angles(x))) - min(soft, ENOUGH_DB + 0.05))

    for sharpness in (3.0, 10.0, 30.0, 100.0):
        for _ in range(2):
            x = minimum(partial(cost, sharpness=sharpness), x, 1500)
    fine = Fit(stage, index, mask, 30)
    best = _round(_from_angles(x), fine)
    return best, fine.margin(best / 2**Q), fine.bandwidth(best / 2**Q)


def _round(sections: Floats, fine: Fit) -> NDArray[np.int64]:
    """Round to integers and climb by single and paired steps."""
    best = np.rint(sections * 2**Q).astype(np.int64)
    score = fine.score(best / 2**Q)
    steps = [
        np.array(s).reshape(3, 2)
        for s in itertools.product((-1, 0, 1), repeat=6)
        if 1 <= np.count_nonzero(s) <= 3
    ]
    while True:
        found = max((fine.score((best + s) / 2**Q), i) for i, s in enumerate(steps))
        if found[0] <= score + 1e-6:
            return best
        score, best = found[0], best + steps[found[1]]


@cache
def chain(stage: int) -> Floats:
    """Return the impulse response of the half-bands before a stage, at the full rate."""
    if stage == 0:
        return np.ones(1)
    impulse = np.zeros(256)
    impulse[0] = 1
    a, b, c, d = (value / 1024 for value in HALF_BAND)

    def all_pass(k: float, x: Floats) -> Floats:
        return filtered([k, 0, 1], [1, 0, k], x)

    one: Floats = (all_pass(c, all_pass(a, impulse)) + all_pass(d, all_pass(b, np.roll(impulse, 1)))) / 2
    return convolved(chain(stage - 1), _spread(one, 2 ** (stage - 1)))


def _spread(response: Floats, step: int) -> Floats:
    out = np.zeros(response.size * step)
    out[::step] = response
    return out


def largest_states(
    stage: int, sections: tuple[tuple[int, int], ...], shifts: tuple[int, ...]
) -> tuple[float, float]:
    """Return the largest magnitude of any 32-bit state or product, and of the output, for any input.

    By the L1 norm of the impulse response from the bank's input to each of them: the bound that some
    +-full-scale input reaches. (Stages beyond 5 are like stage 5.)
    """
    stage = min(stage, 5)
    impulse = np.zeros(700)
    impulse[0] = FULL_SCALE
    y: Floats = filtered(NUMERATOR, [1], impulse)
    worst = 0.0

    def bound(response: Floats) -> float:
        return float(np.abs(convolved(chain(stage), _spread(response, 2**stage))).sum())

    for (a1, a2), k in zip(sections, shifts, strict=True):
        y = filtered([1], [1, -a1 / 2**Q, -a2 / 2**Q], y / 2**k)
        second = a2 * np.concatenate([[0], y[:-1]])
        first = a1 * y + second
        worst = max(worst, bound(first), bound(second), bound(a1 * y))
        if worst > STATE_LIMIT:
            return worst, np.inf
    return worst, bound(y)


def arrange(stage: int, index: int, coefficients: NDArray[np.int64], margin: float, bandwidth: float) -> Band:
    """Order the sections and choose the shifts: nothing may overflow, and as little as possible is lost."""
    rows = [(int(a), int(b)) for a, b in coefficients]
    for total in range(8):
        fitting: list[tuple[float, Band]] = []
        for shifts in itertools.product((0, 1, 2, 3), repeat=3):
            if sum(shifts) != total:
                continue
            for order in itertools.permutations(rows):
                state, output = largest_states(stage, order, shifts)
                if state < STATE_LIMIT and output < OUTPUT_LIMIT:
                    triple = (shifts[0], shifts[1], shifts[2])
                    fitting.append((state, Band(stage, index, order, triple, margin, bandwidth)))
        if fitting:
            return min(fitting, key=lambda pair: pair[0])[1]
    raise ArithmeticError(f"stage {stage} band {index} cannot be kept in 32 bits")


def gain_mdb(band: Band) -> int:
    """Return the gain at midband in thousandths of a decibel, shifts included."""
    response, omega = before(band.stage, np.array([band.centre_hz]))
    z = np.exp(-1j * omega)
    h = response * (1 - z) ** 4 * (1 + z) / 2**NUMERATOR_SHIFT
    h *= poles(np.array(band.sections) / 2**Q, omega) / 2 ** sum(band.shifts)
    return round(20000 * float(np.log10(np.abs(h[0]))))


def nominal(n: int) -> str:
    """Return the nominal frequency of band n (1000 * 10^(n/10) Hz)."""
    names = "1 1.25 1.6 2 2.5 3.15 4 5 6.3 8".split()
    value = float(names[n % 10]) * 10 ** (n // 10 + 3)
    return f"{value:g}"


def module(bands: list[Band]) -> str:
    """Return the text of firmware/kernels/octave_coefficients.py."""
    lines = [
        '"""Integer coefficients of the third-octave bank. Written by tools/octave_design.py."""',
        "",
        "STAGES = " + str(STAGES),
        "HALF_BAND = " + str(HALF_BAND),
        "",
        "# stage, nominal Hz, (a1, a2) of three sections times 2^10, shifts, gain at midband in mdB",
        "# fmt: off",
        "BANDS = (",
    ]
    for band in bands:
        flat = ", ".join(str(v) for section in band.sections for v in section)
        n = 11 + band.index - 3 * band.stage
        lines.append(
            f'    ({band.stage}, "{nominal(n)}", ({flat}), {band.shifts}, {gain_mdb(band)}),'
            f"  # {band.margin_db:.2f} dB inside"
        )
    return "\n".join([*lines, ")", ""])


def main(arguments: list[str]) -> int:
    """Design all bands and write the file."""
    mask = Mask.read(Path(arguments[0]))
    bands: list[Band] = []
    for stage in range(STAGES):
        for index in range(3):
            band = arrange(stage, index, *fit(stage, index, mask))
            bands.append(band)
            figures = f"margin {band.margin_db:.3f} dB, bandwidth {band.bandwidth_db:+.3f} dB"
            print(f"stage {stage} {band.centre_hz:9.2f} Hz {figures}", flush=True)
    (KERNELS / "octave_coefficients.py").write_text(module(bands))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

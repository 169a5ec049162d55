"""Plain twins of the third-octave kernels; the bank is described in tools/octave_design.py."""

from .noise_ref import _carry, _split
from .octave_coefficients import HALF_BAND

_CARRY_SAMPLES = 48


def unpack_ref(frames):
    """Return 19-bit samples of raw ones (24 bits left-justified in 32)."""
    return [raw >> 13 for raw in frames]


def split_ref(samples, ctx):
    """Return (numerator's output, half-band's decimated output) of an even number of samples.

    ctx: 0-4 past sample and differences, 5-8 states of the all-pass branches, 9-10 their past inputs.
    """
    past = list(ctx[0:5])
    m0, n0, m1, n1, even, odd = ctx[5:11]
    a, b, c, d = HALF_BAND
    shared = []
    decimated = []
    for i in range(0, len(samples), 2):
        for x in samples[i : i + 2]:
            # past: x, its first, second, third and fourth difference
            new = [x]
            for j in range(4):
                new.append(new[j] - past[j])
            shared.append((new[4] + past[4]) >> 4)
            past = new
        older, newer = samples[i], samples[i + 1]
        t = ((newer - m0) * a >> 10) + even
        n0 = ((t - n0) * c >> 10) + m0
        m0, even = t, newer
        t = ((older - m1) * b >> 10) + odd
        n1 = ((t - n1) * d >> 10) + m1
        m1, odd = t, older
        decimated.append((n0 + n1) >> 1)
    ctx[0:5] = past
    ctx[5:11] = [m0, n0, m1, n1, even, odd]
    return shared, decimated


def band_ref(samples, ctx):
    """Filter one band and sum its energy. ctx: 0-5 states, 6-11 coefficients, 12-14 shifts, 16-19 energy."""
    for begin in range(0, len(samples), _CARRY_SAMPLES):
        sums = [0, 0]
        for y in samples[begin : begin + _CARRY_SAMPLES]:
            for j in (0, 1, 2):
                y = (ctx[2 * j] >> 10) + (y >> ctx[12 + j])
                ctx[2 * j] = y * ctx[6 + 2 * j] + ctx[2 * j + 1]
                ctx[2 * j + 1] = y * ctx[7 + 2 * j]
            _split(sums, y)
        _carry(ctx, 16, sums)

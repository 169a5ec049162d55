"""Plain twins of the noise kernels: the same arithmetic written for reading. Tests hold the kernels to them.

Integers are unbounded here; that every intermediate fits 32 bits is proven from the filters' impulse
responses in tests/kernels/test_bounds.py, so a chip, the 64-bit port and this file give the same bits.

Scales: a raw sample is 24 bits left-justified in 32. After the first section 1 LSB = 2^12 of that (2^13
where the row's `pre` is 2), so a full-scale sine has a mean square of 2^37 (2^35) LSB^2.
"""


def _split(energy, value):
    """Add value^2 to energy = [low, high]: exact below 2^13, else in steps of 2^8."""
    if -8192 <= value < 8192:
        energy[0] += value * value
    else:
        value = (value + 128) >> 8
        energy[1] += value * value


def _carry(ctx, index, energy):
    """Add a millisecond's sums to totals kept as sums of 16-bit halves."""
    for k in (0, 1):
        ctx[index + 2 * k] += energy[k] & 65535
        ctx[index + 2 * k + 1] += energy[k] >> 16


def _guarded(state):
    """Keep the first state far enough from -2^30 that no 32-bit input overflows its difference."""
    return max(state, -(1 << 30) + 600)


def weigh_ref(c, frames, out, ctx, n_ms, with_c):
    """Weight n_ms milliseconds of raw samples.

    c: row of coefficients.WEIGHTINGS. frames: raw samples of one slot. out: per millisecond the A energy
    [low, high]. ctx: 0-5 filter states; with_c: 6 peak of |C|, 8-11 sums of the C energy.
    """
    s1, s2, sh, st, s3, s4 = ctx[0:6]
    at = 0
    for ms in range(n_ms):
        a_energy = [0, 0]
        c_energy = [0, 0]
        s1 = _guarded(s1)
        for _ in range(c["rate_hz"] // 1000):
            # two high-passes at 20.6 Hz; each turns the sign
            y = ((frames[at] >> c["pre"]) - s1) >> c["f1"]
            at += 1
            s1 += c["k1"] * y >> c["r1"]
            u = (s2 >> c["f2"]) - y
            s2 -= c["k2"] * u
            if c["g"]:  # a microphone without bass: give back a part of what was held back
                u -= (u + y) * c["g"] >> 6
            # the double pole at 12.2 kHz; its output is C-weighted
            y = (u >> c["h"]) + sh
            sh = (c["a"] * y + c["b"] * u + st) >> c["q"]
            st = c["c"] * u
            if with_c:
                ctx[6] = max(ctx[6], abs(y))
                _split(c_energy, y)
            # high-passes at 107.7 and 737.9 Hz; the output is A-weighted
            u = (s3 >> c["f3"]) - y
            s3 += -c["k3"] * u >> c["r3"]
            y = (s4 >> c["f4"]) - u
            s4 += -c["k4"] * y >> c["r4"]
            _split(a_energy, y)
        out[2 * ms : 2 * ms + 2] = a_energy
        if with_c:
            _carry(ctx, 8, c_energy)
    ctx[0:6] = [s1, s2, sh, st, s3, s4]


def survey_ref(c, frames, ctx, n_ms):
    """Unweighted energy and extremes. ctx: 0 state, 1 lowest and 2 highest raw sample, 4-7 sums of energy."""
    per_ms = c["rate_hz"] // 1000
    for ms in range(n_ms):
        energy = [0, 0]
        ctx[0] = _guarded(ctx[0])
        for raw in frames[ms * per_ms : (ms + 1) * per_ms]:
            ctx[1] = min(ctx[1], raw)
            ctx[2] = max(ctx[2], raw)
            y = ((raw >> 1) - ctx[0]) >> 11
            ctx[0] += y >> 1
            _split(energy, y)
        _carry(ctx, 4, energy)


def inspect_ref(frames, ctx):
    """Look at the words of a slot as a line of bits.

    ctx: 0 bits that were ever one, 1 bits that were always one, 2 last word, 3 changes of the word,
    4 words at the ends (bits 30-28 equal, bit 31 not), 5 words between: loud, but not at an end.
    """
    for raw in frames:
        word = raw & 0xFFFFFFFF
        ctx[0] |= word
        ctx[1] &= word
        ctx[3] += word != ctx[2]
        ctx[2] = word
        top = word >> 28
        if top in (7, 8):
            ctx[4] += 1
        elif top not in (0, 15):
            ctx[5] += 1


def detect_ref(energies, ctx, n_ms, r1, r2, r3):
    """Exponential time weighting of the milliseconds' energies; keeps its highest and lowest value.

    The level is f * 2^g, in 2^-11 of a millisecond's energy; f has a moving scale. The fraction of a step
    is 2^-r1 + 2^-r2 + 2^-r3. ctx: 0 f, 1 g, 2-3 highest, 4-5 lowest, 6-9 sums of the energies.
    """
    f, g = ctx[0], ctx[1]
    for ms in range(n_ms):
        low, high = energies[2 * ms] & 0xFFFFFFFF, energies[2 * ms + 1] & 0xFFFFFFFF
        _carry(ctx, 6, (low, high))
        while (low >> 18 >> g) + (high >> 2 >> g):
            g += 2
            f >>= 2
        u = low << (4 - g) if g < 4 else low >> (g - 4)
        u += high << (20 - g) if g < 20 else high >> (g - 20)
        difference = (u << 7) - f
        f += (difference >> r1) + (difference >> r2) + (difference >> r3)
        f = max(f, 0)
        if f < 1 << 26 and g:
            f <<= 2
            g -= 2
        if f >> (ctx[3] - g) > ctx[2] if ctx[3] >= g else f > ctx[2] >> (g - ctx[3]):
            ctx[2], ctx[3] = f, g
        if f >> (ctx[5] - g) < ctx[4] if ctx[5] > g else f < ctx[4] >> (g - ctx[5]):
            ctx[4], ctx[5] = f, g
    ctx[0], ctx[1] = f, g

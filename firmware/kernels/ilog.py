"""The logarithm in integers: levels in thousandths of a decibel (mdb) of energies of any size.

Error at most 0.001 dB over the whole range. The table of log2 at 64 places is computed once at import by
repeated squaring, so no constant has to be believed.
"""

_BITS = 6
_ONE = 1 << 15


def _log2_q15(mantissa):
    """Return log2(mantissa / 2^30) * 2^15 of 2^30 <= mantissa < 2^31 by squaring: one bit a turn."""
    result = 0
    for _ in range(15):
        mantissa = mantissa * mantissa >> 30
        result <<= 1
        if mantissa >> 31:
            mantissa >>= 1
            result |= 1
    return result


# log2(1 + i/64) in units of 2^-15, i = 0..64
_TABLE = [_log2_q15((1 << 30) + (i << 24)) for i in range(64)] + [_ONE]


def level_mdb(energy):
    """Return 10 * log10(energy) in thousandths of a decibel; energy is an int > 0.

    Raises ValueError for energy <= 0: the level of nothing is not a number.
    """
    if energy <= 0:
        raise ValueError("energy: must be positive, a level of nothing does not exist")
    exponent = 0
    while energy >> 62:
        energy >>= 32
        exponent += 32
    while energy >> 30:
        energy >>= 8
        exponent += 8
    while energy >= 1 << 22:
        energy >>= 1
        exponent += 1
    while energy < 1 << 21:
        energy <<= 1
        exponent -= 1
    # energy = 2^21 * (1 + fraction): six bits choose the place, fifteen interpolate
    exponent += 21
    place = (energy >> 15) & 63
    rest = energy & (_ONE - 1)
    log2_q15 = _TABLE[place] + ((_TABLE[place + 1] - _TABLE[place]) * rest + (1 << 14) >> 15)
    # 10 * log10(2) * 1000 = 3010.29996
    return (((exponent << 15) + log2_q15) * 301030 + 1638400) // 3276800

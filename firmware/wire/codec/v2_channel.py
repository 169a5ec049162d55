"""A channel of codec version 2 as its tables say, and the tables that all channels share.

Features are logarithms in Q4 octaves. exp() exists on every Python, but its last bits differ: the shared
tables are made in integers once.
"""

from array import array

from .._compat import const

HIDDEN = const(8)
OUTPUTS = const(5)
BASE_FEATURES = const(13)
BASE_TERMS = const(5)
NO_BASE = const(255)
BASE_ZERO = const(32768)  # a series above a base may be negative: this is its zero
STATE_WORDS = const(9)
CAP = const(32767)


def _exp2_q30(numerator, bits):
    """Return 2^(numerator / 2^bits) in Q30 for 0 <= numerator < 2^bits, by repeated square roots."""
    result = 1 << 30
    root = 2 << 30
    for k in range(1, bits + 1):
        root = _sqrt(root << 30)
        if (numerator >> (bits - k)) & 1:
            result = (result * root + (1 << 29)) >> 30
    return result


def _sqrt(n):
    """Return the integer square root."""
    x = 1 << 32
    while True:
        y = (x + n // x) >> 1
        if y >= x:
            return x
        x = y


def _logistic_q15():
    """Return 32768 / (1 + e^(-i/32)) for i = 0..385."""
    one = 1 << 60
    step = 0  # e^(-1/32) by its series
    term = one
    for k in range(1, 16):
        step += term
        term = -term // (32 * k)
    table = []
    power = one
    for _ in range(386):
        value = ((1 << 75) + ((one + power) >> 1)) // (one + power)
        table.append(value if value < CAP else CAP)
        power = (power * step) >> 60
    return array("H", table)


LOGISTIC = _logistic_q15()
INVERSE_EXP2 = array("H", [((1 << 45) // _exp2_q30(k, 4) + 1) >> 1 for k in range(16)])  # 2^(-k/16) in Q14
EXP2 = array("H", [(_exp2_q30(k, 4) + (1 << 15)) >> 16 for k in range(16)])  # 2^(k/16) in Q14
RECIPROCAL = array("H", [0, 4096] + [(4096 + k // 2) // k for k in range(2, 26)])
# 16 * log2(1 + (i + 0.5) / 16), rounded
LOG2_FRACTION = bytes([1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13, 14, 15, 16])


def log2_q4(value):
    """Return 16 * log2(value) for value >= 1, within 0.8."""
    exponent = 0
    while value >> (exponent + 1):
        exponent += 1
    if exponent >= 4:
        fraction = (value >> (exponent - 4)) & 15
        return 16 * exponent + LOG2_FRACTION[fraction]
    fraction = (value << (4 - exponent)) & 15
    return 16 * exponent + (LOG2_FRACTION[fraction] if fraction else 0)


class Channel:
    """The tables of one channel, parsed from a profile's bytes (see v2_tables)."""

    __slots__ = (
        "base",
        "bias_hidden",
        "bias_out",
        "crosses",
        "first",
        "high",
        "inverse_q8",
        "log_scale",
        "low",
        "n_features",
        "n_terms",
        "place",
        "raw_max",
        "raw_min",
        "scale_log",
        "scale_q4",
        "small",
        "zero",
    )


def crosses_of(crosses, index):
    """Return (how many features, how many place terms) the cross channels of a channel add."""
    features = 0
    terms = 0
    for other in crosses:
        features += 4 if other < index else 2
        terms += 3 if other < index else 1
    return features, terms

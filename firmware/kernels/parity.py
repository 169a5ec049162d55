"""Parity of lost frames (wire.codec.parity) for a chip: a call of machine code a parity symbol.

    parity.Window(rate, add=kernels.parity.add_sum)

The plain twin is wire.codec.parity.add_sum: both make the same bytes.
"""

from array import array

from wire.codec.parity import EXP, LOG

_CALL = array("I", bytes(20))


def add_sum(ring, start, symbols, width, state, total, step=None):
    """Add symbols of a ring, each times its coefficient, to total. step: not this machine's own kernel."""
    step = step or __import__("kernels._parity", None, None, ("add_products",)).add_products
    _CALL[0] = start
    _CALL[1] = symbols
    _CALL[2] = width
    _CALL[3] = state
    _CALL[4] = len(ring)
    step(_CALL, ring, EXP, LOG, total)

"""Passages in front of a detector (passive infrared, light barrier), counted by something passed in."""

from wire._compat import const
from wire.measurements import PASSAGES

from .tally import Tally


class PassageCounter(Tally):
    """Driver. Arguments are those of drivers.tally."""

    NAME = "passages"
    MEASURES = (PASSAGES,)
    PER_S = const(1)  # more is a detector that chatters

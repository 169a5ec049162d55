"""Tipping-bucket rain gauge: a reed contact that closes once a tip, counted by something passed in.

The counter (ULP, external chip, machine.Counter) debounces and counts, also while the node sleeps. Two or
three counts a tip and pulses out of nothing are what such gauges do when their contact bounces; a rate that
no rain reaches shows it.
"""

from wire._compat import const
from wire.measurements import RAIN_TIPS

from .tally import Tally


class RainGauge(Tally):
    """Driver. Arguments are those of drivers.tally."""

    NAME = "rain gauge"
    MEASURES = (RAIN_TIPS,)
    PER_S = const(5)  # at 0.2 mm a tip 60 mm a minute, above any rain on record

"""The low-voltage guard: no radio on a battery that a transmission would brown out.

The voltage is the one of the record just taken, with sensors running, so under load. Sensing and
the log go on; the radio comes back once the voltage is well above the limit again, not at its edge. A node
that comes near the limit says so while it still can: what is silent afterwards is then no riddle. Below
the critical voltage nothing is written to flash either: see also node/brownout.py.
"""

from wire._compat import const
from wire.measurements import BATTERY
from wire.record import FIRST_ERROR

_HYSTERESIS_MV = const(100)
_CRITICAL_BELOW_MV = const(200)
_NEAR_MV = const(100)  # above the limit: a lithium cell at its knee has hours to days left
_EMPTY_MV = const(3300)  # a lithium cell, where battery_low_mv does not say it
_FULL_MV = const(4200)
UNKNOWN_LEVEL = const(255)


def critical_mv(low_mv):
    """Return below which voltage nothing is written; 0 for never (mains)."""
    return max(0, low_mv - _CRITICAL_BELOW_MV)


class PowerGuard:
    """Decides whether the radio may be used. low_mv: 0 switches the guard off (mains)."""

    def __init__(self, low_mv):
        self._low_mv = low_mv
        self.battery_mv = None
        self.low = False
        self.near = False
        self.critical = False

    def update(self, readings):
        """Learn from a record's readings; return whether `near` changed. A missing voltage says nothing."""
        before = self.near
        for measurement_id, raw, state in readings:
            if measurement_id == BATTERY and state < FIRST_ERROR:
                self.battery_mv = raw
                limit = self._low_mv + (_HYSTERESIS_MV if self.low else 0)
                self.low = self._low_mv > 0 and raw < limit
                limit = self._low_mv + _NEAR_MV + (_HYSTERESIS_MV if self.near else 0)
                self.near = self._low_mv > 0 and raw < limit
                limit = critical_mv(self._low_mv)
                self.critical = limit > 0 and raw < limit + (_HYSTERESIS_MV if self.critical else 0)
        return self.near != before

    def level(self):
        """Return what DevStatusAns calls battery: 1 empty to 254 full, 255 when nobody measures it."""
        if self.battery_mv is None:
            return UNKNOWN_LEVEL
        empty_mv = self._low_mv or _EMPTY_MV
        full_mv = max(_FULL_MV, empty_mv + 1)
        return min(max(1 + 253 * (self.battery_mv - empty_mv) // (full_mv - empty_mv), 1), 254)

"""What a garden node adds to its readings: dew point, and whether the sun heats the thermometer.

Rain: the counter runs by itself; once a minute the node looks at it, and a minute with tips is a record of
its own, so the gateway knows the times of the tips to the minute.
"""

from kernels.dewpoint import dew_point_centi
from wire._compat import const
from wire.measurements import (
    DEW_POINT,
    HEALTH,
    HEALTH_RADIATION,
    RAIN_TIPS,
    RELATIVE_HUMIDITY,
    TEMPERATURE,
)
from wire.record import DEGRADED, FIRST_ERROR, OK

_HOUR_MS = const(3600000)
_RISE_CENTI = const(400)  # four degrees within the hour, while ...
_SAME_DEW_CENTI = const(150)  # ... the water in the air stays what it was: the housing got warm
_LONGEST_MS = const(6 * 3600 * 1000)


class GardenKind:
    """State of a garden node."""

    def __init__(self):
        self._hour = []  # (uptime ms, temperature, dew point) of the last hour
        self._heated = None  # (since when, temperature before)
        self._tips = None
        self.again_ms = None
        self.urgent = False

    def stretch(self):
        """A garden keeps its interval."""
        return 1

    def rained(self, tips):
        """Take the rain counter's reading; return whether it tipped since the one before."""
        if tips[2] >= FIRST_ERROR:
            return False
        before, self._tips = self._tips, tips[1]
        return before is not None and before != tips[1]

    def refine(self, readings, now_ms, read_again=None):
        """Return the readings of a record with dew point and flag."""
        by_id = {row[0]: row for row in readings}
        if RAIN_TIPS in by_id:
            self.rained(by_id[RAIN_TIPS])
        if TEMPERATURE in by_id and RELATIVE_HUMIDITY in by_id:
            self._air(by_id, now_ms)
        out = list(by_id.values())
        out.sort()
        return out

    def _air(self, by_id, now_ms):
        t, h = by_id[TEMPERATURE], by_id[RELATIVE_HUMIDITY]
        state = max(t[2], h[2])
        if state >= FIRST_ERROR:
            by_id[DEW_POINT] = (DEW_POINT, 0, state)
            return
        dew = dew_point_centi(t[1], h[1])
        if dew is None:
            return
        # Warm housing, same water: temperature and humidity are wrong, the dew point is not.
        by_id[DEW_POINT] = (DEW_POINT, dew, state)
        if self._sun(now_ms, t[1], dew):
            by_id[TEMPERATURE] = (TEMPERATURE, t[1], max(t[2], DEGRADED))
            by_id[RELATIVE_HUMIDITY] = (RELATIVE_HUMIDITY, h[1], max(h[2], DEGRADED))
            by_id[HEALTH] = (HEALTH, HEALTH_RADIATION, OK)

    def _sun(self, now_ms, centi, dew):
        self._hour = [row for row in self._hour if now_ms - row[0] <= _HOUR_MS]
        if self._heated is not None:
            since_ms, before = self._heated
            if centi - before < _RISE_CENTI // 2 or now_ms - since_ms > _LONGEST_MS:
                self._heated = None
        if self._heated is None:
            for _at, t, d in self._hour:
                if centi - t >= _RISE_CENTI and abs(dew - d) <= _SAME_DEW_CENTI:
                    self._heated = (now_ms, t)
                    break
        self._hour.append((now_ms, centi, dew))
        return self._heated is not None

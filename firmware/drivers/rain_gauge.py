"""Tipping-bucket rain gauge: a reed contact that closes once a tip, counted by something passed in.

The counter (ULP, external chip, machine.Counter) debounces and counts, also while the node sleeps.
What goes out is the number of tips as a counter that only rises and wraps at 65536: the gateway
differences it, so a lost record loses no rain. Two or three counts a tip and pulses out of nothing
are what such gauges do when their contact bounces; a rate that no rain reaches shows it.
"""

from wire._compat import const
from wire.measurements import RAIN_TIPS
from wire.record import DEGRADED, NO_ANSWER, OK

from .errors import DriverError
from .readings import failed, reading

# 5 tips a second: at 0.2 mm a tip that is 60 mm a minute, above any rain on record.
_MAX_TIPS_PER_S = const(5)


class RainGauge:
    """Driver. counter.value(): tips so far, from 0 at its own start; it may restart at 0.

    total, last: continue an earlier life; pass back what the attributes of the same names said before
    a deep sleep that the counter survived. wraps_at: where the counter wraps (65536 for 16 bits), or None.
    """

    MEASURES = (RAIN_TIPS,)
    settle_ms = 0

    def __init__(self, counter, clock, total=0, last=0, wraps_at=None, max_tips_per_s=_MAX_TIPS_PER_S):
        self.total = total
        self.last = last
        self._counter = counter
        self._clock = clock
        self._wraps_at = wraps_at
        self._max_tips_per_s = max_tips_per_s
        self._fetched_ms = None

    def probe(self):
        """Return the tips so far; raise DriverError when the counter does not answer.

        An open and an unplugged contact look the same: only a tip by hand tells them apart.
        """
        try:
            return self._counter.value()
        except OSError as error:
            raise DriverError(NO_ANSWER, "rain gauge: the counter does not answer: " + repr(error))

    def start(self):
        """Nothing to start: the counter runs all the time."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the tip counter; DEGRADED when it rose faster than rain can."""
        try:
            value = self._counter.value()
        except OSError:
            return failed(self.MEASURES, NO_ANSWER)
        tips = self._since_last(value)
        self.last = value
        self.total = (self.total + tips) & 0xFFFF
        return [reading(RAIN_TIPS, self.total, DEGRADED if self._too_fast(tips) else OK)]

    def _since_last(self, value):
        """Return tips since the last fetch; a counter that went back has wrapped or begun anew."""
        if value >= self.last:
            return value - self.last
        return value - self.last + self._wraps_at if self._wraps_at else value

    def _too_fast(self, tips):
        now = self._clock.ticks_ms()
        before = self._fetched_ms
        self._fetched_ms = now
        if before is None:
            return False  # how long the counter has run is not known
        elapsed_ms = self._clock.ticks_diff(now, before)
        # ticks_ms wraps after 12 days: a negative span says nothing. One tip may always be pending.
        return elapsed_ms >= 0 and (tips - 1) * 1000 > self._max_tips_per_s * elapsed_ms

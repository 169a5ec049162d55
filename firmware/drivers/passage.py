"""Passages in front of a detector (passive infrared, light barrier), counted by something passed in.

The same way out as the rain gauge: a counter that only rises and wraps at 65536.
"""

from wire.measurements import PASSAGES
from wire.record import DEGRADED, NO_ANSWER, OK

from .errors import DriverError
from .readings import failed, reading


class PassageCounter:
    """Driver. counter.value(): passages so far; total: continue an earlier life.

    busiest_per_s: more than that many a second between two fetches is a detector that chatters.
    """

    MEASURES = (PASSAGES,)
    settle_ms = 0

    def __init__(self, counter, clock, total=0, wraps_at=None, busiest_per_s=1):
        self.total = total
        self._last = None
        self._counter = counter
        self._clock = clock
        self._wraps_at = wraps_at
        self._busiest_per_s = busiest_per_s
        self._fetched_ms = 0

    def probe(self):
        """Return the passages so far; raise DriverError when the counter does not answer."""
        try:
            return self._counter.value()
        except OSError as error:
            raise DriverError(NO_ANSWER, "passages: the counter does not answer: " + repr(error))

    def start(self):
        """Nothing to start: the counter runs all the time."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the counter; DEGRADED when it rose faster than people can pass."""
        try:
            value = self._counter.value()
        except OSError:
            return failed(self.MEASURES, NO_ANSWER)
        now = self._clock.ticks_ms()
        passed = 0
        if self._last is not None:
            passed = value - self._last
            if passed < 0:
                passed = passed + self._wraps_at if self._wraps_at else value
        elapsed_ms = self._clock.ticks_diff(now, self._fetched_ms)
        chatters = (
            self._last is not None
            and elapsed_ms > 0
            and (passed - 1) * 1000 > self._busiest_per_s * elapsed_ms
        )
        self._last = value
        self._fetched_ms = now
        self.total = (self.total + passed) & 0xFFFF
        return [reading(PASSAGES, self.total, DEGRADED if chatters else OK)]

"""Events that a counter outside of the program counts: tips of a rain gauge, passages.

What goes out is a counter that only rises and wraps at 65536: the gateway takes differences, so a lost
record loses nothing. The counter below may be 16 bits of a coprocessor, six digits of a chip, or one that
begins at 0 with each life. One that runs on while this program does not keeps a number for it (`keep`,
`kept`), so that what happened during a reset or in deep sleep counts too.
"""

from wire._compat import const
from wire.record import DEGRADED, NO_ANSWER, OK

from .errors import DriverError
from .readings import failed, reading

_HOUR_MS = const(3600000)  # taken for a time that is not known


class Tally:
    """Base: subclasses give NAME, MEASURES and PER_S, the most a second that can be true.

    counter.value(): events so far; OSError where it does not answer. total: continue an earlier life (None:
    0). last: what the counter said then; None: ask it. wraps_at: where the counter wraps, None: never.
    """

    settle_ms = 0

    def __init__(self, counter, clock, total=0, last=0, wraps_at=None):
        self.total = total or 0
        self._counter = counter
        self._clock = clock
        self._wraps_at = wraps_at
        self._fetched_ms = None
        self._kept = None
        if last is None:
            last = self._resume(total)
        self.last = last

    def _resume(self, total):
        """Return what the counter says now; take along what it counted while nobody asked."""
        try:
            value = self._counter.value()
        except OSError:
            return 0
        kept = getattr(self._counter, "kept", lambda: None)()
        if kept is not None:
            found = (value + kept) & 0xFFFF
            # A number of another life, or of a log that was lost, lies behind what was told already.
            if total is None or (found - total) & 0xFFFF < 0x8000:
                self.total = found
        return value

    def probe(self):
        """Return the events so far; raise DriverError when the counter does not answer.

        An open and an unplugged contact look the same: only an event by hand tells them apart.
        """
        try:
            return self._counter.value()
        except OSError as error:
            raise DriverError(NO_ANSWER, self.NAME + ": the counter does not answer: " + repr(error))

    def start(self):
        """Nothing to start: the counter runs all the time."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the counter; DEGRADED when it rose faster than can be."""
        try:
            value = self._counter.value()
        except OSError:
            return failed(self.MEASURES, NO_ANSWER)
        elapsed_ms = self._elapsed_ms()
        events = self._since_last(value, elapsed_ms)
        self.last = value
        self.total = (self.total + events) & 0xFFFF
        self._remember((self.total - value) & 0xFFFF)
        fast = elapsed_ms is not None and self._too_many(events, elapsed_ms)
        return [reading(self.MEASURES[0], self.total, DEGRADED if fast else OK)]

    def _remember(self, number):
        keep = getattr(self._counter, "keep", None)
        if keep is None or number == self._kept:
            return
        try:
            keep(number)
            self._kept = number
        except OSError:
            pass  # the next record tries again

    def _elapsed_ms(self):
        """Return the time since the last fetch, None where it is not known (ticks_ms wraps after 12 days)."""
        now = self._clock.ticks_ms()
        before, self._fetched_ms = self._fetched_ms, now
        elapsed_ms = -1 if before is None else self._clock.ticks_diff(now, before)
        return None if elapsed_ms < 0 else elapsed_ms

    def _since_last(self, value, elapsed_ms):
        """Return the events since the last fetch; a counter that went back has wrapped or begun anew."""
        if value >= self.last:
            return value - self.last
        if self._wraps_at is None:
            return value
        wrapped = value - self.last + self._wraps_at
        return value if self._too_many(wrapped, elapsed_ms or _HOUR_MS) else wrapped

    def _too_many(self, events, elapsed_ms):
        return (events - 1) * 1000 > self.PER_S * elapsed_ms  # one may always be pending

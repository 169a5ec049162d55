"""When the next acquisition ends: at whole multiples of the interval, so that a city's nodes agree."""


class Schedule:
    """Due times in uptime milliseconds. The first acquisition is due at once."""

    def __init__(self, timekeeper, interval_s, lead_ms=0):
        self._time = timekeeper
        self._interval_ms = interval_s * 1000
        self._lead_ms = lead_ms  # an acquisition begins so long before it is due
        self._done_ms = None
        self.stretch = 1  # intervals from one acquisition to the next
        self.due_ms = timekeeper.uptime_ms()

    def done(self):
        """An acquisition has ended, at its due time or later: plan the next."""
        self._done_ms = self._time.uptime_ms()
        self.plan()

    def plan(self):
        """Set the next due time: the first multiple of the interval after now.

        A clock that was put back a little just after an acquisition does not make it due again. What cannot
        be ready in time any more is left out: it would be late, and so would all after it, and a node that
        is always late never sends.
        """
        now_ms = self._time.uptime_ms()
        clock_ms = now_ms + (self._time.offset_ms or 0)  # UTC where it is known, else uptime
        interval_ms = self._interval_ms * self.stretch
        self.due_ms = now_ms + interval_ms - clock_ms % interval_ms
        if self._done_ms is not None and self.due_ms - self._done_ms < interval_ms // 10:
            self.due_ms += interval_ms
        while self._done_ms is not None and self.due_ms - self._lead_ms < now_ms:
            self.due_ms += interval_ms

    def start_ms(self, lead_ms):
        """Return when to begin so that what takes lead_ms is ready at the due time."""
        return self.due_ms - lead_ms

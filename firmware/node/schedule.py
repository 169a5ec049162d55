"""When the next acquisition ends: at whole multiples of the interval, so that a city's nodes agree."""


class Schedule:
    """Due times in uptime milliseconds. The first acquisition is due at once."""

    def __init__(self, timekeeper, interval_s):
        self._time = timekeeper
        self._interval_ms = interval_s * 1000
        self.due_ms = timekeeper.uptime_ms()

    def plan(self):
        """Set the next due time: the first multiple of the interval after now."""
        now_ms = self._time.uptime_ms()
        self.due_ms = now_ms + self._interval_ms - self._time.aligned_ms() % self._interval_ms

    def start_ms(self, lead_ms):
        """Return when to begin so that what takes lead_ms is ready at the due time."""
        return self.due_ms - lead_ms

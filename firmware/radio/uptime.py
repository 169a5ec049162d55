"""Milliseconds since start that do not wrap; ticks_ms does, every 12 days."""


class Uptime:
    """Adds up ticks; `ms()` must be asked at least once a half turn of ticks_ms (6 days)."""

    def __init__(self, clock):
        self._clock = clock
        self._last = clock.ticks_ms()
        self._ms = 0

    def ms(self):
        """Return milliseconds since this object was made."""
        now = self._clock.ticks_ms()
        passed = self._clock.ticks_diff(now, self._last)
        if passed > 0:
            self._ms += passed
            self._last = now
        return self._ms

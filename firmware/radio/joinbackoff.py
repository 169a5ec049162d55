"""When the next JoinRequest may go (LoRaWAN retransmission back-off; limits as LoRaMac-node codes them).

Two rules together: a random pause that grows with each attempt, so that a quarter full of nodes does
not shout at once when its gateway comes back, and the air time allowed since the first attempt:
36 s in the first hour, 36 s in the next ten, then 8.7 s for each 24 hours.
"""

from wire._compat import const
from wire.lorawan.eu868 import JOIN_BACK_OFF, JOIN_BACK_OFF_DAILY_US

_HOUR_MS = const(3600000)
_DAY_MS = const(86400000)
_FIRST_PAUSE_MS = const(4000)
_MAX_DOUBLINGS = const(6)
_EDGE_MS = const(2000)  # silence around the end of a period, so that no frame counts for the wrong one


class JoinBackOff:
    """`random.getrandbits(n)`; now_ms is an uptime. Starts over when the node has joined."""

    def __init__(self, random):
        self._random = random
        self.reset()

    def reset(self):
        """Forget the past attempts."""
        self.attempts = 0
        self._since_ms = None
        self._period = 0
        self._spent_us = 0
        self._not_before_ms = 0

    def _limits(self, period):
        """Return (end of period in ms since the first attempt, air time allowed in it)."""
        if period < len(JOIN_BACK_OFF):
            return JOIN_BACK_OFF[period][0] * _HOUR_MS, JOIN_BACK_OFF[period][1]
        days = period - len(JOIN_BACK_OFF) + 1
        return JOIN_BACK_OFF[-1][0] * _HOUR_MS + days * _DAY_MS, JOIN_BACK_OFF_DAILY_US

    def wait_ms(self, air_us, now_ms):
        """Return how long a JoinRequest of this air time has to wait."""
        if self._since_ms is None:
            return 0
        elapsed = now_ms - self._since_ms
        while elapsed >= self._limits(self._period)[0] + _EDGE_MS:
            self._period += 1
            self._spent_us = 0
        end_ms, limit_us = self._limits(self._period)
        pause = max(self._not_before_ms - now_ms, 0)
        if self._spent_us + air_us > limit_us or elapsed > end_ms - _EDGE_MS:
            return max(end_ms + _EDGE_MS - elapsed, pause)
        return pause

    def book(self, air_us, now_ms):
        """Book an attempt that begins now."""
        if self._since_ms is None:
            self._since_ms = now_ms
        self.wait_ms(0, now_ms)
        self._spent_us += air_us
        pause = _FIRST_PAUSE_MS << min(self.attempts, _MAX_DOUBLINGS)
        self._not_before_ms = now_ms + pause + pause * self._random.getrandbits(8) // 256
        self.attempts += 1

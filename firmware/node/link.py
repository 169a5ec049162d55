"""What the ways out have in common: what a link without air time answers, and its failures.

A link has: up, failures, last_failure; bring_up() -> bool, one attempt; wait_ms() until it may
transmit; limit() bytes; air_ms(n), how long a payload of n bytes is on the air; called, answer() when
the network wants an uplink of its own; send(port, payload) -> (sent, confirmed) where confirmed is
True, False, or None when nobody was asked; downlinks, a list of (port, payload) that came meanwhile,
for the node to empty; request_time(); take_time() -> (utc_ms, at_ticks_ms, quality) or None; rest()
when there is nothing to send for now; calls_in_ms(), when `called` comes true by itself; battery(level),
what to tell a network that asks; text, what was wrong last in words.
"""

from wire._compat import const

_LIMIT = const(1024)
_NEVER_MS = const(1 << 29)


class Link:
    """Where nobody counts air time."""

    up = False
    called = False
    text = ""

    def __init__(self):
        self.downlinks = []
        self.failures = 0
        self.last_failure = 0
        self._want_time = True
        self._time = None

    def wait_ms(self):
        """Nothing but the node's own back-off holds it up."""
        return 0

    def limit(self):
        """Return the longest payload of a message."""
        return _LIMIT

    def air_ms(self, n):
        """Nobody counts air time."""
        return 0

    def request_time(self):
        """Ask for the time with the next message."""
        self._want_time = True

    def take_time(self):
        """Return a new answer, once."""
        answer = self._time
        self._time = None
        return answer

    def rest(self):
        """Nothing to switch off."""

    def calls_in_ms(self):
        """Never by itself."""
        return _NEVER_MS

    def answer(self):
        """Nobody calls."""
        return True

    def battery(self, level):
        """Nobody asks: the status has the voltage."""

    def failed(self, reason):
        """Count a failure; False."""
        self.failures += 1
        self.last_failure = reason
        return False

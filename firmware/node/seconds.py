"""LAeq of seconds, so that an event can be told in detail: 15 minutes in memory, a day and more in flash.

A word: level in 0.1 dB (11 bits, 0: no level), state (4 bits), given (1 bit).
"""

from array import array

from wire._compat import const

_BITS = const(11)
_MASK = const(0x7FF)
_GIVEN = const(0x8000)
KEPT = const(900)


class Seconds:
    """A ring in memory. log: node.second_log.SecondLog or None; it gets what falls due once UTC is known."""

    def __init__(self, n=KEPT):
        self._words = array("H", bytes(2 * n))
        self._ends_s = array("I", bytes(4 * n))  # uptime at their ends
        self.n = 0  # of all seconds so far
        self._new = 0  # the first that new() has not told

    def add(self, end_s, raw, state):
        """Keep a second; raw None: it has no level."""
        at = self.n % len(self._words)
        self._words[at] = 0 if raw is None else min(1500, max(0, raw)) | state << _BITS
        self._ends_s[at] = end_s
        self.n += 1

    def forget(self, first):
        """Take the levels of the seconds from number `first` on away: they were none."""
        for i in range(max(first, self.n - len(self._words)), self.n):
            self._words[i % len(self._words)] = 0

    def levels(self, first=0):
        """Return the levels of those from number `first` on that are still here, oldest first, 0.1 dB."""
        size = len(self._words)
        return [self._words[i % size] & _MASK for i in range(max(first, self.n - size, 0), self.n)]

    def between(self, first_s, last_s):
        """Return [(uptime in s at its end, raw, state)] of the seconds in between; each is given once."""
        return self._give(max(0, self.n - len(self._words)), first_s, last_s)

    def new(self):
        """Return those since the last new(), each once."""
        first = max(self._new, self.n - len(self._words))
        self._new = self.n
        return self._give(first, 0, 0x7FFFFFFF)

    def run(self, first, most):
        """Return (uptime at the end of the first, words) of seconds without a hole from number `first` on."""
        size = len(self._words)
        first = max(first, self.n - size, 0)
        end = min(self.n, first + most)
        words = array("H")
        for i in range(first, end):
            at = i % size
            if i > first and self._ends_s[at] != self._ends_s[first % size] + i - first:
                break
            words.append(self._words[at] & ~_GIVEN)
        return self._ends_s[first % size], words, first

    def _give(self, first, first_s, last_s):
        found = []
        for i in range(first, self.n):
            at = i % len(self._words)
            word = self._words[at]
            if word & _MASK and not word & _GIVEN and first_s <= self._ends_s[at] <= last_s:
                found.append((self._ends_s[at], word & _MASK, word >> _BITS & 15))
                self._words[at] = word | _GIVEN
        return found

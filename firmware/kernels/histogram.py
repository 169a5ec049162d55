"""Percentile levels by a histogram of 0.1 dB bins: LA10 is the level exceeded 10 % of the time."""

from array import array

from wire._compat import const

_BINS = const(1501)  # 0.0 to 150.0 dB, bin i is centred on i / 10 dB


class Histogram:
    """Counts of levels, 0 to 150 dB; a level beyond the ends counts in the end bin."""

    def __init__(self):
        self._counts = array("I", bytes(4 * _BINS))
        self.n = 0

    def clear(self):
        """Forget everything; allocates nothing."""
        counts = self._counts
        for i in range(_BINS):
            counts[i] = 0
        self.n = 0

    def add(self, level_mdb):
        """Count one level, in thousandths of a decibel."""
        i = (level_mdb + 50) // 100
        if i < 0:
            i = 0
        elif i >= _BINS:
            i = _BINS - 1
        self._counts[i] += 1
        self.n += 1

    def merge(self, other):
        """Add the counts of another histogram: percentiles of hours come from histograms, not percentiles."""
        for i in range(_BINS):
            self._counts[i] += other._counts[i]
        self.n += other.n

    def exceeded_mdb(self, *percents):
        """Return for each percentage the level exceeded that part of the time, in mdb.

        percents must fall from call to call order: (99, 95, 90, 50, 10, 1). Inside a bin the counts are
        taken as spread evenly. Empty: a list of None.
        """
        if not self.n:
            return [None for _ in percents]
        result = []
        below = 0  # counts in bins under i
        i = 0
        for percent in percents:
            target = self.n * (100 - percent)  # in hundredths of a count
            while i < _BINS - 1 and (below + self._counts[i]) * 100 < target:
                below += self._counts[i]
                i += 1
            while i < _BINS - 1 and not self._counts[i]:
                i += 1
            inside = (target - below * 100) // self._counts[i] if self._counts[i] else 50
            level = i * 100 - 50 + min(100, max(0, inside))
            if (below + self._counts[i]) * 100 == target:  # between two counts: halfway across the empty bins
                following = i + 1
                while following < _BINS and not self._counts[following]:
                    following += 1
                if following < _BINS:
                    level += (following - i - 1) * 50
            result.append(level)
        return result

"""Percentile levels by a histogram of 0.1 dB bins: LA10 is the level exceeded 10 % of the time."""

from array import array

from wire._compat import const

_BINS = const(1501)  # 0.0 to 150.0 dB, bin i is centred on i / 10 dB


class Histogram:
    """Counts of levels, 0 to 150 dB; a level beyond the ends counts in the end bin."""

    def __init__(self):
        self._counts = array("I", bytes(4 * _BINS))
        self.clear()

    def clear(self):
        """Forget everything; allocates nothing."""
        counts = self._counts
        for i in range(_BINS):
            counts[i] = 0
        self.n = 0
        self._lowest, self._highest = _BINS * 100, 0

    def add(self, level_mdb):
        """Count one level, in thousandths of a decibel."""
        i = (level_mdb + 50) // 100
        if i < 0:
            i = 0
        elif i >= _BINS:
            i = _BINS - 1
        self._counts[i] += 1
        self.n += 1
        level_mdb = min(max(level_mdb, 0), (_BINS - 1) * 100)
        self._lowest = min(self._lowest, level_mdb)
        self._highest = max(self._highest, level_mdb)

    def merge(self, other):
        """Add the counts of another histogram: percentiles of hours come from histograms, not percentiles."""
        for i in range(_BINS):
            self._counts[i] += other._counts[i]
        self.n += other.n
        self._lowest = min(self._lowest, other._lowest)
        self._highest = max(self._highest, other._highest)

    def exceeded_mdb(self, *percents):
        """Return for each percentage the level exceeded that part of the time, in mdb.

        The levels in order are a line through the middles of their shares (Hazen's definition): the level
        exceeded p % of the time lies at (100 - p) % of n, between two levels in proportion. In a bin the
        counts are taken as spread evenly, but nothing lies beyond the lowest and the highest level that there
        was. Empty: a list of None.
        percents must fall: (99, 95, 90, 50, 10, 1).
        """
        if not self.n:
            return [None for _ in percents]
        result = []
        counts = self._counts
        below = i = 0  # counts in the bins under i
        for percent in percents:
            place = self.n * (100 - percent) + 50  # in hundredths of a count, the first level at 100
            place = min(max(place, 100), self.n * 100)
            n = place // 100
            while below + counts[i] < n:
                below += counts[i]
                i += 1
            level = self._spread(i, n - below)
            part = place % 100
            if part and n < self.n:
                above, k = i, n - below + 1
                if k > counts[i]:
                    above, k = i + 1, 1
                    while not counts[above]:
                        above += 1
                level += (self._spread(above, k) - level) * part // 100
            result.append(level)
        return result

    def _spread(self, i, k):
        """Return where the kth level of bin i is taken to lie."""
        low = max(i * 100 - 50, self._lowest)
        high = min(i * 100 + 50, self._highest)
        return low + (high - low) * (2 * k - 1) // (2 * self._counts[i])

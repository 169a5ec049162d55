"""A short sorted list of ranges [first, end) of sequence numbers, never more than a bound."""


class Ranges:
    """Add and take away. Where there are too many, the two that lie nearest become one.

    join: False for a list that must not claim what was not added: then what is too many is left out.
    """

    def __init__(self, bound, join=True):
        self._bound = bound
        self._join = join
        self.rows = []

    def __len__(self):
        return len(self.rows)

    def count(self):
        """Return how many numbers it holds."""
        return sum([end - first for first, end in self.rows])

    def add(self, first, end):
        """Add [first, end)."""
        if first >= end:
            return
        out = []
        for a, b in self.rows:
            if b < first or a > end:
                out.append((a, b))
            else:
                first = min(first, a)
                end = max(end, b)
        out.append((first, end))
        if len(out) > self._bound and not self._join:
            return
        self.rows = sorted(out)
        while len(self.rows) > self._bound:
            self._join_nearest()

    def remove(self, first, end):
        """Take [first, end) away."""
        if first >= end:
            return
        out = []
        for a, b in self.rows:
            if a < min(b, first):
                out.append((a, min(b, first)))
            if max(a, end) < b:
                out.append((max(a, end), b))
        self.rows = out

    def _join_nearest(self):
        best = 0
        for i in range(len(self.rows) - 1):
            if self._hole(i) < self._hole(best):
                best = i
        self.rows[best] = (self.rows[best][0], self.rows.pop(best + 1)[1])

    def _hole(self, i):
        return self.rows[i + 1][0] - self.rows[i][1]

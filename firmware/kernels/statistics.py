"""Mean, smallest, largest and standard deviation of a few integers in one pass. Integers only, exact.

Sums are taken of differences to the first value, so that they stay small where the values are alike.
"""


def isqrt(n):
    """Return the integer square root of n >= 0 (Newton's iteration, from above)."""
    if n < 2:
        return n
    x = n
    y = (x + 1) // 2
    while y < x:
        x = y
        y = (x + n // x) // 2
    return x


class Statistics:
    """Add values one by one. n, low, high are plain attributes."""

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget all values."""
        self.n = 0
        self.low = 0
        self.high = 0
        self._first = 0
        self._sum = 0
        self._squares = 0

    def add(self, value):
        """Take one integer."""
        if not self.n:
            self._first = self.low = self.high = value
        d = value - self._first
        self.n += 1
        self._sum += d
        self._squares += d * d
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value

    def mean(self):
        """Return the mean, rounded half away from zero; 0 of nothing."""
        if not self.n:
            return 0
        total = self._first * self.n + self._sum
        half = self.n // 2
        return (total + half) // self.n if total >= 0 else -((-total + half) // self.n)

    def deviation(self):
        """Return the standard deviation of a sample (n - 1), rounded; 0 of fewer than two values."""
        n = self.n
        if n < 2:
            return 0
        # The variance times n * (n - 1) is an integer; twice the root is taken for the rounding.
        return (isqrt(4 * (n * self._squares - self._sum * self._sum) // (n * (n - 1))) + 1) // 2

    def certain(self, within):
        """Tell whether the standard error of the mean is at most `within` (same unit as the values)."""
        n = self.n
        if n < 2:
            return False
        # s^2 / n <= within^2, both sides times n * n * (n - 1)
        return n * self._squares - self._sum * self._sum <= within * within * n * n * (n - 1)

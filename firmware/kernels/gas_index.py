"""The VOC and NOx index of a metal oxide sensor's raw ticks (SGP40, SGP41), in integers.

Formulas and constants are those of Sensirion's published "Gas Index Algorithm" 3.2 (BSD-3-Clause); the code
is ours. What it does: a running mean and deviation of the ticks over half a day (faster at first, frozen
while the air is far off), the distance from that mean in deviations, a sigmoid to 1..500, an adaptive
low-pass. 100 (VOC) or 1 (NOx) is the air of the last day: an index tells a change, not how much gas there is.

It wants a value every `interval_s` (1 s; 10 s for VOC at low power) without pause: see `missed`.
"""

from wire._compat import const

from .statistics import isqrt

_Q = const(20)  # fraction bits of every number here that has any
_ONE = const(1 << 20)
_BLACKOUT_S = const(45)
_GAIN = const(230)
_LN2 = const(726817)
_LOG2_E = const(1512775)
_GAMMA = const(64)  # scale of both rates; the mean's has 8 more
_INITIAL_THRESHOLD = const(510)
_LONGEST_S = const(32767)
_TOP = const(500)
_LIMIT = const(50 << 20)  # e to the 50 is as good as infinite here

# Smallest tick, index of ordinary air, gating threshold, longest gating in minutes, learning times in s at
# the start (of the mean, its end; of the deviation, its end), sigmoid: slope * 10000 and middle.
_VOC = (20000, 100, 340, 180, 20, 2700, 5220, -65, 213)
_NOX = (10000, 1, 30, 720, 1200, 17100, 20520, -101, 614)
_TAU_H = const(12)
_TAU_DEVIATION_S = const(2500)
_FIRST_DEVIATION = const(50)
_VOC_BONUS = const(220)
_NOX_DEVIATION = const(2000)


def _mul(a, b):
    return a * b + (_ONE >> 1) >> _Q


def exp(x):
    """Return e ** x; both have 20 fraction bits. Off by at most 3e-5 of it for x up to 30, or a last bit."""
    t = x * _LOG2_E >> _Q
    whole = t >> _Q
    f = (t - (whole << _Q)) * _LN2 >> _Q  # 0..ln 2
    # Taylor to the seventh power, by Horner
    value = _ONE
    for n in (7, 6, 5, 4, 3, 2, 1):
        value = _ONE + value * f // (n << _Q)
    return value << whole if whole >= 0 else (value + (1 << -whole - 1)) >> -whole


def _sigmoid(x, middle, slope):
    """Return 1 / (1 + e ** (slope * (x - middle)))."""
    x = _mul(slope, x - middle)
    if x < -_LIMIT:
        return _ONE
    if x > _LIMIT:
        return 0
    return (_ONE << _Q) // (_ONE + exp(x))


class GasIndex:
    """One pixel's index. nox: whether it is the NOx one. process(ticks) once every interval_s.

    `tenths` is the newest index in tenths, 0 in the first 46 s; `learning` until the mean may be trusted.
    """

    def __init__(self, nox=False, interval_s=1):
        row = _NOX if nox else _VOC
        self._least, self._ordinary, self._threshold, self._gating_min = row[:4]
        self._mean_end_s, self._deviation_end_s = row[5:7]
        self._slope, self._middle = (row[7] << _Q) // 10000, row[8] << _Q
        self._nox = nox
        self._step_s = interval_s
        self._step = interval_s << _Q
        # Rates, times 64 (and 8 for the mean's).
        self._rate_mean = (512 * self._step) // (_TAU_H * 3600 + interval_s)
        self._rate_deviation = (64 * self._step) // (_TAU_H * 3600 + interval_s)
        self._first_mean = (512 * self._step) // (row[4] + interval_s)
        self._first_deviation = (64 * self._step) // (_TAU_DEVIATION_S + interval_s)
        self._fast = self._step // (20 + interval_s)
        self._slow = self._step // (500 + interval_s)
        self.reset()

    def reset(self):
        """Forget everything: what to do after a pause of more than ten minutes."""
        self._up_s = 0
        self._ticks = 0
        self._index = 0
        self._known = False
        self._mean = 0
        self._offset = 0
        self._deviation = _FIRST_DEVIATION << _Q
        self._learned_s = 0
        self._since_gating_s = 0
        self._gated_min = 0
        self._smooth = None

    @property
    def tenths(self):
        """The newest index in tenths."""
        return (self._index * 10 + (_ONE >> 1)) >> _Q

    @property
    def learning(self):
        """Whether the first learning time is not over yet (45 minutes for VOC, 4.75 hours for NOx)."""
        return self._learned_s < self._mean_end_s

    @property
    def mature(self):
        """Whether states() are worth keeping: three hours without pause."""
        return self._learned_s >= 3 * 3600

    def process(self, ticks):
        """Take a raw value; return the index in tenths."""
        if self._up_s <= _BLACKOUT_S:
            self._up_s += self._step_s
            return self.tenths
        if 0 < ticks < 65000:
            self._ticks = min(max(ticks - self._least, 1), 32767) << _Q
        blank = self._nox and not self._known
        index = self._ordinary << _Q if blank else self._scaled(self._distance())
        self._index = max(self._low_pass(index), _ONE >> 1)
        if self._ticks > 0:
            self._learn(self._ticks)
        return self.tenths

    def missed(self, n, ticks):
        """Take a value that stands for n moments at which nobody measured, too."""
        for _ in range(n):
            self.process(ticks)

    # -- what is ordinary ------------------------------------------------------------------------------

    def states(self):
        """Return (mean, deviation) with 20 fraction bits; VOC, after three hours at least."""
        return self._mean + self._offset, self._deviation

    def restore(self, mean, deviation):
        """Go on from states() after a pause of at most ten minutes (VOC only)."""
        self._mean, self._offset, self._deviation = mean, 0, deviation
        self._learned_s = 3 * 3600
        self._known = True
        self._ticks = mean

    def _learn(self, ticks):
        """Estimate mean and deviation."""
        if not self._known:
            self._known = True
            self._offset = ticks
            self._mean = 0
            return
        if abs(self._mean) >= 100 << _Q:
            self._offset += self._mean
            self._mean = 0
        rate_mean, rate_deviation = self._rates()
        delta = (ticks - self._offset - self._mean) // _GAMMA
        # sqrt(64 - r) * sqrt(s * s / 64 + r * d * d): the algorithm's extra scaling cancels out here.
        left = (_GAMMA << _Q) - rate_deviation
        right = (self._deviation * self._deviation >> _Q) // _GAMMA + (
            _mul(rate_deviation, delta) * delta >> _Q
        )
        self._deviation = isqrt(left * right)
        self._mean += _mul(rate_mean, delta) // 8

    def _rates(self):
        """Return how much of the newest value mean and deviation take over now."""
        limit = _LONGEST_S - self._step_s
        if self._learned_s < limit:
            self._learned_s += self._step_s
        if self._since_gating_s < limit:
            self._since_gating_s += self._step_s
        young = _ONE // 100  # transition of both learning times
        learned, since = self._learned_s << _Q, self._since_gating_s << _Q
        first = _sigmoid(learned, self._mean_end_s << _Q, young)
        rate_mean = self._rate_mean + _mul(self._first_mean - self._rate_mean, first)
        second = _sigmoid(learned, self._deviation_end_s << _Q, young)
        rate_deviation = self._rate_deviation + _mul(
            self._first_deviation - self._rate_deviation, second - first
        )
        span = _INITIAL_THRESHOLD - self._threshold
        steep = _ONE * 9 // 100
        level = (self._threshold << _Q) + span * _sigmoid(since, self._mean_end_s << _Q, young)
        open_mean = _sigmoid(self._index, level, steep)
        level = (self._threshold << _Q) + span * _sigmoid(since, self._deviation_end_s << _Q, young)
        open_deviation = _sigmoid(self._index, level, steep)
        # Minutes of gating grow by 1 a minute and shrink at 0.3 of that.
        self._gated_min += (_mul(_ONE - open_mean, _ONE * 13 // 10) - _ONE * 3 // 10) * self._step_s // 60
        self._gated_min = max(0, self._gated_min)
        if self._gated_min > self._gating_min << _Q:
            self._since_gating_s = 0
        return _mul(open_mean, rate_mean), _mul(open_deviation, rate_deviation)

    # -- the index -------------------------------------------------------------------------------------

    def _distance(self):
        """Return how far the ticks are from the mean, in deviations times 230."""
        off = self._ticks - self._mean - self._offset
        if self._nox:
            return off * _GAIN // _NOX_DEVIATION
        return -(off * _GAIN << _Q) // (self._deviation + (_VOC_BONUS << _Q))

    def _scaled(self, x):
        """Return 0..500 with the ordinary at its place."""
        part = _sigmoid(x, self._middle, self._slope)
        if x < 0:
            return _TOP * part
        shift = 0 if self._nox else (_TOP - 5 * self._ordinary) // 4  # both are 0 for the default offsets
        return (_TOP + shift) * part - (shift << _Q)

    def _low_pass(self, x):
        """Return the index smoothed over 20 s while it moves, over 500 s while it does not."""
        if self._smooth is None:
            self._smooth = [x, x, x]
        fast, slow, out = self._smooth
        fast += _mul(self._fast, x - fast)
        slow += _mul(self._slow, x - slow)
        tau = 480 * exp(-abs(fast - slow) // 5) + (20 << _Q)
        out += _mul((self._step << _Q) // (self._step + tau), x - out)
        self._smooth = [fast, slow, out]
        return out

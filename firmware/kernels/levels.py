"""Sound levels of an interval from blocks of samples: the kernels' sums turned into decibels.

Levels are in thousandths of a decibel (mdb). The scale follows from the microphone: a sine at full scale
has a mean square of 2^37 LSB^2 (noise_ref) and is `full_scale_mdb` loud.
"""

from array import array

from wire._compat import const

from .histogram import Histogram
from .ilog import level_mdb
from .noise import FAST, SLOW, coefficients, kernels

_MEAN_SQUARE_BITS = const(37)
_DETECTOR_BITS = const(11)
_HUGE = const(0x3FFFFFFF)
PERCENTS = (99, 95, 90, 50, 10, 1)


def energy_of(mdb):
    """Return the greatest integer whose level_mdb is at most mdb, the inverse logarithm; 0 for mdb < 0."""
    if mdb < 0:
        return 0
    low, high = 1, 1 << 64
    while high - low > 1:
        middle = (low + high) // 2
        if level_mdb(middle) <= mdb:
            low = middle
        else:
            high = middle
    return low


def _total(ctx, i):
    """Join sums of 16-bit halves, in LSB^2, and clear them."""
    total = ctx[i] + (ctx[i + 1] << 16) + (ctx[i + 2] << 16) + (ctx[i + 3] << 32)
    ctx[i] = ctx[i + 1] = ctx[i + 2] = ctx[i + 3] = 0
    return total


class Scale:
    """How a microphone's samples become levels; all of thousandths of a decibel (mdb).

    full_scale_mdb: level of a full-scale sine. self_noise_mdb: A-weighted, subtracted as energy; None: not.
    """

    def __init__(self, c, full_scale_mdb, self_noise_mdb):
        self.per_ms = c["rate_hz"] // 1000
        # two bits less of amplitude squared for each bit that the row drops beyond the first
        base = full_scale_mdb - level_mdb(1 << _MEAN_SQUARE_BITS + 2 - 2 * c["pre"])
        self.a = base - c["gain_a_mdb"]
        self.c = base - c["gain_c_mdb"]
        self.z = full_scale_mdb - level_mdb(1 << _MEAN_SQUARE_BITS) - c["gain_z_mdb"]
        self._self_noise_mdb = self_noise_mdb
        self.noise = 0  # self-noise, energy of a millisecond times 2^11
        self.shift(0)

    def shift(self, mdb):
        """Take full scale as that much louder."""
        self.a += mdb
        self.c += mdb
        self.z += mdb
        if self._self_noise_mdb is not None:
            self.noise = energy_of(self._self_noise_mdb - self.a + level_mdb(self.per_ms << _DETECTOR_BITS))

    def level(self, energy, ms, offset):
        """Return the level of an energy of ms milliseconds times 2^11; None without energy."""
        if energy <= 0 or not ms:
            return None
        return level_mdb(energy) - level_mdb(ms * self.per_ms << _DETECTOR_BITS) + offset

    def without_noise(self, energy, ms):
        """Subtract the self-noise; where less than 3 dB are left take half, the most that is defensible."""
        noise = self.noise * ms
        return energy - noise if energy >= 2 * noise else energy >> 1


class Interval:
    """What was heard in an interval, as energies: intervals add up, and no decibels are averaged."""

    def __init__(self, scale):
        self._scale = scale
        self.restart()

    def restart(self):
        """Begin anew."""
        self.ms = 0
        self.a = self.c = self.z = 0
        self.peak = 0
        self.fast_top = self.slow_top = 0
        self.fast_bottom = None
        self.low, self.high = 0x7FFFFFFF, -0x80000000

    def add(self, ms, a, c, z, peak, fast_top, fast_bottom, slow_top, low, high):
        """Add a block: energies, peak of |C|, the extremes of time-weighted energies and of samples."""
        self.ms += ms
        self.a += a
        self.c += c
        self.z += z
        self.peak = max(self.peak, peak)
        self.fast_top = max(self.fast_top, fast_top)
        self.slow_top = max(self.slow_top, slow_top)
        if self.fast_bottom is None or fast_bottom < self.fast_bottom:
            self.fast_bottom = fast_bottom
        self.low = min(self.low, low)
        self.high = max(self.high, high)

    def forget(self):
        """Overwrite the extremes, the only words here that ever were samples."""
        self.low = self.high = 0

    def laeq(self):
        """Return LAeq in mdb, corrected for self-noise; None without energy."""
        s = self._scale
        return s.level(s.without_noise(self.a << _DETECTOR_BITS, self.ms), self.ms, s.a)

    def is_below_floor(self):
        """Return True where sound is less than the self-noise: the level is an upper estimate then."""
        return (self.a << _DETECTOR_BITS) < 2 * self._scale.noise * self.ms

    def lceq(self):
        """Return LCeq in mdb; None without energy."""
        return self._scale.level(self.c << _DETECTOR_BITS, self.ms, self._scale.c)

    def lzeq(self):
        """Return LZeq in mdb (2 Hz high-pass alone); None without energy."""
        return self._scale.level(self.z << _DETECTOR_BITS, self.ms, self._scale.z)

    def lcpeak(self):
        """Return LCpeak in mdb; None without a sample."""
        return level_mdb(self.peak * self.peak) + self._scale.c if self.peak else None

    def lafmax(self):
        """Return the highest F-weighted level in mdb."""
        return self._time_weighted(self.fast_top)

    def lafmin(self):
        """Return the lowest F-weighted level in mdb."""
        return self._time_weighted(self.fast_bottom or 0)

    def lasmax(self):
        """Return the highest S-weighted level in mdb."""
        return self._time_weighted(self.slow_top)

    def _time_weighted(self, energy):
        return self._scale.level(self._scale.without_noise(energy, 1), 1, self._scale.a)


class SoundLevels(Interval):
    """Meter of one microphone: an Interval with percentiles, and the second that is running.

    full_scale_mdb: level of a full-scale sine (120000 for a sensitivity of -26 dBFS at 94 dB).
    self_noise_mdb: A-weighted level of the microphone's own noise, subtracted as energy; None: not.
    response: the microphone whose response the filters undo, "" for none (kernels.coefficients).
    engine: what runs the kernels, where it is not this machine (tests run another chip's code).
    A block is block_ms long, fed in one piece or in several.
    lap: an Interval of its own, for the levels of a second or of a block; restart it when you have read it.
    """

    def __init__(self, rate_hz, full_scale_mdb, self_noise_mdb=None, block_ms=125, engine=None, response=""):
        scale = Scale(coefficients(rate_hz, response), full_scale_mdb, self_noise_mdb)
        self.rate_hz = rate_hz
        self.block_ms = block_ms
        self.lap = Interval(scale)
        self.laf = Histogram()
        self._kernels = engine or kernels(rate_hz, response)
        self._energies = array("i", bytes(8 * block_ms))
        self._weigh = array("i", bytes(4 * 12))
        self._survey = array("i", bytes(4 * 8))
        self._fast = array("i", bytes(4 * 10))
        self._slow = array("i", bytes(4 * 10))
        self._fed_ms = 0
        self._begin_block()
        Interval.__init__(self, scale)

    def restart(self):
        """Begin a new interval; the lap, filters and time weightings go on."""
        Interval.restart(self)
        self.laf.clear()

    def drop_block(self):
        """Forget what was fed since the last block ended."""
        for ctx, i in ((self._fast, 6), (self._slow, 6), (self._weigh, 8), (self._survey, 4)):
            _total(ctx, i)
        self._begin_block()

    def _begin_block(self):
        """Extremes of a block begin with what the time weightings stand at."""
        self._fed_ms = 0
        self._weigh[6] = 0
        self._survey[1] = 0x7FFFFFFF
        self._survey[2] = -0x80000000
        for ctx in (self._fast, self._slow):
            ctx[2] = ctx[0]
            ctx[3] = ctx[1]
            ctx[4] = _HUGE
            ctx[5] = 30

    def feed(self, frames, slot, n_ms):
        """Take n_ms milliseconds of stereo frames, a part of a block; allocates next to nothing."""
        if n_ms > self.block_ms:
            raise ValueError("n_ms: at most block_ms")
        k = self._kernels
        k.weigh(frames, slot, n_ms, self._energies, self._weigh, True)
        k.survey(frames, slot, n_ms, self._survey)
        k.detect(self._energies, self._fast, n_ms, FAST)
        k.detect(self._energies, self._slow, n_ms, SLOW)
        self._fed_ms += n_ms

    def end_block(self):
        """Take what was fed as one block: it counts one LAF level for the percentiles."""
        _total(self._slow, 6)
        a, c, z = _total(self._fast, 6), _total(self._weigh, 8), _total(self._survey, 4)
        fast, slow = self._fast, self._slow
        fast_top, fast_bottom, slow_top = fast[2] << fast[3], fast[4] << fast[5], slow[2] << slow[3]
        peak, low, high = self._weigh[6], self._survey[1], self._survey[2]
        for interval in (self, self.lap):
            interval.add(self._fed_ms, a, c, z, peak, fast_top, fast_bottom, slow_top, low, high)
        level = self._time_weighted(fast[0] << fast[1])
        if level is not None:
            self.laf.add(level)
        self._begin_block()

    def block(self, frames, slot, n_ms):
        """Take n_ms <= block_ms milliseconds of stereo frames as one block."""
        self.feed(frames, slot, n_ms)
        self.end_block()

    def shift(self, mdb):
        """Take full scale as that much louder, from the next level on."""
        self._scale.shift(mdb)

    def forget(self):
        """Overwrite the extremes, the only words here that ever were samples."""
        Interval.forget(self)
        self.lap.forget()
        self._survey[1] = self._survey[2] = 0

    def percentiles(self):
        """Return the levels exceeded 99, 95, 90, 50, 10 and 1 % of the interval (PERCENTS), in mdb."""
        return self.laf.exceeded_mdb(*PERCENTS)

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


class SoundLevels:
    """Meter of one microphone. All buffers are made here, none later.

    full_scale_mdb: level of a full-scale sine (120000 for a sensitivity of -26 dBFS at 94 dB).
    self_noise_mdb: A-weighted level of the microphone's own noise, subtracted as energy; None: not.
    response: the microphone whose response the filters undo, "" for none (kernels.coefficients).
    engine: what runs the kernels, where it is not this machine (tests run another chip's code).
    """

    def __init__(self, rate_hz, full_scale_mdb, self_noise_mdb=None, block_ms=125, engine=None, response=""):
        c = coefficients(rate_hz, response)
        self.rate_hz = rate_hz
        self.block_ms = block_ms
        self._per_ms = rate_hz // 1000
        self._kernels = engine or kernels(rate_hz, response)
        self._energies = array("i", bytes(8 * block_ms))
        self._weigh = array("i", bytes(4 * 12))
        self._survey = array("i", bytes(4 * 8))
        self._fast = array("i", bytes(4 * 10))
        self._slow = array("i", bytes(4 * 10))
        self.laf = Histogram()
        # two bits less of amplitude for each bit that the row drops beyond the first
        base = full_scale_mdb - level_mdb(1 << _MEAN_SQUARE_BITS + 2 - 2 * c["pre"])
        self._offset_a = base - c["gain_a_mdb"]
        self._offset_c = base - c["gain_c_mdb"]
        self._offset_z = full_scale_mdb - level_mdb(1 << _MEAN_SQUARE_BITS) - c["gain_z_mdb"]
        self._noise = 0  # self-noise, energy of a millisecond times 2^11
        if self_noise_mdb is not None:
            per_ms = level_mdb(self._per_ms << _DETECTOR_BITS)
            self._noise = energy_of(self_noise_mdb - self._offset_a + per_ms)
        self.restart()

    def restart(self):
        """Begin a new interval; filters and time weightings go on."""
        self.ms = 0
        self._lap = self._lap_ms = 0
        self._a = self._c = self._z = 0
        self.laf.clear()
        self._weigh[6] = 0
        self._survey[1] = 0x7FFFFFFF
        self._survey[2] = -0x80000000
        for ctx in (self._fast, self._slow):
            ctx[2] = ctx[0]
            ctx[3] = ctx[1]
            ctx[4] = _HUGE
            ctx[5] = 30

    def block(self, frames, slot, n_ms):
        """Take n_ms <= block_ms milliseconds of stereo frames; counts one LAF level for the percentiles."""
        if n_ms > self.block_ms:
            raise ValueError("n_ms: at most block_ms")
        k = self._kernels
        k.weigh(frames, slot, n_ms, self._energies, self._weigh, True)
        k.survey(frames, slot, n_ms, self._survey)
        k.detect(self._energies, self._fast, n_ms, FAST)
        k.detect(self._energies, self._slow, n_ms, SLOW)
        _total(self._slow, 6)
        self._a += _total(self._fast, 6)
        self._c += _total(self._weigh, 8)
        self._z += _total(self._survey, 4)
        self.ms += n_ms
        level = self._time_weighted(self._fast, 0)
        if level is not None:
            self.laf.add(level)

    def lap(self):
        """Return LAeq since the last lap (or the beginning) in mdb; None without energy. Leqs of a second."""
        energy, ms = self._a - self._lap, self.ms - self._lap_ms
        self._lap, self._lap_ms = self._a, self.ms
        return self._level(self._without_noise(energy << _DETECTOR_BITS, ms), ms, self._offset_a)

    def extremes(self):
        """Return the lowest and highest raw sample of the interval."""
        return self._survey[1], self._survey[2]

    def forget(self):
        """Overwrite the extremes, the only words here that ever were samples."""
        self._survey[1] = self._survey[2] = 0

    def laeq(self):
        """Return LAeq in mdb, corrected for self-noise; None without energy."""
        return self._level(self._without_noise(self._a << _DETECTOR_BITS, self.ms), self.ms, self._offset_a)

    def is_below_floor(self):
        """Return True where sound is less than the self-noise: the level is an upper estimate then."""
        return (self._a << _DETECTOR_BITS) < 2 * self._noise * self.ms

    def lceq(self):
        """Return LCeq in mdb; None without energy."""
        return self._level(self._c << _DETECTOR_BITS, self.ms, self._offset_c)

    def lzeq(self):
        """Return LZeq in mdb (2 Hz high-pass alone); None without energy."""
        return self._level(self._z << _DETECTOR_BITS, self.ms, self._offset_z)

    def lcpeak(self):
        """Return LCpeak in mdb; None without a sample."""
        peak = self._weigh[6]
        return level_mdb(peak * peak) + self._offset_c if peak else None

    def lafmax(self):
        """Return the highest F-weighted level in mdb."""
        return self._time_weighted(self._fast, 2)

    def lafmin(self):
        """Return the lowest F-weighted level in mdb."""
        return self._time_weighted(self._fast, 4)

    def lasmax(self):
        """Return the highest S-weighted level in mdb."""
        return self._time_weighted(self._slow, 2)

    def percentiles(self):
        """Return the levels exceeded 99, 95, 90, 50, 10 and 1 % of the interval (PERCENTS), in mdb."""
        return self.laf.exceeded_mdb(*PERCENTS)

    def _time_weighted(self, ctx, i):
        return self._level(self._without_noise(ctx[i] << ctx[i + 1], 1), 1, self._offset_a)

    def _without_noise(self, energy, ms):
        """Subtract the self-noise; where less than 3 dB are left take half, the most that is defensible."""
        noise = self._noise * ms
        return energy - noise if energy >= 2 * noise else energy >> 1

    def _level(self, energy, ms, offset):
        if energy <= 0 or not ms:
            return None
        return level_mdb(energy) - level_mdb(ms * self._per_ms << _DETECTOR_BITS) + offset

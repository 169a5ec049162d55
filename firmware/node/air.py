"""Particulate matter averaged over as many samples as it takes, with what they say about themselves.

The mean of n samples with standard deviation s is uncertain by s / sqrt(n). Sampling ends when that is below
the wanted error: at least 3, at most `most` samples, one a second. What it costs: each second more of an
SPS30 is 55 mC from a 5 V supply, 87 mC from a lithium cell; a steady street in the night needs 3 s, a busy
one all of them. Humidity and temperature stand in the same record, so the gateway can correct.
"""

from kernels.statistics import Statistics
from wire._compat import const
from wire.measurements import (
    HEALTH,
    HEALTH_CLEANING,
    HEALTH_LASER,
    PM2_5,
    PM2_5_DEVIATION,
    PM2_5_MAX,
    PM2_5_MIN,
    SAMPLES,
)
from wire.record import DEGRADED, FIRST_ERROR, NOT_READY, OK

_LEAST = const(3)
_ERROR_TENTHS = const(5)  # 0.5 ug/m3, or ...
_ERROR_PART = const(20)  # ... a twentieth of the mean, whichever is more
_SAMPLE_MS = const(1000)
_CLEAN_MS = const(11000)
_CLEAN_EVERY_MS = const(604800000)  # a week of time, as the SPS30 does by itself when it always has power


class PmSampler:
    """A driver around one of particulate matter. most: samples of one record.

    spread: whether to tell smallest, largest, deviation and number of samples beside the means.
    clean: whether to blow the fan out once a week (drivers that have clean()).
    """

    def __init__(self, driver, clock, most=20, spread=True, clean=True):
        self.driver = driver
        self.MEASURES = driver.MEASURES
        if spread:
            self.MEASURES = self.MEASURES + (PM2_5_MIN, PM2_5_MAX, PM2_5_DEVIATION, SAMPLES)
        self._spread = spread
        self.settle_ms = driver.settle_ms
        self.fetch_ms = getattr(driver, "fetch_ms", 0) + most * _SAMPLE_MS
        self.cleanings = 0
        self._clock = clock
        self._most = most
        self._clean = clean and hasattr(driver, "clean")
        self._on_since = None  # ticks of the newest start
        self._since_cleaned_ms = 0
        self._just_cleaned = False
        self._pause = clock.sleep_ms
        self._sums = [Statistics() for _ in driver.MEASURES]

    def attach(self, node):
        """Sleep deeper between samples; not where a sensor talks by itself: its bytes would get lost."""
        if not hasattr(self.driver, "PERIOD_MS"):
            self._pause = node.pause

    def probe(self):
        """Ask who is there."""
        return self.driver.probe()

    def start(self):
        """Start measuring."""
        now = self._clock.ticks_ms()
        if self._on_since is not None:
            # From start to start; an interval is far below the 6 days that ticks can tell.
            self._since_cleaned_ms += max(0, self._clock.ticks_diff(now, self._on_since))
        self._on_since = now
        self.driver.start()

    def stop(self):
        """Stop; once a week the fan cleans itself first."""
        if self._clean and self._since_cleaned_ms >= _CLEAN_EVERY_MS and self.driver.clean() == OK:
            self._pause(_CLEAN_MS)
            self.cleanings += 1
            self._just_cleaned = True
            self._since_cleaned_ms = 0
        self.driver.stop()

    def fetch(self):
        """Return means, and spread of PM2.5; an error of most samples is the error of all."""
        for sums in self._sums:
            sums.clear()
        worst = [OK] * len(self._sums)
        failed = [NOT_READY] * len(self._sums)
        errors = 0
        began = self._clock.ticks_ms()
        for taken in range(self._most):
            readings = self.driver.fetch()
            good = False
            for i in range(len(readings)):
                _id, raw, state = readings[i]
                if state >= FIRST_ERROR:
                    failed[i] = state
                else:
                    good = True
                    self._sums[i].add(raw)
                    worst[i] = max(worst[i], state)
            errors += not good
            if errors > _LEAST or self._enough():
                break
            spent = self._clock.ticks_diff(self._clock.ticks_ms(), began)
            if spent >= self._most * _SAMPLE_MS or taken == self._most - 1:
                break
            self._pause(max(0, (taken + 1) * _SAMPLE_MS - spent))
        return self._results(worst, failed)

    def _enough(self):
        for i in range(len(self._sums)):
            if self.driver.MEASURES[i] == PM2_5:
                sums = self._sums[i]
                within = max(_ERROR_TENTHS, sums.mean() // _ERROR_PART)
                return sums.n >= _LEAST and sums.certain(within)
        return True

    def _results(self, worst, failed):
        out = []
        measures = self.driver.MEASURES
        for i in range(len(self._sums)):
            sums = self._sums[i]
            out.append((measures[i], sums.mean(), worst[i]) if sums.n else (measures[i], 0, failed[i]))
            if measures[i] == PM2_5 and self._spread:
                if sums.n:
                    numbers = (sums.low, sums.high, sums.deviation())
                    out += [(PM2_5_MIN + k, numbers[k], worst[i]) for k in range(3)]
                else:
                    out += [(PM2_5_MIN + k, 0, failed[i]) for k in range(3)]
                out.append((SAMPLES, min(255, sums.n), OK))
        bits = self._health(out)
        if bits:
            out.append((HEALTH, bits, OK))
        return out

    def _health(self, readings):
        """Return the bits of HEALTH: what the status register says, and that it was cleaned."""
        bits = HEALTH_CLEANING if self._just_cleaned else 0
        self._just_cleaned = False
        health = getattr(self.driver, "health", None)
        if health is not None:
            bits |= health()
        elif any(state == DEGRADED for _id, _raw, state in readings):
            bits |= HEALTH_LASER
        return bits

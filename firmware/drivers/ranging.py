"""Distance sensors that send by themselves on a UART: a burst of frames and its median.

A single ghost echo or lost frame does not count. Millimetres are passed on as they come: whoever
knows the temperature of the air corrects them for the speed of sound.
"""

from wire.measurements import DISTANCE
from wire.record import OK, OUT_OF_RANGE, TIMEOUT

from .errors import DriverError
from .frames import FrameReader, silence
from .readings import failed, reading


def median(values):
    """Return the middle value, the lower one of two: always a value that was measured."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]


class BurstRanger:
    """Base: subclasses give NAME, MIN_MM, MAX_MM, PERIOD_MS (the slowest), LENGTH, _fits and _distance().

    fixed_sound: this one takes 343.2 m/s for the speed of sound, whatever the temperature (clones do).
    samples: how many frames a burst has; more than half must be good.
    spread_mm: highest minus lowest good value of the last burst.
    """

    MEASURES = (DISTANCE,)

    def __init__(self, uart, clock, samples=7, fixed_sound=False):
        self.fixed_sound = fixed_sound
        self._reader = FrameReader(uart, clock, self.LENGTH, self._fits)
        self._clock = clock
        self._samples = samples
        self._values = []
        self.fetch_ms = samples * self.PERIOD_MS
        self.spread_mm = 0

    def probe(self):
        """Return a distance in mm as the sensor gives it; raise DriverError that names the wiring fault."""
        self._reader.begin()
        if self._reader.next(3 * self.PERIOD_MS):
            return self._distance()
        state, text = silence(self._reader)
        raise DriverError(state, self.NAME + ": " + text)

    def start(self):
        """Nothing to start: it sends while it has power."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the median distance of a burst; takes up to fetch_ms."""
        needed = self._samples // 2 + 1
        outside = self._burst()
        values = self._values
        if len(values) >= needed:
            self.spread_mm = max(values) - min(values)
            distance = median(values)
            return [reading(DISTANCE, distance, self._quality(distance))]
        if outside >= needed:
            return failed(self.MEASURES, OUT_OF_RANGE)
        return failed(self.MEASURES, TIMEOUT if values or outside else silence(self._reader)[0])

    def _quality(self, distance):
        """Return the state of a distance in range."""
        return OK

    def _burst(self):
        """Collect up to `samples` distances in range; return how many were outside it."""
        self._values.clear()
        outside = 0
        if not self._reader.begin():
            return 0
        clock = self._clock
        began = clock.ticks_ms()
        while len(self._values) + outside < self._samples:
            left = self.fetch_ms + self.PERIOD_MS - clock.ticks_diff(clock.ticks_ms(), began)
            if left <= 0 or not self._reader.next(left):
                break
            distance = self._distance()
            if self.MIN_MM <= distance <= self.MAX_MM:
                self._values.append(distance)
            else:
                outside += 1
        return outside

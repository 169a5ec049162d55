"""DYP A02YYUW waterproof ultrasonic distance sensor on a 9600 baud UART: FF H L SUM.

The sensor sends by itself: every 100 ms, or averaged every 100 to 300 ms while its RX wire is high
or open. fetch() takes a burst and gives its median, so a single ghost echo or drop does not count.
Millimetres are passed on as they come: whoever knows the air's temperature corrects them.
"""

from wire._compat import const
from wire.measurements import DISTANCE
from wire.record import CHECKSUM, NO_ANSWER, OK, OUT_OF_RANGE, TIMEOUT

from .errors import DriverError
from .frames import FrameReader
from .readings import failed, reading

MIN_MM = const(30)
MAX_MM = const(4500)
_PERIOD_MS = const(300)


def _fits(buf, n):
    """Header, a plausible high byte (an FF inside a frame is no header then), and the sum."""
    if buf[0] != 0xFF or (n > 1 and buf[1] == 0xFF):
        return False
    return n < 4 or (buf[0] + buf[1] + buf[2]) & 0xFF == buf[3]


def median(values):
    """Return the middle value, the lower one of two: always a value that was measured."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]


def silence_text(reader):
    """Return the state and the words of a line that gave no good frame."""
    if not reader.heard:
        return NO_ANSWER, "not a byte: no supply, or the sensor's TX is not on the board's RX (swapped?)"
    if reader.wrong:
        return CHECKSUM, "frames with wrong sums: a noisy line, or another sensor model"
    return TIMEOUT, "bytes but no frame: wrong baud rate, inverted line, or another sensor model"


class A02YYUW:
    """Driver. samples: how many frames a burst has; more than half must be good.

    spread_mm: highest minus lowest good value of the last burst.
    """

    MEASURES = (DISTANCE,)
    settle_ms = 500  # our margin after power-up; the sensor states none

    def __init__(self, uart, clock, samples=7):
        self._reader = FrameReader(uart, clock, 4, _fits)
        self._clock = clock
        self._samples = samples
        self._values = []
        self.fetch_ms = samples * _PERIOD_MS
        self.spread_mm = 0

    def probe(self):
        """Return a distance in mm (0: no echo); raise DriverError that names the wiring fault."""
        self._reader.begin()
        if self._reader.next(3 * _PERIOD_MS):
            return self._distance()
        state, text = silence_text(self._reader)
        raise DriverError(state, "A02YYUW: " + text)

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
            return [reading(DISTANCE, median(values), OK)]
        if outside >= needed:
            return failed(self.MEASURES, OUT_OF_RANGE)
        return failed(self.MEASURES, TIMEOUT if values or outside else silence_text(self._reader)[0])

    def _burst(self):
        """Collect up to `samples` distances in range; return how many were outside it."""
        self._values.clear()
        outside = 0
        if not self._reader.begin():
            return 0
        clock = self._clock
        began = clock.ticks_ms()
        while len(self._values) + outside < self._samples:
            left = self.fetch_ms + _PERIOD_MS - clock.ticks_diff(clock.ticks_ms(), began)
            if left <= 0 or not self._reader.next(left):
                break
            distance = self._distance()
            if MIN_MM <= distance <= MAX_MM:
                self._values.append(distance)
            else:
                outside += 1
        return outside

    def _distance(self):
        return self._reader.frame[1] << 8 | self._reader.frame[2]

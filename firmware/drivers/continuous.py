"""What sensors share that measure by themselves once started: a new value every second, cleaning, settling.

Subclasses say how their chip is started, stopped and read; here is when, and what its silence means.
"""

from wire._compat import const
from wire.record import NO_ANSWER, NOT_READY, OK, TIMEOUT, WARMUP

from .readings import failed

_CLEAN_MS = const(10_000)
_MARGIN_MS = const(2000)


class ContinuousSensor:
    """Base. Subclasses give MEASURES, settle_ms, and:

    _start_chip(), _stop_chip(), _clean_chip() -> state of wire.record, after their execution time;
    _new_values() -> OK, NOT_READY while there are none yet, or an error;
    _readings() -> the readings of the values just read.
    """

    PATIENCE_MS = 1500  # for a new value: longer than the chip's own interval

    def __init__(self, clock):
        self._clock = clock
        self._running = False  # we asked it to measure and it agreed
        self._wanted = False  # the node wants it to measure
        self._started = 0
        self._settled = False
        self._cleaning = None  # ticks_ms of a cleaning that we asked for
        self._missed = False

    def start(self):
        """Start measuring; a silent chip shows in fetch() and is started there later."""
        self._wanted = True
        self._begin()

    def stop(self):
        """Stop measuring: fan and laser go off."""
        self._wanted = False
        self._running = False
        self._stop_chip()

    def clean(self):
        """Blow the fan out at full speed for 10 s, only while measuring. Readings are NOT_READY meanwhile."""
        state = self._clean_chip() if self._running else NOT_READY
        if state == OK:
            self._cleaning = self._clock.ticks_ms()
        return state

    def fetch(self):
        """Return the readings of the newest value, an error as their state; waits up to PATIENCE_MS."""
        if not self._running and (not self._wanted or not self._begin()):
            return failed(self.MEASURES, NO_ANSWER if self._wanted else NOT_READY)
        state = self._wait_values()
        if state == OK:
            return self._readings()
        if state == NO_ANSWER:
            self._running = False  # begin anew once it answers: it may have lost its supply
        return failed(self.MEASURES, state)

    def _begin(self):
        """Start; return whether the chip agreed."""
        self._running = self._start_chip() == OK
        if not self._running:  # still measuring since before a reset of the node, perhaps
            self._stop_chip()
            self._running = self._start_chip() == OK
        if self._running:
            self._started = self._clock.ticks_ms()
            self._settled = False
            self._missed = False
            self._cleaning = None
        return self._running

    def _wait_values(self):
        """Wait for new values; return OK, or the state that says why there are none."""
        clock = self._clock
        began = clock.ticks_ms()
        while True:
            state = self._new_values()
            if state != NOT_READY:
                self._missed = False
                return state
            now = clock.ticks_ms()
            if self._cleaning is not None:
                if clock.ticks_diff(now, self._cleaning) < _CLEAN_MS + _MARGIN_MS:
                    return NOT_READY
                self._cleaning = None
            if clock.ticks_diff(now, began) >= self.PATIENCE_MS:
                return self._never_ready()
            clock.sleep_ms(50)

    def _restart(self):
        """Stop, and begin anew at the next fetch: an error bit stays in a status register until then."""
        self._stop_chip()
        self._running = False

    def _never_ready(self):
        """One miss may be the chip's own cleaning (10 s); a second one is a chip that lost its supply."""
        if self._missed:
            self._restart()
        self._missed = True
        return TIMEOUT

    def _settling(self, needed_ms):
        """Return WARMUP while the measurement is younger than needed_ms, then OK for good."""
        if not self._settled:
            age = self._clock.ticks_diff(self._clock.ticks_ms(), self._started)
            if 0 <= age < needed_ms:  # negative: ticks_ms has wrapped since
                return WARMUP
            self._settled = True
        return OK

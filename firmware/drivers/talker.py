"""Sensors that send fixed frames by themselves on a UART and need some time after their start."""

from wire.record import NO_ANSWER, NOT_READY, OK, WARMUP

from .errors import DriverError
from .frames import FrameReader, silence
from .readings import failed


class TalkingSensor:
    """Base: subclasses give NAME, MEASURES, settle_ms, PERIOD_MS (longest gap between frames), LENGTH,
    START and STOP (commands sent one after another), _fits and _readings(frame, state).
    """

    def __init__(self, uart, clock):
        self._uart = uart
        self._clock = clock
        self._reader = FrameReader(uart, clock, self.LENGTH, self._fits)
        self._started = None
        self._settled = False
        self._silent = False  # the last fetch heard nothing: it may have lost its supply
        self.fetch_ms = self.PERIOD_MS

    def probe(self):
        """Wake the sensor and return its first frame; raise DriverError that names the wiring fault."""
        self._send(self.START)
        self._reader.begin()
        found = self._reader.next(3 * self.PERIOD_MS)
        if self._started is None:
            self._send(self.STOP)
        if not found:
            state, text = silence(self._reader)
            raise DriverError(state, self.NAME + ": " + text)
        return bytes(self._reader.frame)

    def start(self):
        """Wake the sensor."""
        self._send(self.START)
        self._started = self._clock.ticks_ms()
        self._settled = False
        self._silent = False

    def stop(self):
        """Send the sensor to sleep."""
        self._started = None
        self._send(self.STOP)

    def fetch(self):
        """Return the readings of the next frame, an error as their state."""
        if self._started is None:
            return failed(self.MEASURES, NOT_READY)
        if self._reader.begin() and self._reader.next(2 * self.PERIOD_MS):
            if self._silent:
                self.start()  # it warms up anew, and may be in another mode
            return self._readings(self._reader.frame, self._age_state())
        state = silence(self._reader)[0]
        if state == NO_ANSWER:
            self._silent = True
            self._send(self.START)
        return failed(self.MEASURES, state)

    def _age_state(self):
        if not self._settled:
            age = self._clock.ticks_diff(self._clock.ticks_ms(), self._started)
            if 0 <= age < self.settle_ms:  # negative: ticks_ms has wrapped since
                return WARMUP
            self._settled = True
        return OK

    def _send(self, commands):
        for command in commands:
            try:
                self._uart.write(command)
            except OSError:
                pass  # a line that cannot be written is silent: fetch and probe say so
            self._clock.sleep_ms(20)

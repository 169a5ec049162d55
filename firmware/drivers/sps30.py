"""Sensirion SPS30 particulate matter sensor on I2C (SEL pin low); sps30_uart has its serial side.

Measures continuously while its fan runs and has a new value every second. Readings before the
counts are steady carry the state WARMUP: always within 16 s of the start, and up to 30 s while
fewer than 300 particles/cm3 are counted, because few particles need longer for the same certainty.
"""

from wire._compat import const
from wire.measurements import PM1, PM2_5, PM4, PM10
from wire.record import DEGRADED, FAULT, NO_ANSWER, NOT_READY, OK, TIMEOUT, WARMUP

from .i2c import probe_error
from .readings import failed, reading
from .sensirion import SensirionBus

ADDRESS = const(0x69)
_START = const(0x0010)
_FLOATS = const(0x0300)  # argument of start: big-endian single floats
_STOP = const(0x0104)
_READY = const(0x0202)
_READ = const(0x0300)
_AUTO_CLEAN = const(0x8004)
_CLEAN = const(0x5607)
_SLEEP = const(0x1001)
_WAKE = const(0x1103)
_VERSION = const(0xD100)
_STATUS = const(0xD206)

_COMMAND_MS = const(20)  # start and stop
_WAKE_MS = const(6)
_READ_MS = const(1)
_CLEAN_MS = const(10_000)
_READY_PATIENCE_MS = const(1500)  # a new value every second
_SETTLE_MIN_MS = const(16_000)
_SETTLE_MAX_MS = const(30_000)
_FEW_TENTHS = const(3000)  # 300 particles/cm3
_FAN_SLOW_HIGH = const(1 << 5)  # status bit 21, in the high word
_LASER_FAIL = const(1 << 5)
_FAN_FAIL = const(1 << 4)
_HINT = "no 5 V supply, or SEL not tied to ground before power-up (open SEL selects UART)"


class I2cLink:
    """The commands of the SPS30 over I2C. Methods return states of wire.record."""

    def __init__(self, bus, clock, address):
        self._chip = SensirionBus(bus, clock, address, 20)
        self.scaled_float = self._chip.scaled_float  # (index, scale) of the values that were read last

    def wake(self):
        """Wake the chip; asleep, its interface takes the first command only to wake itself."""
        state = self._chip.command(_WAKE)
        return state if state == OK else self._chip.command(_WAKE)

    def start(self):
        """Start measuring."""
        return self._chip.command(_START, _FLOATS)

    def stop(self):
        """Stop measuring."""
        return self._chip.command(_STOP)

    def sleep(self):
        """Go to sleep mode."""
        return self._chip.command(_SLEEP)

    def clean(self):
        """Start the fan cleaning."""
        return self._chip.command(_CLEAN)

    def set_auto_clean(self, seconds):
        """Set the cleaning interval."""
        return self._chip.command(_AUTO_CLEAN, seconds >> 16 & 0xFFFF, seconds & 0xFFFF)

    def auto_clean(self):
        """Return (state, seconds)."""
        return (self._chip.read(_AUTO_CLEAN, 2, _READ_MS), self._pair())

    def new_values(self):
        """Read the ten floats; NOT_READY while there are no new ones."""
        chip = self._chip
        state = chip.read(_READY, 1, _READ_MS)
        if state != OK:
            return state
        return chip.read(_READ, 20, _READ_MS) if chip.word(0) & 1 else NOT_READY

    def version(self):
        """Return (state, (major, minor)) of the firmware."""
        state = self._chip.read(_VERSION, 1, _READ_MS)
        word = self._chip.word(0)
        return (state, (word >> 8, word & 0xFF))

    def status(self):
        """Return (state, high word, low word) of the status register."""
        state = self._chip.read(_STATUS, 2, _READ_MS)
        return (state, self._chip.word(0), self._chip.word(1))

    def probe_error(self, state):
        """Return the DriverError of a probe that ended in `state`."""
        chip = self._chip
        return probe_error(state, chip.bus, chip.address, "SPS30", _HINT, chip.error)

    def _pair(self):
        return self._chip.word(0) << 16 | self._chip.word(1)


class SPS30:
    """Driver. numbers: concentrations N0.5, N1, N2.5, N4, N10 in 0.1/cm3 of the last fetch.

    status: (high word, low word) of the status register. size_nm: typical particle size.
    """

    MEASURES = (PM1, PM2_5, PM4, PM10)
    settle_ms = _SETTLE_MAX_MS

    def __init__(self, bus, clock, address=ADDRESS, link=None):
        self._link = link or I2cLink(bus, clock, address)
        self._clock = clock
        self._running = False  # we asked it to measure and it agreed
        self._wanted = False  # the node wants it to measure
        self._started = 0
        self._settled = False
        self._cleaning = None  # ticks_ms of a cleaning that we asked for
        self._missed = False
        self._version = None
        self.numbers = [None] * 5
        self.size_nm = None
        self.status = (0, 0)

    def probe(self):
        """Return the firmware version as (major, minor); raise DriverError that names the wiring fault."""
        state = self._read_version()
        if state != OK:
            raise self._link.probe_error(state)
        return self._version

    def start(self):
        """Start fan, laser and measurement; a silent chip shows in fetch() and is started there later."""
        self._wanted = True
        self._begin()

    def stop(self):
        """Stop measuring: fan and laser go off."""
        self._wanted = False
        self._running = False
        self._link.stop()
        self._clock.sleep_ms(_COMMAND_MS)

    def sleep(self):
        """Stop and enter the sleep mode of firmware 2.0 and later; start() wakes it."""
        self.stop()
        self._link.sleep()

    def clean(self):
        """Blow the fan out at full speed for 10 s, only while measuring. Readings are NOT_READY meanwhile."""
        state = self._link.clean() if self._running else NOT_READY
        if state == OK:
            self._cleaning = self._clock.ticks_ms()
        return state

    def set_auto_clean(self, seconds):
        """Set the interval of the chip's own cleaning in seconds of measuring; 0 switches it off.

        The chip keeps the interval but counts anew after each power-up: a node that cuts the supply
        between measurements never reaches it and calls clean() itself.
        """
        return self._link.set_auto_clean(seconds)

    def auto_clean(self):
        """Return the interval of the chip's own cleaning in seconds, or None."""
        state, seconds = self._link.auto_clean()
        return seconds if state == OK else None

    def fetch(self):
        """Return the readings of the newest value, an error as their state. Waits up to 1.5 s for it."""
        if not self._running and (not self._wanted or not self._begin()):
            return failed(self.MEASURES, NO_ANSWER if self._wanted else NOT_READY)
        state = self._wait_values()
        if state == OK:
            return self._readings()
        if state == NO_ANSWER:
            self._running = False  # begin anew once it answers: it may have lost its supply
        return failed(self.MEASURES, state)

    def _begin(self):
        """Wake and start; return whether the chip agreed."""
        self._link.wake()
        self._clock.sleep_ms(_WAKE_MS)
        self._running = self._link.start() == OK
        if not self._running:  # still measuring since before a reset of the node, perhaps
            self._link.stop()
            self._clock.sleep_ms(_COMMAND_MS)
            self._running = self._link.start() == OK
        if self._running:
            self._clock.sleep_ms(_COMMAND_MS)
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
            state = self._link.new_values()
            if state != NOT_READY:
                self._missed = False
                return state
            now = clock.ticks_ms()
            if self._cleaning is not None:
                if clock.ticks_diff(now, self._cleaning) < _CLEAN_MS + 2000:
                    return NOT_READY
                self._cleaning = None
            if clock.ticks_diff(now, began) >= _READY_PATIENCE_MS:
                return self._never_ready()
            clock.sleep_ms(50)

    def _never_ready(self):
        """One miss may be the chip's own cleaning (10 s); a second one is a chip that lost its supply."""
        if self._missed:
            self._link.stop()
            self._running = False
        self._missed = True
        return TIMEOUT

    def _readings(self):
        link = self._link
        raws = [link.scaled_float(i, 10) for i in range(4)]
        for i in range(5):
            self.numbers[i] = link.scaled_float(4 + i, 10)
        self.size_nm = link.scaled_float(9, 1000)
        state = self._quality(self.numbers[4])
        if state == FAULT:
            return failed(self.MEASURES, FAULT)
        return [reading(self.MEASURES[i], raws[i], state) for i in range(4)]

    def _quality(self, count_tenths):
        """Return FAULT, DEGRADED, WARMUP or OK: the worst thing that is known about this value."""
        known = self._read_status()
        if self.status[1] & (_LASER_FAIL | _FAN_FAIL):
            return FAULT
        if not self._settled:
            age = self._clock.ticks_diff(self._clock.ticks_ms(), self._started)
            needed = _SETTLE_MAX_MS if count_tenths is None or count_tenths < _FEW_TENTHS else _SETTLE_MIN_MS
            if 0 <= age < needed:
                return WARMUP
            self._settled = True
        return OK if known and not self.status[0] & _FAN_SLOW_HIGH else DEGRADED

    def _read_version(self):
        state, version = self._link.version()
        if state == OK:
            self._version = version
        return state

    def _read_status(self):
        """Read the status register (firmware 2.2 and later); False where it should answer and does not."""
        if self._version is None and self._read_version() != OK:
            return False
        if self._version < (2, 2):
            return True
        state, high, low = self._link.status()
        if state == OK:
            self.status = (high, low)
        return state == OK

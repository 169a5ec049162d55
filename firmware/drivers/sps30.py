"""Sensirion SPS30 particulate matter sensor on I2C (SEL pin low); sps30_uart has its serial side.

Measures continuously while its fan runs and has a new value every second. Readings before the
counts are steady carry the state WARMUP: always within 16 s of the start, and up to 30 s while
fewer than 300 particles/cm3 are counted, because few particles need longer for the same certainty.
"""

from wire._compat import const
from wire.measurements import (
    HEALTH_FAN_DEAD,
    HEALTH_FAN_SLOW,
    HEALTH_LASER,
    PM1,
    PM2_5,
    PM4,
    PM10,
)
from wire.record import DEGRADED, FAULT, NOT_READY, OK, WARMUP

from .continuous import ContinuousSensor
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
_CLEAR_STATUS = const(0xD210)

_COMMAND_MS = const(20)  # start and stop
_WAKE_MS = const(6)
_READ_MS = const(1)
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

    def clear_status(self):
        """Clear the status register; firmware before 2.2 has none and does not acknowledge."""
        return self._chip.command(_CLEAR_STATUS)

    def probe_error(self, state):
        """Return the DriverError of a probe that ended in `state`."""
        chip = self._chip
        return probe_error(state, chip.bus, chip.address, "SPS30", _HINT, chip.error)

    def _pair(self):
        return self._chip.word(0) << 16 | self._chip.word(1)


class SPS30(ContinuousSensor):
    """Driver. numbers: concentrations N0.5, N1, N2.5, N4, N10 in 0.1/cm3 of the last fetch.

    status: (high word, low word) of the status register. size_nm: typical particle size.
    """

    MEASURES = (PM1, PM2_5, PM4, PM10)
    settle_ms = _SETTLE_MAX_MS

    def __init__(self, bus, clock, address=ADDRESS, link=None):
        ContinuousSensor.__init__(self, clock)
        self._link = link or I2cLink(bus, clock, address)
        self._version = None
        self.numbers = [None] * 5
        self.size_nm = None
        self.status = (0, 0)

    def probe(self):
        """Return the firmware version as (major, minor); raise DriverError that names the wiring fault."""
        self._link.wake()  # it may sleep since before a reset of the node
        self._clock.sleep_ms(_WAKE_MS)
        state = self._read_version()
        if state != OK:
            raise self._link.probe_error(state)
        return self._version

    def sleep(self):
        """Stop and enter the sleep mode of firmware 2.0 and later; start() wakes it."""
        self.stop()
        self._link.sleep()

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

    def health(self):
        """Return bits of HEALTH from the status register as it was read last."""
        high, low = self.status
        bits = HEALTH_FAN_SLOW if high & _FAN_SLOW_HIGH else 0
        bits |= HEALTH_LASER if low & _LASER_FAIL else 0
        return bits | (HEALTH_FAN_DEAD if low & _FAN_FAIL else 0)

    def _start_chip(self):
        self._link.wake()
        self._clock.sleep_ms(_WAKE_MS)
        self._link.clear_status()
        state = self._link.start()
        self._clock.sleep_ms(_COMMAND_MS)
        return state

    def _stop_chip(self):
        state = self._link.stop()
        self._clock.sleep_ms(_COMMAND_MS)
        return state

    def _clean_chip(self):
        return self._link.clean()

    def _new_values(self):
        return self._link.new_values()

    def _readings(self):
        link = self._link
        raws = [link.scaled_float(i, 10) for i in range(4)]
        for i in range(5):
            self.numbers[i] = link.scaled_float(4 + i, 10)
        self.size_nm = link.scaled_float(9, 1000)
        state = self._quality(self.numbers[4])
        if state == FAULT:
            self._restart()
            return failed(self.MEASURES, FAULT)
        return [reading(self.MEASURES[i], raws[i], state) for i in range(4)]

    def _quality(self, count_tenths):
        """Return FAULT, DEGRADED, WARMUP or OK: the worst thing that is known about this value."""
        known = self._read_status()
        if self.status[1] & (_LASER_FAIL | _FAN_FAIL):
            return FAULT
        needed = _SETTLE_MAX_MS if count_tenths is None or count_tenths < _FEW_TENTHS else _SETTLE_MIN_MS
        if self._settling(needed) == WARMUP:
            return WARMUP
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

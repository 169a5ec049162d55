"""Sensirion SEN54 and SEN55: particulate matter, humidity, temperature, VOC and NOx index on I2C.

The indices come from the chip's own algorithm; a number that it does not know yet is sent as the
end of its scale, and becomes NOT_READY here. The PM values are WARMUP for 16 s after the start, and
up to 30 s while fewer than 100 particles/cm3 are counted.
"""

from wire._compat import const
from wire.measurements import (
    CO2,
    HEALTH_CLIMATE,
    HEALTH_FAN_DEAD,
    HEALTH_FAN_SLOW,
    HEALTH_GAS,
    HEALTH_LASER,
    NOX_INDEX,
    PM1,
    PM2_5,
    PM4,
    PM10,
    RELATIVE_HUMIDITY,
    TEMPERATURE,
    VOC_INDEX,
)
from wire.record import DEGRADED, FAULT, NOT_READY, OK, WARMUP

from .continuous import ContinuousSensor
from .i2c import probe_error
from .readings import failed, reading
from .sensirion import SensirionBus

_START = const(0x0021)
_STOP = const(0x0104)
_READY = const(0x0202)
_CLEAN = const(0x5607)
_NAME = const(0xD014)
_STATUS = const(0xD206)
_CLEAR_STATUS = const(0xD210)

_START_MS = const(50)
_READ_MS = const(20)
_SETTLE_MIN_MS = const(16_000)
_SETTLE_MAX_MS = const(30_000)
_FEW_TENTHS = const(1000)  # 100 particles/cm3
_FAN_SLOW_HIGH = const(1 << 5)  # status bit 21, in the high word
_FAN_FAIL = const(1 << 4)  # nothing is right without air
_UNKNOWN_U = const(0xFFFF)
_UNKNOWN_S = const(0x7FFF)

_PLACES = (PM1, PM2_5, PM4, PM10, RELATIVE_HUMIDITY, TEMPERATURE, VOC_INDEX, NOX_INDEX, CO2)


class SEN5x(ContinuousSensor):
    """Driver. measures: which of MEASURES to report: leave NOX_INDEX out for a SEN54.

    status: (high word, low word) of the status register.
    """

    NAME = "SEN5x"
    ADDRESS = 0x69
    MEASURES = (PM1, PM2_5, PM4, PM10, RELATIVE_HUMIDITY, TEMPERATURE, VOC_INDEX, NOX_INDEX)
    READ = 0x03C4
    STOP_MS = 200
    COUNTS = 0x0413  # words 4 to 8: N0.5 to N10 in 0.1/cm3
    COUNT_WORDS = 10
    COUNT_N10 = 8
    PM_FAIL = 1 << 5
    CO2_FAIL = 0
    settle_ms = _SETTLE_MAX_MS
    _RHT_FAIL = 1 << 6
    _GAS_FAIL = 1 << 7

    def __init__(self, bus, clock, measures=None):
        ContinuousSensor.__init__(self, clock)
        self._chip = SensirionBus(bus, clock, self.ADDRESS, 16)
        self._words = len(self.MEASURES)
        self._values = [None] * self._words
        self.status = (0, 0)
        if measures is not None:
            self.MEASURES = tuple(measures)

    def probe(self):
        """Return the chip's name (SEN55); raise DriverError that names the wiring fault."""
        chip = self._chip
        state = chip.read(_NAME, 16, _READ_MS)
        if state != OK:
            hint = "no 5 V supply, or SEL not tied to ground (open SEL is not I2C)"
            raise probe_error(state, chip.bus, chip.address, self.NAME, hint, chip.error)
        name = ""
        for i in range(16):
            for code in (chip.word(i) >> 8, chip.word(i) & 0xFF):
                if not 32 <= code < 127:
                    return name
                name += chr(code)
        return name

    def _start_chip(self):
        self._chip.command(_CLEAR_STATUS)
        self._clock.sleep_ms(_READ_MS)
        state = self._chip.command(_START)
        self._clock.sleep_ms(_START_MS)
        return state

    def _stop_chip(self):
        state = self._chip.command(_STOP)
        self._clock.sleep_ms(self.STOP_MS)
        return state

    def _clean_chip(self):
        return self._chip.command(_CLEAN)

    def _new_values(self):
        chip = self._chip
        state = chip.read(_READY, 1, _READ_MS)
        if state != OK:
            return state
        if not chip.word(0) & 1:
            return NOT_READY
        state = chip.read(self.READ, self._words, _READ_MS)
        if state == OK:
            for i in range(self._words):
                self._values[i] = self._value(i)
        return state

    def _value(self, i):
        """Return the raw number (of the measurement table) in word i of the values, None for unknown."""
        chip = self._chip
        if i < 4 or i == 8:  # PM in 0.1 ug/m3, CO2 in ppm
            value = chip.word(i)
            return None if value == _UNKNOWN_U else value
        value = chip.signed_word(i)
        if value == _UNKNOWN_S:
            return None
        if i == 4:  # 0.01 %
            return min(1000, max(0, (value + 5) // 10))
        if i == 5:  # 1/200 degree, half away from zero
            return (value + 1) // 2 if value >= 0 else -((1 - value) // 2)
        return value or None  # index x 10; 0 while the algorithm has no idea yet

    def _readings(self):
        known = self._read_status()
        if self.status[1] & _FAN_FAIL:
            self._restart()
            return failed(self.MEASURES, FAULT)
        settling = self._pm_settling()
        out = []
        for measurement in self.MEASURES:
            i = _PLACES.index(measurement)
            if self.status[1] & self._fail_bit(i):
                out.append((measurement, 0, FAULT))
            elif self._values[i] is None:
                out.append((measurement, 0, NOT_READY))
            else:
                state = settling if settling == WARMUP else OK
                if state == OK and (not known or (i < 4 and self.status[0] & _FAN_SLOW_HIGH)):
                    state = DEGRADED
                out.append(reading(measurement, self._values[i], state))
        return out

    def health(self):
        """Return bits of HEALTH from the status register as it was read last."""
        high, low = self.status
        bits = HEALTH_FAN_SLOW if high & _FAN_SLOW_HIGH else 0
        for fails, bit in (
            (_FAN_FAIL, HEALTH_FAN_DEAD),
            (self.PM_FAIL, HEALTH_LASER),
            (self._GAS_FAIL, HEALTH_GAS),
            (self._RHT_FAIL, HEALTH_CLIMATE),
        ):
            bits |= bit if low & fails else 0
        return bits

    def _fail_bit(self, i):
        """Return the status bit (low word) that spoils word i of the values."""
        if i < 4:
            return self.PM_FAIL
        return self._RHT_FAIL if i < 6 else self._GAS_FAIL if i < 8 else self.CO2_FAIL

    def _pm_settling(self):
        if self._settled:
            return OK
        chip = self._chip
        dense = (
            chip.read(self.COUNTS, self.COUNT_WORDS, _READ_MS) == OK
            and _FEW_TENTHS <= chip.word(self.COUNT_N10) != _UNKNOWN_U
        )
        return self._settling(_SETTLE_MIN_MS if dense else _SETTLE_MAX_MS)

    def _read_status(self):
        state = self._chip.read(_STATUS, 2, _READ_MS)
        if state == OK:
            self.status = (self._chip.word(0), self._chip.word(1))
        return state == OK

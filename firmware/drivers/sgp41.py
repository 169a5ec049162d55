"""Sensirion SGP41 on I2C: raw signals of volatile substances (VOC) and nitrogen oxides (NOx).

Raw ticks only: the index of Sensirion's gas index algorithm wants one measurement a second without pause,
which a node that sleeps does not give. The SEN5x computes it itself (`voc_index`).
Headings in comments are those of the SGP41 data sheet.
"""

from wire._compat import const
from wire.measurements import SRAW_NOX, SRAW_VOC
from wire.record import FAULT, NOT_READY, OK, WARMUP

from .errors import DriverError
from .i2c import probe_error
from .readings import failed, reading
from .sensirion import SensirionBus

ADDRESS = const(0x59)
_CONDITION = const(0x2612)  # "Execute conditioning": at most 10 s, longer damages the NOx pixel
_MEASURE = const(0x2619)
_HEATER_OFF = const(0x3615)
_SELF_TEST = const(0x280E)
_SERIAL = const(0x3682)
_MEASURE_MS = const(50)
_SELF_TEST_MS = const(320)
_PASSED = const(0xD400)
_CONDITION_MS = const(10_000)
_RH_50 = const(0x8000)
_T_25 = const(0x6666)
_HINT = "no power (1.8 V on some carriers), SDA and SCL swapped"


def humidity_word(tenths):
    """Return the compensation word of a relative humidity in tenths of a percent."""
    return (max(0, min(1000, tenths)) * 65535 + 500) // 1000


def temperature_word(centi):
    """Return the compensation word of hundredths of a degree Celsius."""
    return ((max(-4500, min(13000, centi)) + 4500) * 65535 + 8750) // 17500


class SGP41:
    """Driver. start() conditions for up to 10 s while it settles; readings before that are WARMUP.

    compensate(tenths of % or None, centidegrees or None): real humidity and temperature for the chip.
    """

    MEASURES = (SRAW_VOC, SRAW_NOX)
    settle_ms = _CONDITION_MS

    def __init__(self, bus, clock, address=ADDRESS):
        self._chip = SensirionBus(bus, clock, address, 3)
        self._clock = clock
        self._words = (_RH_50, _T_25)
        self._started = None
        self._conditioning = False

    def probe(self):
        """Return the serial number; raise DriverError that names the wiring fault or a failed self-test."""
        chip = self._chip
        state = chip.read(_SERIAL, 3, 1)
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "SGP41", _HINT, chip.error)
        serial = chip.word(0) << 32 | chip.word(1) << 16 | chip.word(2)
        state = chip.read(_SELF_TEST, 1, _SELF_TEST_MS)
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "SGP41", _HINT, chip.error)
        if chip.word(0) & 0xFF00 != _PASSED & 0xFF00 or chip.word(0) & 3:
            raise DriverError(FAULT, "SGP41: self-test 0x%04x, not 0xd400: a pixel is broken" % chip.word(0))
        return serial

    def compensate(self, tenths, centi):
        """Use these from now on; None for 50 % and 25 degrees."""
        self._words = (
            _RH_50 if tenths is None else humidity_word(tenths),
            _T_25 if centi is None else temperature_word(centi),
        )

    def start(self):
        """Start conditioning; a silent chip shows in fetch()."""
        self._started = self._clock.ticks_ms()
        self._conditioning = self._chip.command(_CONDITION, _RH_50, _T_25) == OK

    def stop(self):
        """Switch the heaters off."""
        self._started = None
        self._conditioning = False
        self._chip.command(_HEATER_OFF)

    def fetch(self):
        """Return raw ticks. The first measurement ends the conditioning: never longer than 10 s."""
        if self._started is None:
            return failed(self.MEASURES, NOT_READY)
        age_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._started)
        early = not self._conditioning or 0 <= age_ms < _CONDITION_MS
        state = self._chip.read(_MEASURE, 2, _MEASURE_MS, self._words[0], self._words[1])
        if state != OK:
            return failed(self.MEASURES, state)
        quality = WARMUP if early else OK
        if not self._chip.word(0) or not self._chip.word(1):
            return failed(self.MEASURES, FAULT)
        return [
            reading(SRAW_VOC, self._chip.word(0), quality),
            reading(SRAW_NOX, self._chip.word(1), quality),
        ]

"""Bosch BME280: temperature, pressure and humidity on I2C, in forced mode with oversampling 1.

The compensation formulas are the integer ones of the data sheet (64 bits for pressure). There is no
checksum on this chip: calibration and values are read twice and must agree. A BMP280 has no humidity.
"""

from wire._compat import const
from wire.measurements import PRESSURE, RELATIVE_HUMIDITY, TEMPERATURE
from wire.record import FAULT, NO_ANSWER, NOT_READY, OK, TIMEOUT

from .errors import DriverError
from .i2c import probe_error
from .readings import failed, reading
from .registers import Registers

_ID = const(0xD0)
_BME280 = const(0x60)
_BMP280 = const(0x58)
_CALIB_1 = const(0x88)  # 26 bytes
_CALIB_2 = const(0xE1)  # 7 bytes
_CTRL_HUM = const(0xF2)
_STATUS = const(0xF3)
_CTRL_MEAS = const(0xF4)
_DATA = const(0xF7)  # 8 bytes
_FORCED_X1 = b"\x25"  # temperature x1, pressure x1, forced mode
_MEASURE_MS = const(10)  # 1.25 + 2.3 + (2.3 + 0.575) + (2.3 + 0.575) = 9.3 ms
_PATIENCE_MS = const(20)
_SKIPPED_20 = const(0x80000)
_SKIPPED_16 = const(0x8000)


def _signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) else value


class Calibration:
    """The trimming numbers of one chip, and the formulas that use them."""

    def __init__(self, low, high):
        """low: 26 bytes from 0x88; high: 7 bytes from 0xE1."""
        self.t1 = low[1] << 8 | low[0]
        self.t2, self.t3 = [_signed(low[i + 1] << 8 | low[i], 16) for i in (2, 4)]
        self.p1 = low[7] << 8 | low[6]
        self.p = [_signed(low[i + 1] << 8 | low[i], 16) for i in range(8, 24, 2)]  # P2 to P9
        self.h1 = low[25]
        self.h2 = _signed(high[1] << 8 | high[0], 16)
        self.h3 = high[2]
        self.h4 = _signed(high[3] << 4 | high[4] & 0x0F, 12)
        self.h5 = _signed(high[5] << 4 | high[4] >> 4, 12)
        self.h6 = _signed(high[6], 8)

    def t_fine(self, adc):
        """Return the fine temperature that the other formulas need, from a 20-bit reading."""
        a = ((adc >> 3) - (self.t1 << 1)) * self.t2 >> 11
        b = (adc >> 4) - self.t1
        return a + ((b * b >> 12) * self.t3 >> 14)

    def temperature_centi(self, t_fine):
        """Return hundredths of a degree Celsius."""
        return t_fine * 5 + 128 >> 8

    def pressure_256ths(self, adc, t_fine):
        """Return 1/256 Pa, None where the chip's numbers make no sense."""
        p2, p3, p4, p5, p6, p7, p8, p9 = self.p
        a = t_fine - 128000
        b = a * a * p6 + (a * p5 << 17) + (p4 << 35)
        a = (a * a * p3 >> 8) + (a * p2 << 12)
        a = ((1 << 47) + a) * self.p1 >> 33
        if a <= 0:
            return None
        p = (((1048576 - adc) << 31) - b) * 3125 // a
        return (p + (p9 * (p >> 13) * (p >> 13) >> 25) + (p8 * p >> 19) >> 8) + (p7 << 4)

    def humidity_1024ths(self, adc, t_fine):
        """Return 1/1024 %, 0..100 %."""
        v = t_fine - 76800
        slope = ((v * self.h6 >> 10) * ((v * self.h3 >> 11) + 32768) >> 10) + 2097152
        v = ((adc << 14) - (self.h4 << 20) - self.h5 * v + 16384 >> 15) * (slope * self.h2 + 8192 >> 14)
        v -= ((v >> 15) * (v >> 15) >> 7) * self.h1 >> 4
        return min(419430400, max(0, v)) >> 12


class BME280:
    """Driver: fetch() takes 10 ms. address: 0x76, or 0x77 with SDO high.

    measures: which of MEASURES to report.
    """

    MEASURES = (TEMPERATURE, RELATIVE_HUMIDITY, PRESSURE)
    settle_ms = 2

    def __init__(self, bus, clock, address=0x76, measures=None):
        self._chip = Registers(bus, address)
        self._clock = clock
        self._calibration = None
        self._has_humidity = True
        self._data = bytearray(8)
        self._again = bytearray(8)
        self._one = bytearray(1)
        if measures is not None:
            self.MEASURES = tuple(measures)

    def probe(self):
        """Return the chip id; raise DriverError that names the wiring fault."""
        chip = self._chip
        hint = "no power, or SDO tied to the other level (0x76 low, 0x77 high)"
        state = chip.read(_ID, self._one)
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "BME280", hint, chip.error)
        if self._one[0] not in (_BME280, _BMP280):
            text = "BME280 at 0x%02x: chip id 0x%02x, not 0x60: another chip" % (chip.address, self._one[0])
            raise DriverError(FAULT, text)
        found = self._one[0]
        state = self._load()
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "BME280", hint, chip.error)
        if found == _BMP280 and RELATIVE_HUMIDITY in self.MEASURES:
            raise DriverError(NO_ANSWER, "BME280: this is a BMP280 (id 0x58), which has no humidity")
        return found

    def start(self):
        """Nothing to start: the chip sleeps between forced measurements."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the readings of one measurement, an error as their state."""
        state = OK if self._calibration else self._load()
        if state == OK:
            state = self._measure()
        if state != OK:
            return failed(self.MEASURES, state)
        d = self._data
        adc_p = d[0] << 12 | d[1] << 4 | d[2] >> 4
        adc_t = d[3] << 12 | d[4] << 4 | d[5] >> 4
        adc_h = d[6] << 8 | d[7]
        if adc_t == _SKIPPED_20:
            return failed(self.MEASURES, NOT_READY)
        t_fine = self._calibration.t_fine(adc_t)
        return [self._reading(measurement, t_fine, adc_p, adc_h) for measurement in self.MEASURES]

    def _reading(self, measurement, t_fine, adc_p, adc_h):
        calibration = self._calibration
        if measurement == TEMPERATURE:
            return reading(TEMPERATURE, calibration.temperature_centi(t_fine))
        if measurement == PRESSURE:
            if adc_p == _SKIPPED_20:
                return (PRESSURE, 0, NOT_READY)
            pa_256 = calibration.pressure_256ths(adc_p, t_fine)
            return reading(PRESSURE, None if pa_256 is None else (pa_256 + 1280) // 2560)
        if not self._has_humidity:
            return (measurement, 0, NO_ANSWER)
        if adc_h == _SKIPPED_16:
            return (measurement, 0, NOT_READY)
        return reading(measurement, calibration.humidity_1024ths(adc_h, t_fine) * 10 + 512 >> 10)

    def _measure(self):
        chip, clock = self._chip, self._clock
        # ctrl_hum takes effect with the next write of ctrl_meas only.
        if chip.write(_CTRL_HUM, b"\x01") != OK or chip.write(_CTRL_MEAS, _FORCED_X1) != OK:
            return NO_ANSWER
        clock.sleep_ms(_MEASURE_MS)
        began = clock.ticks_ms()
        while True:
            state = chip.read(_STATUS, self._one)
            if state != OK:
                return state
            if not self._one[0] & 0x08:
                break
            if clock.ticks_diff(clock.ticks_ms(), began) >= _PATIENCE_MS:
                return TIMEOUT
            clock.sleep_ms(2)
        return self._chip.read_twice(_DATA, self._data, self._again)

    def _load(self):
        """Read the chip id and the calibration."""
        state = self._chip.read(_ID, self._one)
        if state != OK:
            return state
        if self._one[0] not in (_BME280, _BMP280):
            return FAULT
        self._has_humidity = self._one[0] == _BME280
        low, high = bytearray(26), bytearray(7)
        state = self._chip.read_twice(_CALIB_1, low, bytearray(26))
        if state == OK:
            state = self._chip.read_twice(_CALIB_2, high, bytearray(7))
        if state != OK:
            return state
        if not low[0] | low[1]:  # T1 is never 0: the memory has not been copied yet, or the bus is dead
            return NOT_READY
        self._calibration = Calibration(low, high)
        return OK

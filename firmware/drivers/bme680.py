"""Bosch BME680 and BME688: temperature, humidity, pressure and the raw resistance of a heated gas sensor.

Resistance only: the index of the maker is a closed library. A resistance is of this one chip; it falls when
there is more to oxidise, and also when it gets humid. Formulas are those of the data sheet (BST-BME680-DS001)
and of the maker's public driver (BME68x_SensorAPI), turned into integers of any size by us. There is no
checksum: what counts is read twice.
"""

from wire._compat import const
from wire.measurements import GAS_RESISTANCE, PRESSURE, RELATIVE_HUMIDITY, TEMPERATURE
from wire.record import DEGRADED, FAULT, FIRST_ERROR, NO_ANSWER, NOT_READY, OK, TIMEOUT, WARMUP

from .errors import DriverError
from .i2c import probe_error
from .readings import failed, reading
from .registers import Registers

_ID = const(0xD0)
_CHIP = const(0x61)
_VARIANT = const(0xF0)  # 0: BME680, 1: BME688, whose gas value stands elsewhere
_FIELD = const(0x1D)  # 17 bytes: status, then pressure, temperature, humidity, gas
_RES_HEAT = const(0x5A)
_GAS_WAIT = const(0x64)
_CTRL_GAS = const(0x70)  # 0x70 and 0x71
_CTRL_HUM = const(0x72)
_CTRL_MEAS = const(0x74)
_FORCED_X1 = b"\x25"  # temperature x1, pressure x1, forced mode
_HEATER_C = const(320)
_WAIT_150 = b"\x65"  # 150 ms of heat: 37 times 4 (gas_wait_x: six bits, times 1, 4, 16 or 64)
_MEASURE_MS = const(165)  # 3 x 1.963 + 9 x 0.477 + 1 ms, and heating
_PATIENCE_MS = const(60)
_BURN_IN = const(5)  # heated measurements after power-up whose resistance still drifts: WARMUP
_SKIPPED_20 = const(0x80000)
_SKIPPED_16 = const(0x8000)

# Corrections of the BME680's ranges in thousandths, of its first and second constant (lookup table)
_K1 = (0, 0, 0, 0, 0, -10, 0, -8, 0, 0, -2, -5, 0, -10, 0, 0)
_K2 = (0, 0, 0, 0, 1, 7, 0, -8, -1, 0, 0, 0, 0, 0, 0, 0)


def _s8(value):
    return value - 256 if value & 0x80 else value


def _s16(low, high):
    return (high << 8 | low) - (high >> 7 << 16)


class Calibration:
    """The trimming numbers of one chip, and the formulas that use them."""

    def __init__(self, first, second, third):
        """first: 23 bytes from 0x8A; second: 14 from 0xE1; third: 5 from 0x00."""
        self.t1 = second[9] << 8 | second[8]
        self.t2 = _s16(first[0], first[1])
        self.t3 = _s8(first[2])
        self.p1 = first[5] << 8 | first[4]
        self.p2 = _s16(first[6], first[7])
        self.p3 = _s8(first[8])
        self.p4 = _s16(first[10], first[11])
        self.p5 = _s16(first[12], first[13])
        self.p6 = _s8(first[15])
        self.p7 = _s8(first[14])
        self.p8 = _s16(first[18], first[19])
        self.p9 = _s16(first[20], first[21])
        self.p10 = first[22]
        self.h1 = second[2] << 4 | second[1] & 0x0F
        self.h2 = second[0] << 4 | second[1] >> 4
        self.h3, self.h4, self.h5 = [_s8(second[i]) for i in (3, 4, 5)]
        self.h6 = second[6]
        self.h7 = _s8(second[7])
        self.g2 = _s16(second[10], second[11])
        self.g1, self.g3 = _s8(second[12]), _s8(second[13])
        self.heat_value = _s8(third[0])
        self.heat_range = third[2] >> 4 & 3
        self.range_error = _s8(third[4]) >> 4

    def t_fine(self, adc):
        """Return the fine temperature that the other formulas need: 5120 a degree."""
        d = adc - (self.t1 << 4)
        return (d * self.t2 >> 14) + (d * d * self.t3 >> 30)

    def pressure_256ths(self, adc, t_fine):
        """Return 1/256 Pa, None where the chip's numbers make no sense."""
        a = t_fine - 128000
        b = a * a * self.p6 + (a * self.p5 << 19) + (self.p4 << 37)
        c = (a * a * self.p3 + (a * self.p2 << 15) + (1 << 50)) * self.p1
        if c <= 0:
            return None
        p = (((1048576 - adc << 33) - b) * 6250 << 25) // c
        return (
            p + (p * p * self.p9 >> 43) + (p * self.p8 >> 19) + (p * p * p * self.p10 >> 61) + (self.p7 << 11)
        )

    def humidity_1024ths(self, adc, t_fine):
        """Return 1/1024 %, 0..100 %."""
        t = t_fine // 20  # 1/256 degree
        v = (adc << 8) - (self.h1 << 12) - (self.h3 * t >> 1)
        v = v * self.h2 * ((1 << 36) + (self.h4 * t << 14) + self.h5 * t * t) >> 52
        v += ((self.h6 << 15) + self.h7 * t) * v * v >> 39
        return min(102400, max(0, v))

    def ohms(self, adc, span, high):
        """Return the resistance; span: the range of 0 to 15; high: of the BME688."""
        if high:
            below = 4096 + 3 * (adc - 512)
            return None if below <= 0 else (1000000 * (262144 >> span) + below // 2) // below
        m = (1340 + 5 * self.range_error) * (1000 + _K1[span])
        below = ((1000 + _K2[span]) << span) * ((adc - 512) * 1000 + m)
        return None if below <= 0 else (8000000000 * m + below // 2) // below

    def heater(self, target_c, ambient_c):
        """Return the byte for a heater temperature."""
        # var1 to var5 of the data sheet's heater formula, times 62500
        a = (self.g1 + 784) * ((self.g2 + 154010) * target_c + 65536000) * 1000 >> 24
        a += self.g3 * ambient_c * 62500 >> 10
        a = a * 4 // (4 + self.heat_range) * 500 // (500 + self.heat_value)
        return max(0, min(255, (a - 1562500) * 34 // 625000))


class BME680:
    """Driver: fetch() takes 165 ms, with the heater at 320 degrees. address: 0x76, or 0x77 with SDO high.

    measures: which of MEASURES to report. Temperature is taken before the heater is on.
    """

    MEASURES = (TEMPERATURE, RELATIVE_HUMIDITY, PRESSURE, GAS_RESISTANCE)
    settle_ms = 2
    fetch_ms = _MEASURE_MS

    def __init__(self, bus, clock, address=0x76, measures=None):
        self._chip = Registers(bus, address)
        self._clock = clock
        self._calibration = None
        self._high = False
        self._heated = 0
        self._ambient_c = 25
        self._data = bytearray(17)
        self._again = bytearray(17)
        self._one = bytearray(1)
        if measures is not None:
            self.MEASURES = tuple(measures)

    def probe(self):
        """Return the chip id after one measurement; raise DriverError that names the wiring fault.

        The self-test: the heater must get hot (heat_stab_r) and the gas sensor give a value (gas_valid_r).
        """
        chip = self._chip
        hint = "no power, or SDO tied to the other level (0x76 low, 0x77 high)"
        state = chip.read(_ID, self._one)
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "BME680", hint, chip.error)
        if self._one[0] != _CHIP:
            text = "BME680 at 0x%02x: chip id 0x%02x, not 0x61: another chip" % (chip.address, self._one[0])
            raise DriverError(FAULT, text)
        state = self._load()
        if state == OK:
            state = self._measure()
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "BME680", hint, chip.error)
        if GAS_RESISTANCE in self.MEASURES and self._gas()[2] in (FAULT, NOT_READY):
            raise DriverError(FAULT, "BME680: the heater does not get hot: supply too weak, or a broken chip")
        return _CHIP

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
            if state == NO_ANSWER:
                self._heated = 0  # it may have lost its supply: calibration stays, burn-in begins anew
            return failed(self.MEASURES, state)
        d = self._data
        adc_p = d[2] << 12 | d[3] << 4 | d[4] >> 4
        adc_t = d[5] << 12 | d[6] << 4 | d[7] >> 4
        adc_h = d[8] << 8 | d[9]
        if adc_t == _SKIPPED_20:
            return failed(self.MEASURES, NOT_READY)
        t_fine = self._calibration.t_fine(adc_t)
        self._ambient_c = max(-40, min(85, t_fine // 5120))
        return [self._reading(measurement, t_fine, adc_p, adc_h) for measurement in self.MEASURES]

    def _reading(self, measurement, t_fine, adc_p, adc_h):
        calibration = self._calibration
        if measurement == TEMPERATURE:
            return reading(TEMPERATURE, t_fine * 5 + 128 >> 8)
        if measurement == PRESSURE:
            pa_256 = None if adc_p == _SKIPPED_20 else calibration.pressure_256ths(adc_p, t_fine)
            return reading(PRESSURE, None if pa_256 is None else (pa_256 + 1280) // 2560)
        if measurement == RELATIVE_HUMIDITY:
            if adc_h == _SKIPPED_16:
                return (measurement, 0, NOT_READY)
            return reading(measurement, calibration.humidity_1024ths(adc_h, t_fine) * 10 + 512 >> 10)
        return self._gas()

    def _gas(self):
        """Return the reading of the gas sensor: gas_valid_r and heat_stab_r."""
        high, low = self._data[15:17] if self._high else self._data[13:15]
        if not low & 0x20:
            return (GAS_RESISTANCE, 0, NOT_READY)
        if not low & 0x10:
            return (GAS_RESISTANCE, 0, FAULT)
        found = reading(
            GAS_RESISTANCE,
            self._calibration.ohms(high << 2 | low >> 6, low & 15, self._high),
            WARMUP if self._heated < _BURN_IN else OK,
        )
        if found[2] < FIRST_ERROR and high in (0, 255):
            return (GAS_RESISTANCE, found[1], DEGRADED)  # at the end of the converter
        return found

    def _measure(self):
        chip, clock = self._chip, self._clock
        heater = bytes([self._calibration.heater(_HEATER_C, self._ambient_c)])
        run = b"\x00\x20" if self._high else b"\x00\x10"
        for register, data in (
            (_RES_HEAT, heater),
            (_GAS_WAIT, _WAIT_150),
            (_CTRL_GAS, run[:1]),
            (_CTRL_GAS + 1, run[1:]),
            (_CTRL_HUM, b"\x01"),
            (_CTRL_MEAS, _FORCED_X1),
        ):  # a write goes to one register: the chip does not count up
            if chip.write(register, data) != OK:
                return NO_ANSWER
        clock.sleep_ms(_MEASURE_MS)
        began = clock.ticks_ms()
        while True:
            state = chip.read(_FIELD, self._one)
            if state != OK:
                return state
            if self._one[0] & 0x80 and not self._one[0] & 0x60:  # new data, nothing under way
                break
            if clock.ticks_diff(clock.ticks_ms(), began) >= _PATIENCE_MS:
                return TIMEOUT
            clock.sleep_ms(5)
        state = self._chip.read_twice(_FIELD, self._data, self._again)
        if state == OK:
            self._heated = min(_BURN_IN, self._heated + 1)
        return state

    def _load(self):
        """Read identity and calibration."""
        state = self._chip.read(_ID, self._one)
        if state == OK and self._one[0] != _CHIP:
            return FAULT
        if state == OK:
            state = self._chip.read(_VARIANT, self._one)
        if state != OK:
            return state
        self._high = self._one[0] == 1
        parts = [bytearray(n) for n in (23, 14, 5)]
        for register, part in zip((0x8A, 0xE1, 0x00), parts):
            state = self._chip.read_twice(register, part, bytearray(len(part)))
            if state != OK:
                return state
        if not parts[1][8] | parts[1][9]:  # T1 is never 0: nothing was copied yet, or the bus is dead
            return NOT_READY
        self._calibration = Calibration(*parts)
        return OK

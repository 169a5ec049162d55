"""Sensirion SCD40/SCD41: CO2, temperature and relative humidity on I2C, a value every 5 s.

The first value after a start is WARMUP. The chip's own calibration takes the lowest value of a week
for 400 ppm: right outdoors and in rooms that are aired, wrong where people never leave.
Commands and conversions are those of the SCD4x data sheet, "I2C commands" and "Signal conversion".
"""

from wire._compat import const
from wire.measurements import CO2, RELATIVE_HUMIDITY, TEMPERATURE
from wire.record import NOT_READY, OK

from .continuous import ContinuousSensor
from .i2c import probe_error
from .readings import reading
from .sensirion import SensirionBus

ADDRESS = const(0x62)
_START = const(0x21B1)
_STOP = const(0x3F86)
_READY = const(0xE4B8)
_READ = const(0xEC05)
_SERIAL = const(0x3682)
_PRESSURE = const(0xE000)
_STOP_MS = const(500)
_READ_MS = const(1)


def temperature_centi(raw):
    """Return hundredths of a degree of a raw word: -45 + 175 * raw / 65535, rounded exactly."""
    return (3500 * raw + 6553) // 13107 - 4500


def humidity_tenths(raw):
    """Return tenths of a percent of a raw word: 100 * raw / 65535, rounded exactly."""
    return (200 * raw + 6553) // 13107


class SCD4x(ContinuousSensor):
    """Driver. measures: which of MEASURES to report; the chip warms the air that its own T and RH see.

    raw: the three words of the last value.
    """

    MEASURES = (CO2, TEMPERATURE, RELATIVE_HUMIDITY)
    PATIENCE_MS = 6000
    settle_ms = 6000
    fetch_ms = 5000

    def __init__(self, bus, clock, measures=None, address=ADDRESS):
        ContinuousSensor.__init__(self, clock)
        self._chip = SensirionBus(bus, clock, address, 3)
        self.raw = [0, 0, 0]
        if measures is not None:
            self.MEASURES = tuple(measures)

    def probe(self):
        """Return the serial number; raise DriverError that names the wiring fault. Stops a measurement."""
        chip = self._chip
        self._running = False
        self._stop_chip()  # while it measures it answers to little else
        state = chip.read(_SERIAL, 3, _READ_MS)
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "SCD4x", "no power", chip.error)
        return chip.word(0) << 32 | chip.word(1) << 16 | chip.word(2)

    def set_pressure(self, hpa):
        """Tell the air pressure in hPa (700..1200), also while measuring."""
        return self._chip.command(_PRESSURE, max(700, min(1200, hpa)))

    def _start_chip(self):
        state = self._chip.command(_START)
        self._clock.sleep_ms(_READ_MS)
        return state

    def _stop_chip(self):
        state = self._chip.command(_STOP)
        self._clock.sleep_ms(_STOP_MS)
        return state

    def _clean_chip(self):
        return NOT_READY

    def _new_values(self):
        chip = self._chip
        state = chip.read(_READY, 1, _READ_MS)
        if state != OK:
            return state
        if not chip.word(0) & 0x07FF:
            return NOT_READY
        return chip.read(_READ, 3, _READ_MS)

    def _readings(self):
        for i in range(3):
            self.raw[i] = self._chip.word(i)
        co2, t, rh = self.raw
        state = self._settling(self.settle_ms)
        out = []
        for measurement in self.MEASURES:
            if measurement == CO2:
                # 0 is what the chip sends when it could not measure
                out.append(reading(CO2, co2, state) if co2 else (CO2, 0, NOT_READY))
            elif measurement == TEMPERATURE:
                out.append(reading(TEMPERATURE, temperature_centi(t), state))
            else:
                out.append(reading(RELATIVE_HUMIDITY, humidity_tenths(rh), state))
        return out

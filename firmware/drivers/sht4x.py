"""Sensirion SHT40/41/45: temperature and relative humidity on I2C.

Single shot, high repeatability. There is no status register: what can go wrong shows as a missing
acknowledge or a wrong CRC. Headings in comments are those of the SHT4x data sheet.
"""

from wire._compat import const
from wire.measurements import RELATIVE_HUMIDITY, TEMPERATURE
from wire.record import OK

from .i2c import probe_error
from .readings import failed, reading
from .sensirion import SensirionBus

ADDRESS = const(0x44)
_MEASURE_HIGH = const(0xFD)  # "Command Overview": high repeatability
_MEASURE_MS = const(10)  # a read before the conversion ends is not acknowledged
_SERIAL = const(0x89)
_HINT = "no power, or another variant: SHT4x-A listens at 0x44, -B at 0x45, -C at 0x46"


def temperature_centi(raw):
    """Return hundredths of a degree Celsius of a raw word: -45 + 175 * raw / 65535, rounded exactly.

    Numerator and denominator are divided by 5 so that the product stays a small int on the chip;
    13107 is odd, so there are no ties.
    """
    return (3500 * raw + 6553) // 13107 - 4500


def humidity_tenths(raw):
    """Return tenths of a percent of a raw word: -6 + 125 * raw / 65535, cropped to 0..100 %.

    "Conversion of Signal Output" asks for the crop: the formula reaches beyond by design.
    """
    return min(1000, max(0, (250 * raw + 6553) // 13107 - 60))


class SHT4x:
    """Driver: fetch() takes 10 ms and gives temperature and relative humidity."""

    MEASURES = (TEMPERATURE, RELATIVE_HUMIDITY)
    settle_ms = 1

    def __init__(self, bus, clock, address=ADDRESS):
        self._chip = SensirionBus(bus, clock, address, 2, command_bytes=1)
        self.raw_temperature = 0
        self.raw_humidity = 0

    def probe(self):
        """Return the serial number; raise DriverError that names the wiring fault."""
        chip = self._chip
        state = chip.read(_SERIAL, 2, 1)
        if state != OK:
            raise probe_error(state, chip.bus, chip.address, "SHT4x", _HINT, chip.error)
        return chip.word(0) << 16 | chip.word(1)

    def start(self):
        """Nothing to start: the chip sleeps between measurements by itself."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the readings of one measurement, an error as their state."""
        chip = self._chip
        state = chip.read(_MEASURE_HIGH, 2, _MEASURE_MS)
        if state != OK:
            return failed(self.MEASURES, state)
        self.raw_temperature = chip.word(0)
        self.raw_humidity = chip.word(1)
        return [
            reading(TEMPERATURE, temperature_centi(self.raw_temperature)),
            reading(RELATIVE_HUMIDITY, humidity_tenths(self.raw_humidity)),
        ]

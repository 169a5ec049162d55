"""Maxim DS18B20 thermometer on 1-Wire, here as soil temperature.

The bus is passed in and looks like MicroPython's onewire.OneWire: reset() -> bool, writebyte(b),
readinto(buf). One sensor a bus (skip ROM). 85 C is what the chip shows after power-up before any
conversion: such a value is measured once more, and refused only when it could be nothing else.
"""

from wire._compat import const
from wire.measurements import SOIL_TEMPERATURE
from wire.record import CHECKSUM, FAULT, NO_ANSWER, NOT_READY, OK, STATE_NAMES, TIMEOUT

from .errors import DriverError
from .readings import failed, reading

_SKIP_ROM = const(0xCC)
_CONVERT = const(0x44)
_READ_SCRATCHPAD = const(0xBE)
_READ_ROM = const(0x33)
_FAMILY = const(0x28)
_CONVERT_MS = const(750)  # 12 bits
_POWER_ON = const(0x0550)


def crc8(buf, n):
    """Return the Dallas CRC (polynomial 0x31 reflected: 0x8C, initial value 0) of buf[:n]."""
    crc = 0
    for i in range(n):
        crc ^= buf[i]
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8C if crc & 1 else crc >> 1
    return crc


def centi(raw):
    """Return hundredths of a degree of a signed number of sixteenths, half away from zero."""
    return (raw * 25 + 2) // 4 if raw >= 0 else -((-raw * 25 + 2) // 4)


class DS18B20:
    """Driver: fetch() takes 0.75 s, and as long again when it reads exactly 85 C.

    measurement: the id that the temperature is reported as.
    """

    settle_ms = 0
    fetch_ms = _CONVERT_MS

    def __init__(self, bus, clock, measurement=SOIL_TEMPERATURE):
        self.MEASURES = (measurement,)
        self._bus = bus
        self._clock = clock
        self._scratchpad = bytearray(9)
        self._rom = bytearray(8)

    def probe(self):
        """Return the ROM code as hex; raise DriverError that names the wiring fault."""
        state = self._command(_READ_ROM, skip=False)
        if state != OK:
            raise DriverError(
                state,
                "DS18B20: no presence pulse: not wired, no 4.7 kOhm pull-up, or data swapped with ground",
            )
        state = self._read(self._rom, 8)
        if state != OK:
            text = "ROM code " + STATE_NAMES[state] + ": a long line, or more than one sensor on this pin"
            raise DriverError(state, "DS18B20: " + text)
        if self._rom[0] != _FAMILY:
            raise DriverError(FAULT, "DS18B20: family 0x%02x, not 0x28: another chip" % self._rom[0])
        return bytes(self._rom).hex()

    def start(self):
        """Nothing to start: the chip sleeps between conversions."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the temperature, an error as its state."""
        state, raw = self._measure()
        if state == OK and raw == _POWER_ON:
            state, raw = self._measure()
            if state == OK and raw == _POWER_ON and self._scratchpad[6] == 0x0C:
                # Byte 6 counts within a degree: 0x0C is its value after power-up, when nothing was converted.
                state = NOT_READY
        if state != OK:
            return failed(self.MEASURES, state)
        return [reading(self.MEASURES[0], centi(raw - 65536 if raw & 0x8000 else raw))]

    def _measure(self):
        """Return (state, raw word) of one conversion."""
        state = self._command(_CONVERT)
        if state != OK:
            return state, 0
        self._clock.sleep_ms(_CONVERT_MS)
        state = self._command(_READ_SCRATCHPAD)
        if state == OK:
            state = self._read(self._scratchpad, 9)
        return state, self._scratchpad[1] << 8 | self._scratchpad[0]

    def _command(self, code, skip=True):
        try:
            if not self._bus.reset():
                return NO_ANSWER
            if skip:
                self._bus.writebyte(_SKIP_ROM)
            self._bus.writebyte(code)
        except OSError:
            return NO_ANSWER
        return OK

    def _read(self, buf, n):
        try:
            self._bus.readinto(buf)
        except OSError:
            return TIMEOUT
        if not any(buf):  # all zero has a right CRC: the line is held low
            return FAULT
        return OK if crc8(buf, n - 1) == buf[n - 1] else CHECKSUM

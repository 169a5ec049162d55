"""Texas Instruments INA219: voltage and current of a solar panel or a battery on I2C.

Single conversions; the chip sleeps between them. There is no checksum: registers are read twice.
Facts are those of the chip's data sheet: 16-bit registers, shunt voltage in 10 uV, bus voltage in 4 mV.
"""

from wire._compat import const
from wire.measurements import CURRENT, SOLAR
from wire.record import CHECKSUM, NO_ANSWER, OK, OVERLOAD, TIMEOUT

from .i2c import probe_error
from .readings import failed, reading
from .registers import Registers

_CONFIG = const(0x00)
_SHUNT = const(0x01)
_BUS = const(0x02)
# 32 V range, shunt range +-320 mV, 12 bits, both once. The mode in the low bits starts the conversion.
_ONCE = b"\x39\x9b"
_SLEEP = b"\x39\x98"
_CONVERT_MS = const(2)  # twice 586 us
_PATIENCE_MS = const(20)
_READY = const(0x02)
_OVERFLOW = const(0x01)


class INA219:
    """Driver. shunt_mohm: resistance of the shunt. Current is positive from IN+ to IN-.

    voltage: the measurement that the bus voltage is (SOLAR or BATTERY).
    """

    settle_ms = 1

    def __init__(self, bus, clock, address=0x40, shunt_mohm=100, voltage=SOLAR):
        self.MEASURES = (voltage, CURRENT)
        self._chip = Registers(bus, address)
        self._clock = clock
        self._shunt_mohm = shunt_mohm
        self._word = bytearray(2)
        self._again = bytearray(2)

    def probe(self):
        """Return the configuration register; raise DriverError that names the wiring fault."""
        chip = self._chip
        state = chip.write(_CONFIG, _SLEEP)
        if state == OK:
            state = chip.read(_CONFIG, self._word)
        if state == OK and bytes(self._word) != _SLEEP:
            state = CHECKSUM
        if state != OK:
            raise probe_error(
                state, chip.bus, chip.address, "INA219", "no power, or A0/A1 set otherwise", chip.error
            )
        return self._word[0] << 8 | self._word[1]

    def start(self):
        """Nothing to start."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return voltage and current of one conversion."""
        if self._chip.write(_CONFIG, _ONCE) != OK:
            return failed(self.MEASURES, NO_ANSWER)
        clock = self._clock
        clock.sleep_ms(_CONVERT_MS)
        began = clock.ticks_ms()
        while True:
            state, bus = self._register(_BUS)
            if state != OK:
                return failed(self.MEASURES, state)
            if bus & _READY:
                break
            if clock.ticks_diff(clock.ticks_ms(), began) >= _PATIENCE_MS:
                return failed(self.MEASURES, TIMEOUT)
            clock.sleep_ms(1)
        state, shunt = self._register(_SHUNT)
        if state != OK:
            return failed(self.MEASURES, state)
        if shunt & 0x8000:
            shunt -= 65536
        quality = OVERLOAD if bus & _OVERFLOW or abs(shunt) >= 32000 else OK
        # 10 uV over mOhm is 10 mA: tenths of a mA are 100 * shunt / mOhm, rounded half away from zero.
        tenths = (abs(shunt) * 200 + self._shunt_mohm) // (2 * self._shunt_mohm)
        return [
            reading(self.MEASURES[0], (bus >> 3) * 4),
            reading(CURRENT, -tenths if shunt < 0 else tenths, quality),
        ]

    def _register(self, register):
        """Return (state, word), read twice."""
        state = self._chip.read(register, self._word)
        if state == OK:
            state = self._chip.read(register, self._again)
        if state == OK and self._word != self._again:
            state = CHECKSUM
        return state, self._word[0] << 8 | self._word[1]

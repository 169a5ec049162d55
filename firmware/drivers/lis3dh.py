"""ST LIS3DH accelerometer on I2C: tilt of a bin or a mast from the position of its installation.

Headings in comments are those of the data sheet's register descriptions. No checksum: the six data
bytes are latched (block data update), and the length of what should be gravity is checked.
"""

from wire._compat import const
from wire.measurements import TILT
from wire.record import DEGRADED, FAULT, NO_ANSWER, OK, TIMEOUT, WARMUP

from .angles import angle_tenths
from .errors import DriverError
from .i2c import probe_error
from .readings import failed, reading
from .registers import Registers

_WHO_AM_I = const(0x0F)
_I_AM = const(0x33)
_CTRL1 = const(0x20)
_CTRL3 = const(0x22)
_CTRL4 = const(0x23)
_CTRL5 = const(0x24)
_STATUS = const(0x27)
_OUT = const(0x28 | 0x80)  # the high bit counts the register number up
_INT1_CFG = const(0x30)
_INT1_SRC = const(0x31)
_INT1_THS = const(0x32)
_INT1_DUR = const(0x33)
_MOVEMENT = const(0x7F)  # INT1_CFG: 6-direction movement on every axis
_ACTIVE = const(0x40)  # INT1_SRC: an interrupt came

_ON_10_HZ = b"\x27"  # CTRL_REG1: 10 Hz, three axes
_OFF = b"\x00"
_HIGH_RES_2G = b"\x88"  # CTRL_REG4: block data update, +-2 g, high resolution: 1 mg a digit
_ALL_NEW = const(0x08)  # STATUS_REG: new data on all axes
_PATIENCE_MS = const(300)
# Standing still it feels 1 g; less or more is motion, a blow, or a broken axis.
_REST_LOW_MG2 = const(850 * 850)
_REST_HIGH_MG2 = const(1150 * 1150)


class LIS3DH:
    """Driver. upright: (x, y, z) in mg as at(...) gave it at installation.

    watch_mg: other than 0, it stays on between measurements and moved() tells whether it has been turned.

    mg: the last acceleration. Readings taken while it moves are DEGRADED.
    """

    MEASURES = (TILT,)
    settle_ms = 800  # 7 samples after switching on in high resolution

    def __init__(self, bus, clock, address=0x18, upright=(0, 0, 1000), watch_mg=0):
        self._chip = Registers(bus, address)
        self._clock = clock
        self._upright = tuple(upright)
        self._watch_mg = watch_mg
        self._armed = False
        self._one = bytearray(1)
        self._out = bytearray(6)
        self._started = 0
        self._settled = False
        self.mg = (0, 0, 0)

    def probe(self):
        """Return the identity; raise DriverError that names the wiring fault."""
        chip = self._chip
        state = chip.read(_WHO_AM_I, self._one)
        if state != OK:
            hint = "no power, CS not high, or SDO tied to the other level (0x18 low, 0x19 high)"
            raise probe_error(state, chip.bus, chip.address, "LIS3DH", hint, chip.error)
        if self._one[0] != _I_AM:
            raise DriverError(FAULT, "LIS3DH: identity 0x%02x, not 0x33: another chip" % self._one[0])
        return self._one[0]

    def start(self):
        """Switch on; a silent chip shows in fetch()."""
        self._chip.write(_CTRL4, _HIGH_RES_2G)
        self._chip.write(_CTRL1, _ON_10_HZ)
        self._started = self._clock.ticks_ms()
        self._settled = False

    def stop(self):
        """Switch off, or go on watching."""
        if not self._watch_mg:
            self._chip.write(_CTRL1, _OFF)
        elif not self._armed:
            self._armed = self.arm(self._watch_mg) == OK
            self.why()

    def moved(self):
        """Return whether the position changed since the last call; None while it cannot tell."""
        if not self._armed:
            return None
        found = self.why()
        if found is None or self._chip.read(_INT1_CFG, self._one) != OK or self._one[0] != _MOVEMENT:
            self._armed = False  # it lost its supply: armed anew after the next measurement
            return None
        return bool(found & _ACTIVE)

    def fetch(self):
        """Return the angle to the installed position."""
        state = self._acceleration()
        if state != OK:
            return failed(self.MEASURES, state)
        x, y, z = self.mg
        length2 = x * x + y * y + z * z
        if length2 == 0:
            return failed(self.MEASURES, FAULT)
        state = self._settling()
        if state == OK and not _REST_LOW_MG2 <= length2 <= _REST_HIGH_MG2:
            state = DEGRADED
        return [reading(TILT, angle_tenths(self.mg, self._upright), state)]

    def at(self):
        """Return the acceleration (x, y, z) in mg to be kept as `upright`, or None."""
        return self.mg if self._acceleration() == OK else None

    def arm(self, threshold_mg, samples=2):
        """Raise INT1 when the position changes (6D) beyond threshold_mg: it can wake the node."""
        threshold = bytes([max(1, min(127, threshold_mg // 16))])  # 16 mg a digit at +-2 g
        steps = (
            (_CTRL3, b"\x40"),  # interrupt activity 1 on INT1
            (_CTRL5, b"\x08"),  # kept until INT1_SRC is read
            (_INT1_THS, threshold),
            (_INT1_DUR, bytes([min(127, samples)])),
            (_INT1_CFG, bytes([_MOVEMENT])),  # 6D movement on any axis
        )
        for register, data in steps:
            if self._chip.write(register, data) != OK:
                return NO_ANSWER
        return OK

    def why(self):
        """Return the interrupt source register and clear it; None without answer."""
        return self._one[0] if self._chip.read(_INT1_SRC, self._one) == OK else None

    def _settling(self):
        if not self._settled:
            age = self._clock.ticks_diff(self._clock.ticks_ms(), self._started)
            if 0 <= age < self.settle_ms:
                return WARMUP
            self._settled = True
        return OK

    def _acceleration(self):
        clock = self._clock
        began = clock.ticks_ms()
        while True:
            state = self._chip.read(_STATUS, self._one)
            if state != OK:
                return state
            if self._one[0] & _ALL_NEW:
                break
            if clock.ticks_diff(clock.ticks_ms(), began) >= _PATIENCE_MS:
                self.start()  # it may have lost its supply and with it its settings
                return TIMEOUT
            clock.sleep_ms(10)
        state = self._chip.read(_OUT, self._out)
        if state == OK:
            self.mg = tuple([self._axis(i) for i in (0, 2, 4)])
        return state

    def _axis(self, i):
        """Return mg: 12 bits, left-justified, least significant byte first."""
        word = self._out[i + 1] << 8 | self._out[i]
        return (word - 65536 if word & 0x8000 else word) >> 4

"""ST VL53L1X time-of-flight ranger on I2C: several single shots and their median.

The start-up values and the result registers are those of ST's ultra lite driver (STSW-IMG009, UM2510).
A distance counts only with range status 0 and enough light back, and only when most shots agree that
there is a target: without one this sensor reports ghosts at 100 to 500 mm now and then.
"""

from wire._compat import const
from wire.measurements import DISTANCE
from wire.record import FAULT, NO_ANSWER, OK, OUT_OF_RANGE, TIMEOUT

from .errors import DriverError
from .i2c import probe_error
from .ranging import median
from .readings import failed, reading
from .registers import Registers

ADDRESS = const(0x29)
_VHV_BOUND = const(0x0008)
_VHV_START = const(0x000B)
_CONFIG = const(0x002D)
_POLARITY = const(0x0030)
_DATA_READY = const(0x0031)
_PHASECAL = const(0x004B)
_TIMING = const(0x005E)  # timeout A (2 bytes), VCSEL period A, timeout B (2), VCSEL period B
_PHASE_HIGH = const(0x0069)
_WOI = const(0x0078)
_ROI = const(0x007F)  # centre, then size
_CLEAR = const(0x0086)
_MODE = const(0x0087)
_RESULT = const(0x0089)  # 17 bytes
_BOOTED = const(0x00E5)
_MODEL_ID = const(0x010F)
_EACC = b"\xea\xcc"

# Registers 0x2D to 0x85 as the ultra lite driver sets them: long mode, 100 ms, interrupt active high, I2C
# pulled up to the supply (0x2E). The interrupt is cleared and the mode set afterwards.
_DEFAULTS = (
    b"\x00\x01\x00\x01\x02\x00\x02\x08\x00\x08\x10\x01\x01\x00\x00\x00\x00\xff\x00\x0f\x00\x00\x00\x00\x00\x20"
    b"\x0b\x00\x00\x02\x0a\x21\x00\x00\x05\x00\x00\x00\x00\xc8\x00\x00\x38\xff\x01\x00\x08\x00\x00\x01\xdb\x0f"
    b"\x01\xf1\x0d\x01\x68\x00\x80\x08\xb8\x00\x00\x00\x00\x0f\x89\x00\x00\x00\x00\x00\x00\x00\x01\x0f\x0d\x0e"
    b"\x0e\x00\x00\x02\xc7\xff\x9b\x00\x00\x00\x01"
)
# What short mode (up to 1.3 m, little disturbed by daylight) at 100 ms changes.
_SHORT = (
    (_PHASECAL, b"\x14"),
    (_TIMING, b"\x02\xe1\x07\x03\x88\x05"),
    (_PHASE_HIGH, b"\x38"),
    (_WOI, b"\x07\x05\x06\x06"),
)
_SINGLE_SHOT = b"\x10"
_CONTINUOUS = b"\x40"
_OFF = b"\x00"
_SHOT_PATIENCE_MS = const(400)
_BOOT_PATIENCE_MS = const(50)
_RANGE_OK = const(9)  # code of status 0 in the result register
_HARDWARE = const(3)  # code of status 5
MIN_MM = const(40)
MAX_MM = const(4000)


class VL53L1X:
    """Driver. roi: (width, height) in SPADs, 4 to 16: a narrower view past the walls of a bin.

    measurement: DISTANCE, or DISTANCE_LIGHT beside a sensor that measures by sound.
    spread_mm, kcps: spread of the good shots and light of the weakest of them, of the last fetch.
    """

    MEASURES = (DISTANCE,)
    settle_ms = 300  # the calibration shot in start()

    def __init__(
        self,
        bus,
        clock,
        address=ADDRESS,
        samples=5,
        short=False,
        roi=(16, 16),
        min_kcps=1000,
        measurement=DISTANCE,
    ):
        self.MEASURES = (measurement,)
        self._chip = Registers(bus, address, wide=True)
        self._clock = clock
        self._samples = samples
        self._short = short
        self._roi = roi
        self._min_kcps = min_kcps
        self._configured = False
        self._one = bytearray(1)
        self._result = bytearray(17)
        self._distances = []
        self.fetch_ms = samples * 130
        self.spread_mm = 0
        self.kcps = 0

    def probe(self):
        """Return the model id; raise DriverError that names the wiring fault."""
        chip = self._chip
        model = bytearray(2)
        state = chip.read(_MODEL_ID, model)
        if state != OK:
            raise probe_error(
                state, chip.bus, chip.address, "VL53L1X", "no power, or XSHUT held low", chip.error
            )
        if model != _EACC:
            text = "VL53L1X at 0x%02x: model id %02x%02x, not eacc: " % (chip.address, model[0], model[1])
            raise DriverError(FAULT, text + "another chip (a VL53L0X has this address too)")
        return 0xEACC

    def start(self):
        """Configure the chip; where that fails fetch() does it later."""
        self._configured = self._configure() == OK

    def stop(self):
        """End ranging; the chip waits by itself."""
        self._chip.write(_MODE, _OFF)

    def fetch(self):
        """Return the median of the good shots, OUT_OF_RANGE where most saw no target."""
        if not self._configured or not self._kept():
            state = self._configure()
            if state != OK:
                return failed(self.MEASURES, state)
            self._configured = True
        self._distances.clear()
        self.kcps = 0
        broken = 0
        for _ in range(self._samples):
            state = self._shot(_SINGLE_SHOT)
            if state != OK:
                self._configured = False  # it may have lost its supply and with it all settings
                return failed(self.MEASURES, state)
            broken += self._result[0] & 0x1F == _HARDWARE
            self._take()
        needed = self._samples // 2 + 1
        if len(self._distances) >= needed:
            self.spread_mm = max(self._distances) - min(self._distances)
            return [reading(self.MEASURES[0], median(self._distances))]
        return failed(self.MEASURES, FAULT if broken >= needed else OUT_OF_RANGE)

    def _take(self):
        """Keep the distance of the last shot if it is one."""
        result = self._result
        kcps = (result[15] << 8 | result[16]) * 1000 // 128  # 9.7 fixed point, in millions a second
        if result[0] & 0x1F != _RANGE_OK or kcps < self._min_kcps:
            return
        distance = ((result[13] << 8 | result[14]) * 2011 + 1024) // 2048
        if MIN_MM <= distance <= MAX_MM:
            self._distances.append(distance)
            self.kcps = kcps if not self.kcps else min(kcps, self.kcps)

    def _kept(self):
        """Return whether the chip still has our settings: after a dip the polarity is another."""
        return self._chip.read(_POLARITY, self._one) == OK and self._one[0] == _DEFAULTS[_POLARITY - _CONFIG]

    def _configure(self):
        chip = self._chip
        state = self._wait(_BOOTED, 1, _BOOT_PATIENCE_MS)
        if state != OK:
            return state
        width, height = [max(4, min(16, n)) for n in self._roi]
        steps = [(_MODE, _OFF), (_CONFIG, _DEFAULTS)]
        if self._short:
            steps += _SHORT
        # Wide views must be centred; narrow ones are here.
        steps.append((_ROI, bytes([199, (height - 1) << 4 | (width - 1)])))
        for register, data in steps:
            if chip.write(register, data) != OK:
                return NO_ANSWER
        state = self._shot(_CONTINUOUS)  # one shot to calibrate itself, then only from the last temperature
        if state != OK:
            return state
        for register, data in ((_MODE, _OFF), (_VHV_BOUND, b"\x09"), (_VHV_START, b"\x00")):
            if chip.write(register, data) != OK:
                return NO_ANSWER
        return OK

    def _shot(self, mode):
        """Range once; the result block is in _result after OK."""
        chip = self._chip
        if chip.write(_CLEAR, b"\x01") != OK or chip.write(_MODE, mode) != OK:
            return NO_ANSWER
        state = self._wait(_DATA_READY, 1, _SHOT_PATIENCE_MS)
        if state == OK:
            state = chip.read(_RESULT, self._result)
        if state == OK:
            state = chip.write(_CLEAR, b"\x01")
        return state

    def _wait(self, register, bit, patience_ms):
        """Wait until a bit of a register is 1."""
        clock = self._clock
        began = clock.ticks_ms()
        while True:
            state = self._chip.read(register, self._one)
            if state == OK and self._one[0] & bit:
                return OK
            if clock.ticks_diff(clock.ticks_ms(), began) >= patience_ms:
                return TIMEOUT if state == OK else state
            clock.sleep_ms(5)

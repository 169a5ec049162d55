"""The noise meter of a node: microphone, levels and the words for what is wrong with them.

measure() gives readings in tenths of a decibel. A level that cannot be defended is never given: a fault is a
state without a number, and `status` names it; what only limits a level (overload, a gap, the microphone's own
noise) is a state beside the number.
"""

from array import array
from binascii import crc32

from drivers.errors import DriverError
from drivers.i2s_line import FAULTS, LineCheck
from drivers.i2s_mic import I2SMicrophone
from drivers.readings import failed, reading
from kernels.levels import SoundLevels
from kernels.noise import kernels
from wire._compat import const
from wire.measurements import (
    BAND_FIRST,
    BANDS,
    LA1,
    LA10,
    LA50,
    LA90,
    LA95,
    LA99,
    LAEQ,
    LAFMAX,
    LAFMIN,
    LASMAX,
    LCEQ,
    LCPEAK,
    LZEQ,
    SOUND_DRIFT,
    SOUND_NOTES,
    SOUND_RAIN,
    SOUND_WIND,
    band_hz,
)
from wire.record import BELOW_FLOOR, DEGRADED, FAULT, GAP, OK, OVERLOAD, TIMEOUT
from wire.sound import NOT_1KHZ, TOO_FAR, UNSTEADY

_OVERLOAD_RAW = const(0x7F000000)  # within 0.07 dB of full scale, where the acoustic overload point lies
_DRIFT_PPM = const(2000)  # beyond it the rate is not what the filters were made for; crystals keep 100
_WRONG_RATE_PPM = const(15000)
_SAME_BLOCKS = const(4)  # half a second of the very same samples is not sound
_CHECKED_BYTES = const(384)
_HUM_C_MINUS_A = const(24000)  # 50 Hz: 28.9 dB, 60 Hz: 25.4 dB
_SINE_CREST = const(4500)  # a sine's peak is 3.0 dB over its level, the sound of a street 10 or more
_WIND_Z_MINUS_C = const(6000)  # rumble under 20 Hz that no traffic makes
# Rain on a housing: bright, steady, and no pure tone. An estimate from spectra of white noise, see README.
_RAIN_C_MINUS_A = const(1500)
_RAIN_SPREAD = const(3000)  # LA10 - LA90; a street moves by 5 dB and more within a minute
_RAIN_CREST = const(8000)  # tones stay below, noise above
_RAIN_LEAST = const(45000)
_MINUTES = const(15)
_RAW_BITS = const(11)  # of the ring: level, then 4 bits of state, then 1 "was sent"
_RAW_MASK = const(0x7FF)
_SENT = const(0x8000)
_NO_LEVEL = ("no_data", "wrong_rate", "repeating_data", "hum")

# What can stand in `status` beside drivers.i2s_line.FAULTS.
NOTES = {
    "no_data": "the I2S bus gives no frames",
    "wrong_rate": "frames come more than 1.5 % too fast or too slow: the filters would not fit",
    "clock_drift": "the sampling rate is off by more than 0.2 %",
    "repeating_data": "the same block comes again and again: the DMA buffer is not being filled",
    "hum": "a pure tone of the mains drowns the sound: supply or ground of the microphone",
    "gap": "frames were lost: the reader came too late",
    "overload": "the sound reached the top of the microphone's range",
    "below_floor": "less than the microphone's own noise",
    "wind": "strong rumble below 20 Hz: wind on the microphone",
    "rain": "steady, bright noise: rain on the housing, most likely",
}


class CalibrationError(DriverError):
    """What a calibrator cannot be. outcome: of wire.sound.OUTCOMES."""

    def __init__(self, outcome, text):
        DriverError.__init__(self, FAULT, "calibrator: " + text)
        self.outcome = outcome


class NoiseMeter:
    """Measures sound levels with an I2S microphone.

    i2s: machine.I2S in receive mode, 32 bits, stereo. clock: as the time module.
    slot: 0 left, 1 right. sensitivity_mdbfs: level of 94 dB at 1 kHz re a full-scale sine (-26000).
    response: "ics43434" undoes that part's own response; "" takes the microphone as flat.
    octaves: of third-octave bands, from 20 kHz down; 10 reach 25 Hz, 0 for none. 48 kHz only.
    calibration_mdb: what a calibrator added to that. self_noise_mdb: A-weighted, None to not correct.
    every: all levels; else those of BASIC, for shorter frames.
    """

    BASIC = (LAEQ, LAFMAX, LAFMIN, LA10, LA50, LA90, LCEQ, LCPEAK)
    MEASURES = BASIC + (LA1, LA95, LA99, LASMAX, LZEQ, SOUND_NOTES)

    def __init__(
        self,
        i2s,
        clock,
        rate_hz=48000,
        slot=0,
        sensitivity_mdbfs=-26000,
        calibration_mdb=0,
        self_noise_mdb=29000,
        warmup_ms=500,
        block_ms=125,
        response="",
        octaves=0,
        every=True,
    ):
        engine = kernels(rate_hz, response)
        if not every:
            self.MEASURES = self.BASIC
        self.calibration_mdb = calibration_mdb
        self._microphone = I2SMicrophone(i2s, clock, rate_hz, block_ms)
        full_scale_mdb = 94000 - sensitivity_mdbfs + calibration_mdb
        self._levels = SoundLevels(rate_hz, full_scale_mdb, self_noise_mdb, block_ms, engine, response)
        self._line = LineCheck(engine, slot)
        self._bank = None
        if octaves:
            if rate_hz != 48000:
                raise ValueError("octaves: third octaves need rate_hz 48000")
            from kernels.octaves import ThirdOctaves

            self._bank = ThirdOctaves(full_scale_mdb, octaves)
        self._slot = slot
        self._block_ms = block_ms
        self._warmup = (warmup_ms + block_ms - 1) // block_ms
        self._second = 1000 // block_ms
        self._seconds = array("H", bytes(2 * 60 * _MINUTES))  # LAeq of seconds, 0.1 dB; 0: none
        self._ends_s = array("I", bytes(4 * 60 * _MINUTES))  # uptime at their ends
        self._n_seconds = 0
        self.uptime_ms = lambda: 0
        self._last = self._same = 0
        self.status = []
        self.captured = None
        self.on_second = None  # called with a kernels.levels.Interval after each second of a measurement

    def measure(self, duration_ms):
        """Listen for duration_ms (rounded up to blocks) after the warm-up; return the readings."""
        blocks = (duration_ms + self._block_ms - 1) // self._block_ms
        first = self._n_seconds
        try:
            self.captured = self._microphone.capture(self._warmup + blocks, self._take)
            readings = self._judged()
            self._mark_seconds(first, None if self._is_broken() else readings[0][2])
            return readings
        finally:
            self._levels.forget()
            self._line.restart()

    def _judged(self):
        levels = self._levels
        self.status = []
        fault = self._fault()
        if fault is not None:
            self.status.append(fault)
            state = FAULTS[fault][0] if fault in FAULTS else TIMEOUT if fault == "no_data" else FAULT
            return failed(self.MEASURES, state)
        low, high = levels.extremes()
        state = OK
        for note, is_so, its_state in (
            ("wind", levels.lzeq() - levels.lceq() > _WIND_Z_MINUS_C, OK),
            ("rain", self._is_rain(), OK),
            ("clock_drift", abs(self.captured.drift_ppm) > _DRIFT_PPM, DEGRADED),
            ("gap", self.captured.gaps, GAP),
            ("below_floor", levels.is_below_floor(), BELOW_FLOOR),
            ("overload", high >= _OVERLOAD_RAW or low <= -_OVERLOAD_RAW, OVERLOAD),
        ):
            if is_so:
                self.status.append(note)
                state = its_state or state
        return self._readings(state)

    def _is_broken(self):
        return any(note in FAULTS or note in _NO_LEVEL for note in self.status)

    def _is_rain(self):
        levels = self._levels
        a, c, peak = levels.laeq(), levels.lceq(), levels.lcpeak()
        _, _, la90, _, la10, _ = levels.percentiles()
        return (
            a > _RAIN_LEAST
            and c - a < _RAIN_C_MINUS_A
            and la10 - la90 < _RAIN_SPREAD
            and peak - c > _RAIN_CREST
        )

    def _mark_seconds(self, first, state):
        """Give the seconds from `first` on the state of their measurement; None: they are no levels."""
        ring = self._seconds
        for i in range(max(first, self._n_seconds - len(ring)), self._n_seconds):
            at = i % len(ring)
            ring[at] = 0 if state is None else (ring[at] & _RAW_MASK) | state << _RAW_BITS

    def _indices(self):
        n = self._n_seconds
        return range(max(0, n - len(self._seconds)), n)

    def seconds(self):
        """Return LAeq of the last seconds measured, oldest first, in tenths of a decibel: 15 minutes."""
        ring = self._seconds
        return [ring[i % len(ring)] & _RAW_MASK for i in self._indices()]

    def take_seconds(self, first_s, last_s):
        """Return [(uptime in s at its end, raw, state)] of the seconds in between; each is given once."""
        ring, found = self._seconds, []
        for i in self._indices():
            at = i % len(ring)
            word = ring[at]
            if word & _RAW_MASK and not word & _SENT and first_s <= self._ends_s[at] <= last_s:
                found.append((self._ends_s[at], word & _RAW_MASK, word >> _RAW_BITS & 15))
                ring[at] = word | _SENT
        return found

    def set_calibration(self, calibration_mdb):
        """Measure with another calibration from now on."""
        shift = calibration_mdb - self.calibration_mdb
        self.calibration_mdb = calibration_mdb
        self._levels.shift(shift)
        if self._bank is not None:
            self._bank.shift(shift)

    def bands(self):
        """Return third-octave levels of the last measurement, [(nominal Hz, tenths of a decibel or None)].

        Unweighted, without the correction of a microphone's response; empty without a bank, or after a fault.
        """
        if self._bank is None or self._is_broken():
            return []
        return [(name, None if mdb is None else (mdb + 50) // 100) for name, mdb in self._bank.levels()]

    def band_readings(self):
        """Return bands() from 25 Hz on as readings, or nothing unless all thirty are there."""
        found = []
        for name, raw in self.bands():
            i = _band(name)
            if i >= 3:
                decibels = 0 if raw is None else min(127, max(0, (raw + 5) // 10))
                found.append((BAND_FIRST + i, decibels, OK))
        found.sort()
        return found if len(found) == BANDS - 3 else []

    def calibrate(self, reference_mdb=94000, duration_ms=5000):
        """Listen to a calibrator at 1 kHz; return what to add to calibration_mdb, in mdb.

        Raises DriverError, naming why, when what it hears is not a steady tone near the reference. What was
        heard is no sound of the street: its seconds are forgotten.
        """
        first = self._n_seconds
        try:
            self.measure(duration_ms)
            return self._correction(reference_mdb, first)
        finally:
            self._mark_seconds(first, None)

    def _correction(self, reference_mdb, first):
        levels = self._levels
        if [note for note in self.status if note not in ("wind", "rain")]:
            raise DriverError(FAULT, "calibrator: " + ", ".join(self.status))
        a, c, peak = levels.laeq(), levels.lceq(), levels.lcpeak()
        heard = self.seconds()[first - self._n_seconds :]
        if max(heard) - min(heard) > 2:
            raise CalibrationError(UNSTEADY, "the level is not steady; wait until it has settled")
        # At 1 kHz A and C are equal by definition, and a sine's crest is 3.01 dB.
        if abs(a - c) > 300 or abs(peak - c - 3010) > 300:
            raise CalibrationError(NOT_1KHZ, "not a pure tone of 1 kHz; seat the coupler and try again")
        if abs(reference_mdb - c) > 6000:
            raise CalibrationError(TOO_FAR, "more than 6 dB off; check the part's sensitivity first")
        return reference_mdb - c

    def _fault(self):
        captured, levels = self.captured, self._levels
        if captured.timeouts:
            return "no_data"
        fault = self._line.fault()
        if fault is not None:
            return fault
        if abs(captured.drift_ppm) > _WRONG_RATE_PPM:
            return "wrong_rate"
        if self._same >= _SAME_BLOCKS:
            return "repeating_data"
        a, c, peak = levels.laeq(), levels.lceq(), levels.lcpeak()
        if a is None or c is None:
            return "line_constant"
        if c - a > _HUM_C_MINUS_A and peak - c < _SINE_CREST:
            return "hum"
        return None

    def _take(self, frames, index):
        """Give one block to the levels; the interval begins after the warm-up."""
        levels = self._levels
        if index == self._warmup:
            levels.restart()
            self._line.restart()
            self._last = self._same = 0
            if self._bank:
                self._bank.restart()
        if self._bank:
            self._bank.block(frames, self._slot, len(frames) // 8)
        levels.block(frames, self._slot, self._block_ms)
        self._line.block(frames)
        if index < self._warmup:
            return
        check = crc32(memoryview(frames)[:_CHECKED_BYTES])
        self._same = self._same + 1 if check == self._last else 0
        self._last = check
        if (index - self._warmup + 1) % self._second == 0:
            level = levels.lap.laeq()
            ring = self._seconds
            at = self._n_seconds % len(ring)
            ring[at] = 0 if level is None else min(1500, max(0, (level + 50) // 100))
            self._ends_s[at] = self.uptime_ms() // 1000
            self._n_seconds += 1
            if self.on_second is not None:
                self.on_second(levels.lap)
            levels.lap.restart()

    def _readings(self, state):
        levels = self._levels
        la99, la95, la90, la50, la10, la1 = levels.percentiles()
        values = (
            levels.laeq(),
            levels.lafmax(),
            levels.lafmin(),
            la10,
            la50,
            la90,
            levels.lceq(),
            levels.lcpeak(),
            la1,
            la95,
            la99,
            levels.lasmax(),
            levels.lzeq(),
        )
        readings = [
            reading(measure, None if value is None else (value + 50) // 100, state)
            for measure, value in zip(self.MEASURES, values)
        ]
        if SOUND_NOTES in self.MEASURES:
            readings.append((SOUND_NOTES, self._notes(), state))
        return readings

    def _notes(self):
        return (
            (SOUND_WIND if "wind" in self.status else 0)
            | (SOUND_RAIN if "rain" in self.status else 0)
            | (SOUND_DRIFT if "clock_drift" in self.status else 0)
        )


def _band(name):
    """Return the place in band_hz() of a band's nominal frequency."""
    return band_hz().index(str(name).replace(".", "_"))

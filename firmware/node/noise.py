"""The noise meter of a node: microphone, levels and the words for what is wrong with them.

measure() gives readings in tenths of a decibel. A level that cannot be defended is never given: a fault is a
state without a number, and `status` names it; what only limits a level (overload, a gap, the microphone's own
noise) is a state beside the number.
"""

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

from .seconds import Seconds

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
_LEAST_OF_A_SECOND_MS = const(500)
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


def _is_overload(interval):
    return interval.high >= _OVERLOAD_RAW or interval.low <= -_OVERLOAD_RAW


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
    every: all levels; else those of BASIC, for shorter frames. ring_ms: what the I2S buffer holds.

    Either measure(), which listens for so long; or begin(), then read() whenever due_in_us() says so, and
    close() at the end of each interval, which goes over into the next without a hole.
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
        piece_ms=32,
        ring_ms=250,
    ):
        engine = kernels(rate_hz, response)
        if not every:
            self.MEASURES = self.BASIC
        self.calibration_mdb = calibration_mdb
        self._microphone = I2SMicrophone(i2s, clock, rate_hz, piece_ms, ring_ms)
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
        self._piece_ms = piece_ms
        self._warmup = (warmup_ms + block_ms - 1) // block_ms
        self._warming = self._fed_ms = self._blocks = 0
        self._last = self._same = 0
        self._begun_ms = self._phase_ms = 0
        self._second = None  # number of the second that is under way
        self._bands = []
        self._was_cut = False
        self._gaps = 0  # of the interval, when that began
        self.seconds = Seconds()
        self.uptime_ms = lambda: 0
        self.status = []
        self.captured = None
        self.on_second = None  # called with a kernels.levels.Interval after each second

    def measure(self, duration_ms):
        """Listen for duration_ms (rounded up to blocks) after the warm-up; return the readings."""
        self.begin(False)
        try:
            self.listen(duration_ms)
            return self.close()
        finally:
            self.end()

    def end(self):
        """The receiver stops: nothing here holds a sample any more."""
        self._levels.drop_block()
        self._forget_samples()

    def begin(self, on_the_clock=True):
        """The receiver starts now. Seconds end as the clock's do, or are counted from the warm-up's end."""
        self._microphone.begin()
        self._was_cut = False
        self._levels.drop_block()
        self._warming = self._warmup
        self._fed_ms = 0
        self._begun_ms = self.uptime_ms()
        self._phase_ms = 0 if on_the_clock else -(self._begun_ms + self._warmup * self._block_ms)
        self._restart()
        self._restart_lap()

    def _restart_lap(self):
        self._levels.lap.restart()
        self._second = None

    def _restart(self):
        """A new interval begins, in the middle of a second and of a block, or not."""
        self._levels.restart()
        self._line.restart()
        if self._bank:
            self._bank.restart()
        self._last = self._same = self._blocks = 0
        self._first_second = self.seconds.n
        self._gaps = 0

    def due_in_us(self):
        """Return in how long to read(); below 0 it is late, and what the I2S buffer cannot hold is lost."""
        return self._microphone.due_in_us()

    def read(self):
        """Take a piece of sound; False when the line gives none."""
        good = False
        try:
            good = self._microphone.read(self._take)
            return good
        finally:
            if not good:
                self._forget_samples()

    def listen(self, duration_ms):
        """Read until the interval has heard duration_ms, or the line gives nothing."""
        wanted = self._blocks + (duration_ms + self._block_ms - 1) // self._block_ms
        while self._blocks < wanted and self.read():
            pass

    @property
    def heard_ms(self):
        """How much of the interval was heard so far."""
        return self._blocks * self._block_ms

    def close(self):
        """End the interval and begin the next; return the readings."""
        try:
            self.captured = self._microphone.take()
            readings = self._judged()
            if self._is_broken():
                self.seconds.forget(self._first_second)
            return readings
        finally:
            self._restart()
            self._was_cut = False

    def _judged(self):
        levels = self._levels
        self.status = []
        fault = self._fault(self.captured, levels)
        self._bands = [] if fault is not None or self._bank is None else self._bank.levels()
        if fault is not None:
            self.status.append(fault)
            state = FAULTS[fault][0] if fault in FAULTS else TIMEOUT if fault == "no_data" else FAULT
            return failed(self.MEASURES, state)
        state = OK
        for note, is_so, its_state in (
            ("wind", levels.lzeq() - levels.lceq() > _WIND_Z_MINUS_C, OK),
            ("rain", self._is_rain(), OK),
            ("clock_drift", abs(self.captured.drift_ppm) > _DRIFT_PPM, DEGRADED),
            ("gap", self.captured.gaps or self._was_cut, GAP),
            ("below_floor", levels.is_below_floor(), BELOW_FLOOR),
            ("overload", _is_overload(levels), OVERLOAD),
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

    def set_calibration(self, calibration_mdb):
        """Measure with another calibration from now on."""
        shift = calibration_mdb - self.calibration_mdb
        self.calibration_mdb = calibration_mdb
        self._levels.shift(shift)
        if self._bank is not None:
            self._bank.shift(shift)

    def bands(self):
        """Return third-octave levels of the last interval, [(nominal Hz, tenths of a decibel or None)].

        Unweighted, without the correction of a microphone's response; empty without a bank, or after a fault.
        """
        return [(name, None if mdb is None else (mdb + 50) // 100) for name, mdb in self._bands]

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
        self.begin(False)
        try:
            return self.calibrate_running(reference_mdb, duration_ms)
        finally:
            self.end()

    def calibrate_running(self, reference_mdb, duration_ms):
        """Do it in the middle of an interval: what went before of that is dropped, and it has a gap."""
        first = self._first_second
        self._microphone.take()
        self._restart()
        self._restart_lap()
        try:
            self.listen(duration_ms)
            levels = self._levels
            a, c, peak = levels.laeq(), levels.lceq(), levels.lcpeak()
            heard = self.seconds.levels(self._first_second)
            self.close()
            return self._correction(reference_mdb, a, c, peak, heard)
        finally:
            self.seconds.forget(first)
            self._was_cut = True

    def _correction(self, reference_mdb, a, c, peak, heard):
        if [note for note in self.status if note not in ("wind", "rain")]:
            raise DriverError(FAULT, "calibrator: " + ", ".join(self.status))
        if max(heard) - min(heard) > 2:
            raise CalibrationError(UNSTEADY, "the level is not steady; wait until it has settled")
        # At 1 kHz A and C are equal by definition, and a sine's crest is 3.01 dB.
        if abs(a - c) > 300 or abs(peak - c - 3010) > 300:
            raise CalibrationError(NOT_1KHZ, "not a pure tone of 1 kHz; seat the coupler and try again")
        if abs(reference_mdb - c) > 6000:
            raise CalibrationError(TOO_FAR, "more than 6 dB off; check the part's sensitivity first")
        return reference_mdb - c

    def _fault(self, captured, interval):
        """Return what spoils an interval, or the second that runs; None when nothing does."""
        if captured.timeouts or not interval.ms:
            return "no_data"
        fault = self._line.fault()
        if fault is not None:
            return fault
        if abs(captured.drift_ppm) > _WRONG_RATE_PPM:
            return "wrong_rate"
        if self._same >= _SAME_BLOCKS:
            return "repeating_data"
        a, c, peak = interval.laeq(), interval.lceq(), interval.lcpeak()
        if a is None or c is None:
            return "line_constant"
        if c - a > _HUM_C_MINUS_A and peak - c < _SINE_CREST:
            return "hum"
        return None

    def _take(self, frames):
        """Give one piece to the levels, cut where a block ends."""
        if self._bank:
            self._bank.block(frames, self._slot, len(frames) // 8)
        part = frames
        left_ms = self._piece_ms
        while left_ms:
            if not self._fed_ms:
                self._line.block(part)
                check = crc32(memoryview(part)[:_CHECKED_BYTES])
                self._same = self._same + 1 if check == self._last else 0
                self._last = check
            n_ms = min(left_ms, self._block_ms - self._fed_ms)
            self._levels.feed(part, self._slot, n_ms)
            self._fed_ms += n_ms
            left_ms -= n_ms
            if self._fed_ms == self._block_ms:
                self._fed_ms = 0
                self._end_block(left_ms)
                part = memoryview(frames)[len(frames) - left_ms * self._levels.rate_hz // 125 :]

    def _end_block(self, left_ms):
        """A block is complete; left_ms of the piece lie behind its end."""
        self._levels.end_block()
        if self._warming:
            self._warming -= 1
            if not self._warming:
                self._microphone.take()
                self._restart()
                self._restart_lap()
            return
        self._blocks += 1
        middle_ms = self._stream_ms() - left_ms - self._block_ms // 2
        second = middle_ms // 1000
        if self._second is None:
            self._second = second
        if (middle_ms + self._block_ms) // 1000 != second:
            self._end_second(second)

    def _stream_ms(self):
        microphone = self._microphone
        return self._begun_ms + self._phase_ms + microphone.stream_ms + microphone.lag_ms

    def _end_second(self, second):
        """The next block belongs to another second: keep this one, unless too little of it was heard."""
        lap = self._levels.lap
        whole = second == self._second and lap.ms >= _LEAST_OF_A_SECOND_MS
        if whole:
            captured = self._microphone.so_far()
            raw, state = None, OK
            if self._fault(captured, lap) is None:
                raw = (lap.laeq() + 50) // 100
                if _is_overload(lap):
                    state = OVERLOAD
                elif lap.is_below_floor():
                    state = BELOW_FLOOR
                elif captured.gaps != self._gaps:
                    state = GAP
            self._gaps = captured.gaps
            self.seconds.add(((second + 1) * 1000 - self._phase_ms) // 1000, raw, state)
            if self.on_second is not None:
                self.on_second(lap)
        self._restart_lap()

    def _forget_samples(self):
        """After a piece that was cut short: what is left of single samples goes."""
        self._levels.forget()
        self._line.restart()

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

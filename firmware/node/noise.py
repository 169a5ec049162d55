"""The noise meter of a node: microphone, levels and the words for what is wrong with them.

measure() gives readings in tenths of a decibel. A level that cannot be defended is never given: a fault of
the microphone is a state without a number, and `status` names it.
"""

from drivers.i2s_mic import I2SMicrophone
from drivers.readings import failed, reading
from kernels.levels import SoundLevels
from wire._compat import const
from wire.measurements import LA10, LA50, LA90, LAEQ, LAFMAX, LAFMIN, LCEQ, LCPEAK
from wire.record import BELOW_FLOOR, GAP, NO_ANSWER, OK, OVERLOAD, TIMEOUT

_OVERLOAD_RAW = const(0x7F000000)  # within 0.07 dB of full scale, where the acoustic overload point lies


class NoiseMeter:
    """Measures sound levels with an I2S microphone.

    i2s: machine.I2S in receive mode, 32 bits, stereo. clock: as the time module.
    slot: 0 left, 1 right. sensitivity_mdbfs: level of 94 dB at 1 kHz re a full-scale sine (-26000).
    calibration_mdb: what a calibrator added to that. self_noise_mdb: A-weighted, None to not correct.
    """

    MEASURES = (LAEQ, LAFMAX, LAFMIN, LA10, LA50, LA90, LCEQ, LCPEAK)

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
    ):
        self._microphone = I2SMicrophone(i2s, clock, rate_hz, block_ms)
        full_scale_mdb = 94000 - sensitivity_mdbfs + calibration_mdb
        self._levels = SoundLevels(rate_hz, full_scale_mdb, self_noise_mdb, block_ms)
        self._slot = slot
        self._block_ms = block_ms
        self._warmup = (warmup_ms + block_ms - 1) // block_ms
        self.status = []

    def measure(self, duration_ms):
        """Listen for duration_ms (rounded up to blocks) after the warm-up; return the readings."""
        levels = self._levels
        blocks = (duration_ms + self._block_ms - 1) // self._block_ms
        captured = self._microphone.capture(self._warmup + blocks, self._take)
        self.status = []
        if captured.timeouts:
            self.status.append("no_data")
            return failed(self.MEASURES, TIMEOUT)
        low, high = levels.extremes()
        if low == high:
            self.status.append("constant_line")
            return failed(self.MEASURES, NO_ANSWER)
        state = OK
        if captured.gaps:
            self.status.append("gap")
            state = GAP
        if levels.is_below_floor():
            self.status.append("below_floor")
            state = BELOW_FLOOR
        if high >= _OVERLOAD_RAW or low <= -_OVERLOAD_RAW:
            self.status.append("overload")
            state = OVERLOAD
        return self._readings(state)

    def _take(self, frames, index):
        """Give one block to the levels; the interval begins after the warm-up."""
        if index == self._warmup:
            self._levels.restart()
        self._levels.block(frames, self._slot, self._block_ms)

    def _readings(self, state):
        levels = self._levels
        _, _, la90, la50, la10, _ = levels.percentiles()
        values = (
            levels.laeq(),
            levels.lafmax(),
            levels.lafmin(),
            la10,
            la50,
            la90,
            levels.lceq(),
            levels.lcpeak(),
        )
        return [
            reading(measure, None if value is None else (value + 50) // 100, state)
            for measure, value in zip(self.MEASURES, values)
        ]

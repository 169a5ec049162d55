"""An I2S microphone behind `machine.I2S`: capture in pieces, frames counted against the clock.

The port's receive overruns are invisible (its DMA ring silently drops the oldest buffers), so lost frames
are found by time: a read that had to wait returned the moment its last frame arrived, and then elapsed
time and counted frames must agree. A step between two such reads is a gap; a slow slope is clock drift.

The port hands out whole DMA buffers of 256 frames, so a piece is a whole number of them: else reads would
seem to come early and late by turns.

Samples live in one small buffer that is created here, handed to the consumer for the length of one piece, and
wiped when it returns. There is no method that returns it.
"""

from kernels.wipe import wipe
from wire._compat import const

_WAITED_US = const(2000)  # a read that took longer waited for the microphone; to copy a piece takes 0.7 ms
_EARLY_US = const(4000)  # so much before a piece is complete a read begins: then it waits, and tells the time
_STEP_US = const(3000)  # a jump of the lag larger than this is lost sound
_DMA_FRAMES = const(256)  # ports/esp32/machine_i2s.c, DMA_BUF_LEN_IN_I2S_FRAMES
_FRAME_BYTES = const(8)  # the port always delivers 32-bit stereo


class Capture:
    """What was captured since the last Microphone.take(), besides the sound."""

    __slots__ = ("drift_ppm", "gaps", "heard_ms", "lost_us", "timeouts")

    def __init__(self):
        self.heard_ms = 0
        self.gaps = 0
        self.lost_us = 0
        self.timeouts = 0
        self.drift_ppm = 0


class I2SMicrophone:
    """Microphone on an I2S receiver set up for 32-bit stereo frames at rate_hz.

    piece_ms: what one read takes. ring_ms: what the receiver's own buffer holds.
    """

    def __init__(self, i2s, clock, rate_hz=48000, piece_ms=32, ring_ms=250):
        if rate_hz // 1000 * piece_ms % _DMA_FRAMES:
            raise ValueError("piece_ms: a whole number of DMA buffers of " + str(_DMA_FRAMES) + " frames")
        self._i2s = i2s
        self._clock = clock
        self.rate_hz = rate_hz
        self.piece_ms = piece_ms
        self._spare_us = (ring_ms - piece_ms) * 1000
        self._frames = bytearray(rate_hz // 1000 * piece_ms * _FRAME_BYTES)
        self.begin()

    def begin(self):
        """The receiver starts now: forget what was before."""
        self._last = None  # ticks of the last read
        self._due = 0  # ticks when the piece after it is complete
        self._raw_us = 0  # elapsed less heard, at the last read
        self._lag_us = None  # the same, at the last read that waited
        self.stream_ms = 0  # heard since the start
        self._result = Capture()
        self._renew()

    def _renew(self):
        self._first_lag_us = self._lag_us
        self._elapsed_ms = self._rest_us = 0
        self._waits = self._steps = self._jumped_us = 0

    @property
    def lag_ms(self):
        """How much later than its count of frames the stream is: sound lost so far, and drift."""
        return (self._lag_us or 0) // 1000

    def due_in_us(self):
        """Return in how long to read again, so that the read waits a little; below 0: it is late."""
        if self._last is None:
            return 0
        return self._clock.ticks_diff(self._due, self._clock.ticks_us()) - _EARLY_US

    def read(self, consume):
        """Read a piece and hand it to consume(frames); return False, and count it, when there is none."""
        clock = self._clock
        frames = self._frames
        asked = clock.ticks_us()
        try:
            n = self._i2s.readinto(frames)
        except OSError:
            n = 0
        now = clock.ticks_us()
        if n != len(frames):
            self._result.timeouts += 1
            self.wipe()
            return False
        self._account(asked, now)
        try:
            consume(frames)
        finally:
            self.wipe()
        return True

    def _account(self, asked, now):
        clock = self._clock
        piece_us = self.piece_ms * 1000
        result = self._result
        waited = clock.ticks_diff(now, asked) > _WAITED_US
        self.stream_ms += self.piece_ms
        result.heard_ms += self.piece_ms
        if self._last is None:
            self._due = now
        elif self._lag_us is not None:
            # summed piece by piece: ticks wrap within minutes on the chip
            passed_us = clock.ticks_diff(now, self._last)
            self._raw_us += passed_us - piece_us
            self._rest_us += passed_us
            self._elapsed_ms += self._rest_us // 1000
            self._rest_us %= 1000
        self._last = now
        if waited:
            self._due = now
            if self._lag_us is None:
                self._raw_us = self._lag_us = 0
            else:
                self._judge(self._raw_us - self._lag_us)
            self._lag_us = self._raw_us
            if self._first_lag_us is None:
                self._first_lag_us = self._lag_us
                self._elapsed_ms = 0
        # What lies further back than the receiver's buffer reaches is gone: the next piece is later.
        late_us = clock.ticks_diff(now, self._due)
        self._due = clock.ticks_add(self._due, piece_us + max(0, late_us - self._spare_us))

    def _judge(self, step_us):
        """Tell sound that is gone from a read that was late and caught up: only that comes back."""
        self._waits += 1
        if -_STEP_US <= step_us <= _STEP_US:
            return
        self._steps += 1
        self._jumped_us += step_us
        result = self._result
        if step_us > 0:
            result.gaps += 1
        result.lost_us += step_us
        if result.lost_us <= _STEP_US:
            result.gaps = result.lost_us = 0

    def so_far(self):
        """Return the Capture since the last take(), as it stands."""
        result = self._result
        if self._elapsed_ms > 500 and self._first_lag_us is not None:
            jumped_us = self._jumped_us
            if self._is_steep():
                jumped_us = 0
            result.drift_ppm = (self._lag_us - self._first_lag_us - jumped_us) * 1000 // self._elapsed_ms
        return result

    def _is_steep(self):
        """No loss is that regular: the rate is not what it should be."""
        return self._steps * 2 > self._waits

    def take(self):
        """Return the Capture since the last take(), and begin another; the stream goes on."""
        result = self.so_far()
        if self._is_steep():
            result.gaps = result.lost_us = 0
        self._result = Capture()
        self._renew()
        return result

    def wipe(self):
        """Overwrite the buffer."""
        wipe(self._frames)

"""An I2S microphone behind `machine.I2S`: capture in blocks, frames counted against the clock.

The port's receive overruns are invisible (its DMA ring silently drops the oldest buffers), so lost frames
are found by time: a read that had to wait returned the moment its last frame arrived, and then elapsed
time and counted frames must agree. A step between two such reads is a gap; a slow slope is clock drift.

Samples live in one buffer that is created here, handed to the consumer of capture() for the length of one
block, and wiped when capture() ends. There is no method that returns it.
"""

from wire._compat import const

_WAITED_US = const(1000)  # a read that took longer waited for the microphone
_STEP_US = const(2000)  # a jump of the lag larger than this is lost sound
_FRAME_BYTES = const(8)  # the port always delivers 32-bit stereo
_ZEROS = bytes(1024)


class Capture:
    """What one capture() did, besides the sound."""

    __slots__ = ("drift_ppm", "frames", "gaps", "lost_us", "timeouts")

    def __init__(self):
        self.frames = 0
        self.gaps = 0
        self.lost_us = 0
        self.timeouts = 0
        self.drift_ppm = 0


class I2SMicrophone:
    """Microphone on an I2S receiver set up for 32-bit stereo frames at rate_hz."""

    def __init__(self, i2s, clock, rate_hz=48000, block_ms=125):
        self._i2s = i2s
        self._clock = clock
        self.rate_hz = rate_hz
        self.block_ms = block_ms
        self._frames = bytearray(rate_hz // 1000 * block_ms * _FRAME_BYTES)

    def capture(self, n_blocks, consume):
        """Read n_blocks blocks; consume(frames, block_index) sees each while it lasts. Returns a Capture.

        Ends early when the line gives no data (timeouts counts it). Never raises for the line's sake.
        """
        clock = self._clock
        frames = self._frames
        block_us = self.block_ms * 1000
        result = Capture()
        begun = None  # time of the first read that waited, and the frames counted there
        lag = 0
        elapsed = 0
        waits = steps = jumped = 0
        last = 0
        try:
            for index in range(n_blocks):
                asked = clock.ticks_us()
                try:
                    n = self._i2s.readinto(frames)
                except OSError:
                    n = 0
                now = clock.ticks_us()
                if n != len(frames):
                    result.timeouts += 1
                    break
                result.frames += n // _FRAME_BYTES
                if begun is None:
                    if clock.ticks_diff(now, asked) > _WAITED_US:
                        begun = result.frames
                        last = now
                else:
                    # summed block by block: ticks wrap within minutes on the chip
                    elapsed += clock.ticks_diff(now, last)
                    last = now
                    if clock.ticks_diff(now, asked) > _WAITED_US:
                        new_lag = elapsed - (result.frames - begun) * 1000000 // self.rate_hz
                        waits += 1
                        step = new_lag - lag
                        if step > _STEP_US:
                            result.gaps += 1
                            result.lost_us += step
                            steps += 1
                            jumped += step
                        elif step < -_STEP_US:
                            steps += 1
                            jumped += step  # the first read was late itself
                        lag = new_lag
                consume(frames, index)
            if elapsed > 4 * block_us:
                if steps * 2 > waits:  # no loss is that regular: the rate is not what it should be
                    result.gaps = result.lost_us = jumped = 0
                result.drift_ppm = (lag - jumped) * 1000000 // elapsed
        finally:
            self.wipe()
        return result

    def wipe(self):
        """Overwrite the buffer."""
        frames = memoryview(self._frames)
        step = len(_ZEROS)
        for i in range(0, len(frames), step):
            n = min(step, len(frames) - i)
            frames[i : i + n] = _ZEROS[:n]

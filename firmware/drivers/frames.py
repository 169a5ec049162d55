"""Fixed-length frames out of a serial byte stream that may begin anywhere and carry noise.

Works with a UART of any timeout: it asks for just the bytes that are missing, and sleeps where a
UART without timeout has none. Both time and the number of bytes are bounded, so neither a dead line
nor one that never falls silent can hold the node.
"""

from wire.record import CHECKSUM, NO_ANSWER, TIMEOUT

_POLL_MS = 20
_BYTES_PER_MS = 12  # 115200 baud, the fastest line here
_FLUSH_READS = 16


class FrameReader:
    """fits(buf, n): whether buf[:n] may begin a frame; with n = length: whether it is one, checksum too.

    frame: the last frame. heard: bytes since begin(). wrong: frames since begin() that only failed the check.
    """

    def __init__(self, uart, clock, length, fits):
        self.frame = bytearray(length)
        self.heard = 0
        self.wrong = 0
        self._uart = uart
        self._clock = clock
        self._fits = fits
        self._length = length
        self._have = 0
        self._work = bytearray(length)
        self._tails = [memoryview(self._work)[i:] for i in range(length)]

    def begin(self):
        """Drop what waits in the UART's buffer (it is old), zero the counts; return False on a bus error."""
        self._have = 0
        self.heard = 0
        self.wrong = 0
        try:
            for _ in range(_FLUSH_READS):
                waiting = self._uart.any()
                if not waiting:
                    break
                self._uart.read(min(waiting, 64))
        except OSError:
            return False
        return True

    def next(self, patience_ms):
        """Wait for a good frame, at most patience_ms; return whether `frame` holds a new one."""
        clock = self._clock
        began = clock.ticks_ms()
        limit = self.heard + patience_ms * _BYTES_PER_MS
        while self.heard < limit:
            try:
                got = self._uart.readinto(self._tails[self._have])
            except OSError:
                got = None
            if got:
                self.heard += got
                self._have += got
                if self._resync():
                    return True
            elif clock.ticks_diff(clock.ticks_ms(), began) >= patience_ms:
                return False
            else:
                clock.sleep_ms(_POLL_MS)
        return False

    def _resync(self):
        """Shift until what is there fits; return True and take it when it is a whole frame."""
        work = self._work
        while self._have:
            whole = self._have == self._length
            if self._fits(work, self._have):
                if whole:
                    self.frame[:] = work
                    self._have = 0
                return whole
            if whole and self._fits(work, self._length - 1):
                self.wrong += 1
            self._have -= 1
            for i in range(self._have):
                work[i] = work[i + 1]
        return False


def silence(reader):
    """Return the state and the words of a line that gave no good frame since begin()."""
    if not reader.heard:
        return NO_ANSWER, "not a byte: no supply, or the sensor's TX is not on the board's RX (swapped?)"
    if reader.wrong:
        return CHECKSUM, "frames with wrong sums: a noisy line, or another sensor model"
    return TIMEOUT, "bytes but no frame: wrong baud rate, inverted line, or another sensor model"

"""Sensirion's SHDLC frames on a UART: 7E, content, checksum, 7E, with 7E 7D 11 13 escaped inside.

To the chip the content is address, command, length, data; back it is address, command, state,
length, data. Checksum: 0xFF minus the low byte of the sum, before escaping.
"""

from wire._compat import const
from wire.record import CHECKSUM, FAULT, NO_ANSWER, OK, TIMEOUT

_FLAG = const(0x7E)
_ESCAPE = const(0x7D)
_ESCAPED = (0x7E, 0x7D, 0x11, 0x13)
_POLL_MS = const(5)
_PATIENCE_MS = const(100)  # a chip answers within 20 ms
_MAX_BYTES = const(600)  # in one answer's time at 115200 baud: a line that babbles is left alone


def frame(command, data=b""):
    """Return the bytes of one request to address 0."""
    content = bytes([0, command, len(data)]) + bytes(data)
    content += bytes([~sum(content) & 0xFF])
    out = bytearray([_FLAG])
    for byte in content:
        if byte in _ESCAPED:
            out.append(_ESCAPE)
            byte ^= 0x20
        out.append(byte)
    out.append(_FLAG)
    return bytes(out)


class Shdlc:
    """One request and its answer at a time. data: content of the last good answer, `length` bytes of it.

    error: the chip's own error code of the last answer (0: none).
    """

    def __init__(self, uart, clock, max_data):
        self._uart = uart
        self._clock = clock
        self._max = max_data + 5
        self._in = bytearray(self._max)
        self._chunk = bytearray(32)
        self.data = memoryview(self._in)[4:]
        self.length = 0
        self.error = 0

    def request(self, command, data=b""):
        """Send a request, read its answer; return OK, NO_ANSWER, TIMEOUT, CHECKSUM, or FAULT (see error)."""
        self.length = 0
        try:
            self._flush()
            self._uart.write(frame(command, data))
            return self._answer(command)
        except OSError:
            return NO_ANSWER

    def wake_interface(self):
        """Send one byte that a sleeping chip notices and does not read."""
        try:
            self._uart.write(b"\xff")
        except OSError:
            pass

    def _flush(self):
        for _ in range(16):
            waiting = self._uart.any()
            if not waiting:
                return
            self._uart.read(min(waiting, 64))

    def _answer(self, command):
        clock = self._clock
        sent = clock.ticks_ms()
        heard = 0
        have = -1  # -1: no flag yet
        escape = False
        wrong = False
        while heard < _MAX_BYTES:
            got = self._uart.readinto(self._chunk)
            if not got:
                if clock.ticks_diff(clock.ticks_ms(), sent) >= _PATIENCE_MS:
                    break
                clock.sleep_ms(_POLL_MS)
                continue
            heard += got
            for i in range(got):
                byte = self._chunk[i]
                if byte == _FLAG:
                    if have > 0:
                        state = self._check(have, command)
                        if state != CHECKSUM:
                            return state
                        wrong = True
                    have = 0
                    escape = False
                elif have >= 0:
                    if byte == _ESCAPE:
                        escape = True
                    elif have < self._max:
                        self._in[have] = byte ^ 0x20 if escape else byte
                        escape = False
                        have += 1
        if wrong:
            return CHECKSUM
        return TIMEOUT if heard else NO_ANSWER

    def _check(self, have, command):
        """Return what the collected content is; CHECKSUM for anything that is not the answer awaited."""
        content = self._in
        if have < 5 or content[1] != command or content[3] != have - 5:
            return CHECKSUM
        if ~sum(content[: have - 1]) & 0xFF != content[have - 1]:
            return CHECKSUM
        self.error = content[2] & 0x7F
        self.length = content[3]
        return FAULT if self.error else OK

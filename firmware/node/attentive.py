"""A stream that is waited for in small steps, so that a microphone is read meanwhile."""

from wire._compat import const

_STEP_MS = const(20)
_TIMED_OUT = const(110)  # ETIMEDOUT


class Attentive:
    """read(n), write(data), close() of a socket or a TLS stream over one. waits: node.waits.Waits."""

    def __init__(self, stream, select, waits, timeout_ms):
        self._stream = stream
        self._waits = waits
        self._timeout_ms = timeout_ms
        self._poll = select.poll()
        self._poll.register(stream, select.POLLIN)
        self.write = stream.write
        self.close = stream.close

    def read(self, n):
        """Return n bytes, less at the end of the stream; OSError when they do not begin to come in time."""
        waits = self._waits
        began_ms = waits.ticks_ms()
        while not self._poll.poll(_STEP_MS):
            waits.attend()
            if waits.ticks_diff(waits.ticks_ms(), began_ms) > self._timeout_ms:
                raise OSError(_TIMED_OUT)
        return self._stream.read(n)


def attentive(open_stream, select, waits):
    """Return open(host, port, timeout_s) whose streams are Attentive."""

    def opened(host, port, timeout_s):
        return Attentive(open_stream(host, port, timeout_s), select, waits, timeout_s * 1000)

    return opened

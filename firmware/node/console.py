"""The serial console as Improv wants it: raw bytes, without waiting.

0x03 is Ctrl-C at MicroPython's prompt and the type of every Improv request, so the console is told to let it
through while Improv listens. Whoever types it, or the tools that send it, still get the prompt: see Improv.
"""

import select
import sys

import micropython

from wire._compat import const

_CTRL_C = const(3)
_MOST = const(256)


class Console:
    """read() returns what has come, b"" for nothing; `gone` when the line is cut for good."""

    def __init__(self):
        self._in = getattr(sys.stdin, "buffer", sys.stdin)
        self._out = getattr(sys.stdout, "buffer", sys.stdout)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self.gone = False
        micropython.kbd_intr(-1)

    def read(self):
        """Return the bytes that have come."""
        data = b""
        while len(data) < _MOST and self._poll.poll(0):
            byte = self._in.read(1)
            if not byte:
                self.gone = True
                break
            data += byte
        return data

    def write(self, data):
        """Say something."""
        self._out.write(data)

    def interrupt(self):
        """Somebody pressed Ctrl-C."""
        self.close()
        raise KeyboardInterrupt

    def close(self):
        """Leave the console to MicroPython again."""
        micropython.kbd_intr(_CTRL_C)

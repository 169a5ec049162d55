"""The way out over the cable that also powers the node: node.core's link (see node.link).

Frames as in wire.cable, on the console: what the node prints stands between them. The gateway acknowledges
what is on its disk. It speaks only after the node has, so a node that sleeps misses nothing.
"""

from wire import cable
from wire._compat import const
from wire.record import TIME_NETWORK

from .link import Link

_ANSWER_MS = const(2000)
_TRIES = const(3)
_SILENT = const(11)  # wire.status.NETWORK_FAILURES: no answer of the gateway


class CableLink(Link):
    """console: read() -> bytes that have come, write(bytes), interrupt(). clock: ticks_ms, sleep_ms."""

    listen_ms = 500  # most often: what a frame and its answer take

    def __init__(self, console, clock, dev_eui):
        super().__init__()
        self._console = console
        self._clock = clock
        self._eui = bytes.fromhex(dev_eui)
        self._splitter = cable.Splitter()
        self._number = 0
        self._command = b""  # the name of the last one that was taken

    def bring_up(self):
        """Say who is here; the gateway answers when it knows this node."""
        self.up = self._say(cable.HELLO, self._eui, 1)
        return self.up

    def send(self, port, payload):
        """Hand over a payload: confirmed when it is on the gateway's disk."""
        if self._want_time:
            self._console.write(cable.framed(cable.ASK, 0))
        self.up = self._say(cable.DATA, self._eui + bytes((port,)) + payload, _TRIES)
        return (True, True) if self.up else (False, None)

    def _say(self, kind, body, tries):
        self._number = (self._number + 1) & 255
        for _ in range(tries):
            self._console.write(cable.framed(kind, self._number, body))
            if self._acknowledged():
                self.text = ""
                return True
        self.text = "cable: no answer; is the gateway running, and does it know this node?"
        return self.failed(_SILENT)

    def _acknowledged(self):
        begin = self._clock.ticks_ms()
        while self._clock.ticks_diff(self._clock.ticks_ms(), begin) < _ANSWER_MS:
            data = self._console.read()
            if not data:
                self._clock.sleep_ms(5)
                continue
            good = False
            for kind, number, body in self._splitter.feed(data):
                good = self._take(kind, number, body) or good
            if self._splitter.waiting.count(b"\x03") > 1 and not self._splitter.waiting.strip(b"\r\n\x03"):
                self._console.interrupt()  # somebody wants MicroPython's prompt
            if good:
                return True
        return False

    def _take(self, kind, number, body):
        """Do what a frame says; tell whether it is the acknowledgement that is waited for."""
        if kind == cable.TIME and len(body) == 8:
            self._want_time = False
            self._time = (int.from_bytes(body, "little"), self._clock.ticks_ms(), TIME_NETWORK)
        elif kind == cable.COMMAND and len(body) > 5:
            self._console.write(cable.framed(cable.TAKEN, number, body[:4]))
            if body[:4] != self._command:  # it comes again when our word was lost
                self._command = body[:4]
                self.downlinks.append((body[4], body[5:]))
        return kind == cable.ACK and number == self._number

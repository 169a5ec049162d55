"""Wi-Fi set-up over the serial port: the node's side of Improv (wire/improv.py)."""

from wire import improv
from wire._compat import const
from wire.errors import WireError
from wire.status import NETWORK_FAILURES

_STALE_MS = const(1000)  # what is left of a packet that was cut off is no beginning of the next
_SSID_MOST = const(32)  # IEEE 802.11: an SSID has at most 32 bytes
_PASSWORD_MOST = const(64)


class Improv:
    """port: node.console.Console, or what has its methods. desk: node.desk.Desk.

    poll() never waits, but for SEND_WIFI and SCAN, which take what the radio takes.
    """

    def __init__(self, port, desk, clock, info):
        """info: (firmware, version, chip, name)."""
        self._port = port
        self._desk = desk
        self._clock = clock
        self._info = info
        self._parser = improv.Parser()
        self._heard_ms = clock.ticks_ms()
        self.packets = 0
        self._identity = None

    def poll(self):
        """Take what came over the port and answer it; tell whether that was a packet."""
        data = self._port.read()
        if not data:
            return False
        now_ms = self._clock.ticks_ms()
        if self._clock.ticks_diff(now_ms, self._heard_ms) > _STALE_MS:
            self._parser = improv.Parser()
        self._heard_ms = now_ms
        found = self._parser.feed(data)
        if b"\x03" in data and not found and not self._parser.pending:
            self._port.interrupt()
        for kind, body in found:
            if kind == improv.RPC:  # what a node says itself may come back as an echo
                self.packets += 1
                self._serve(body)
        return bool(found)

    def close(self):
        """Listen no more."""
        self._port.close()

    @property
    def gone(self):
        """Tell whether nobody can come any more."""
        return self._port.gone

    def _serve(self, body):
        say = self._port.write
        try:
            command, strings = improv.unpack_call(body)
        except WireError:
            say(improv.error_packet(improv.INVALID_PACKET))
            return
        if command == improv.GET_STATE:
            self._tell_state()
        elif command == improv.GET_INFO:
            say(improv.result_packet(command, self._info))
        elif command == improv.SCAN:
            for name, rssi, locked in self._desk.scan():
                say(improv.result_packet(command, (name, str(rssi), "YES" if locked else "NO")))
            say(improv.result_packet(command))
        elif command == improv.SEND_WIFI:
            self._join(strings)
        elif command == improv.GET_CAUSE:
            cause = self._desk.cause
            say(improv.result_packet(command, (str(cause), NETWORK_FAILURES[cause])))
        elif command in (improv.GET_IDENTITY, improv.SET_IDENTITY):
            if self._identity is None:
                from .identity import Identity

                self._identity = Identity(self._desk)
            say(self._identity.answer(command, strings))
        else:
            say(improv.error_packet(improv.UNKNOWN_COMMAND))

    def _tell_state(self):
        url = self._desk.url()
        self._port.write(improv.state_packet(improv.PROVISIONED if url else improv.READY))
        if url:
            self._port.write(improv.result_packet(improv.GET_STATE, (url,)))

    def _join(self, strings):
        say = self._port.write
        if len(strings) != 2 or not 0 < len(strings[0].encode()) <= _SSID_MOST:
            say(improv.error_packet(improv.INVALID_PACKET))
            return
        if len(strings[1].encode()) > _PASSWORD_MOST:
            say(improv.error_packet(improv.INVALID_PACKET))
            return
        say(improv.error_packet(improv.NO_ERROR))
        say(improv.state_packet(improv.PROVISIONING))
        cause = self._desk.try_wifi(strings[0], strings[1])
        if cause:
            # The state first: a client takes an error as the answer to its request and asks on from there.
            say(improv.state_packet(improv.READY))
            say(improv.error_packet(improv.UNABLE_TO_CONNECT))
            return
        say(improv.state_packet(improv.PROVISIONED))
        say(improv.result_packet(improv.SEND_WIFI, (self._desk.url(),)))

"""The way out over LoRaWAN: node.core's link over radio.classa.

A link has: up, failures, last_failure; bring_up() -> bool, one attempt; wait_ms() until it may
transmit; limit() bytes; called, answer() when the network wants an uplink of its own; send(port,
payload) -> (sent, confirmed) where confirmed is True, False, or
None when nobody was asked; request_time(); take_time() -> (utc_ms, at_ticks_ms, quality) or None;
rest() when there is nothing to send for now.
"""

from radio.errors import RadioError
from wire._compat import const
from wire.record import TIME_NETWORK

_JOIN_NO_ANSWER = const(1)  # wire.status.NETWORK_FAILURES
_NOT_CONFIRMED = const(2)
_RADIO_FAULT = const(3)
_REJOIN_AFTER = const(4)  # confirmations in a row that failed, each with its retransmissions


class LoraLink:
    """Class A: unconfirmed uplinks, every so many a confirmed one, to learn that somebody listens."""

    def __init__(self, mac, confirm_every):
        self._mac = mac
        self._confirm_every = confirm_every
        self._since_confirm = confirm_every  # the first uplink proves the session
        self._unconfirmed = 0
        self._time_seen = None
        self.failures = 0
        self.last_failure = 0

    @property
    def up(self):
        """Tell whether there is a session that is believed in."""
        return self._mac.joined and self._unconfirmed < _REJOIN_AFTER

    def bring_up(self):
        """Send one JoinRequest and listen."""
        try:
            if self._mac.join():
                self._unconfirmed = 0
                self._since_confirm = self._confirm_every
                return True
            return self._failed(_JOIN_NO_ANSWER)
        except RadioError:
            return self._failed(_RADIO_FAULT)

    def wait_ms(self):
        """Return how long duty cycle or join back-off want silence."""
        return self._mac.wait_ms() if self.up else self._mac.join_wait_ms()

    def limit(self):
        """Return the longest payload of the next uplink."""
        return self._mac.max_payload()

    def send(self, port, payload):
        """Send one uplink and listen to both windows."""
        ask = self._since_confirm + 1 >= self._confirm_every
        try:
            result = self._mac.send(port, payload, ask)
        except RadioError:
            self._failed(_RADIO_FAULT)
            return False, None
        if not result.sent:
            return False, None
        if not ask:
            self._since_confirm += 1
            return True, None
        if result.acked:
            self._since_confirm = 0
            self._unconfirmed = 0
            return True, True
        self._unconfirmed += 1
        self._failed(_NOT_CONFIRMED)
        return True, False

    @property
    def called(self):
        """Tell whether the network waits for an uplink: it has more for us, or wants its ACK."""
        session = self._mac.session
        return self.up and (self._mac.more or (session is not None and session.ack_due))

    def answer(self):
        """Send an empty uplink, which carries ACKs and fetches what waits."""
        try:
            return self._mac.poll().sent
        except RadioError:
            return self._failed(_RADIO_FAULT)

    def request_time(self):
        """Ask for the time with the next uplink."""
        self._mac.request_time()

    def take_time(self):
        """Return a new answer of the network, once."""
        answer = self._mac.network_time
        if answer is None or answer == self._time_seen:
            return None
        self._time_seen = answer
        return answer[0], answer[1], TIME_NETWORK

    def rest(self):
        """Nothing to do: the radio sleeps outside its windows."""

    def _failed(self, reason):
        self.failures += 1
        self.last_failure = reason
        return False

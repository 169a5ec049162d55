"""The way out over LoRaWAN: node.core's link (see node.link) over radio.classa."""

from radio.air import air_us
from radio.dutycycle import NEVER_MS
from radio.errors import RadioError
from wire._compat import const
from wire.record import TIME_NETWORK

_JOIN_NO_ANSWER = const(1)  # wire.status.NETWORK_FAILURES
_NOT_CONFIRMED = const(2)
_RADIO_FAULT = const(3)
_TEST_HOUSE_PORT = const(224)  # radio.certification, which is loaded in a test house only
_PARTS = {
    "spi": 14,
    "busy": 15,
    "dio0": 16,
    "dio1": 17,
    "reset": 18,
    "tcxo": 19,
    "pll": 20,
    "calibration": 21,
}
_REJOIN_AFTER = const(4)  # confirmations in a row that failed, the first with its retransmissions
_REJOIN_EVERY = const(12)
_TRIES = const(4)  # transmissions of a confirmed uplink
_MAC_BYTES = const(13)  # around a payload: MHDR, DevAddr, FCtrl, FCnt, FPort, MIC


class LoraLink:
    """Class A: unconfirmed uplinks, every so many a confirmed one, to learn that somebody listens.

    When its confirmation fails, every further uplink asks for one, without retransmissions, so the end
    of an outage shows with the first frame that is heard. The session stays in use all the while: it is
    mostly the gateway that is away. Now and then a join is tried, for a network that forgot us.
    """

    def __init__(self, mac, confirm_every, certification=None):
        self._mac = mac
        self._certification = certification
        self._periodic_at_ms = 0
        self._confirm_every = confirm_every
        self._since_confirm = confirm_every  # the first uplink proves the session
        self._unconfirmed = 0
        self._rejoin = False
        self._time_seen = None
        self.reset = lambda: None  # what a test house may ask for
        self.downlinks = []
        self.text = ""
        self.failures = 0
        self.last_failure = 0

    @property
    def up(self):
        """Tell whether to send; False wants bring_up() first."""
        return self._mac.joined and not self._rejoin

    def bring_up(self):
        """Send one JoinRequest and listen. With a session that may still be good, True whatever comes."""
        self._rejoin = False
        try:
            if self._mac.join():
                self._unconfirmed = 0
                self._since_confirm = self._confirm_every
                return True
            self._failed(_JOIN_NO_ANSWER)
            return self._mac.joined
        except RadioError as error:
            return self._broken(error)

    def wait_ms(self):
        """Return how long duty cycle or join back-off want silence."""
        return self._mac.wait_ms() if self._mac.joined else self._mac.join_wait_ms()

    def limit(self):
        """Return the longest payload of the next uplink."""
        return self._mac.max_payload()

    def air_ms(self, n):
        """Return the time on air of a payload of n bytes."""
        session = self._mac.session
        return air_us(session.dr, n + _MAC_BYTES) // 1000 if session is not None else 0

    def send(self, port, payload):
        """Send one uplink and listen to both windows."""
        ask = self._unconfirmed > 0 or self._since_confirm + 1 >= self._confirm_every
        self._mac.confirmed_tries = 1 if self._unconfirmed else _TRIES
        try:
            result = self._mac.send(port, payload, ask)
        except RadioError as error:
            self._broken(error)
            return False, None
        self._came(result.downlinks)
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
        self._rejoin = self._unconfirmed % _REJOIN_EVERY == _REJOIN_AFTER
        self._failed(_NOT_CONFIRMED)
        return True, False

    @property
    def called(self):
        """Tell whether the network waits for an uplink: it has more for us, or wants an answer."""
        return self.up and (self._mac.wants_uplink or self.calls_in_ms() == 0)

    def calls_in_ms(self):
        """Return in how long a test house expects an uplink; NEVER_MS without one."""
        package = self._certification
        if package is None:
            return NEVER_MS
        if package.answers or package.join_due:
            return 0
        if not package.period_ms:
            return NEVER_MS
        return max(self._periodic_at_ms - self._mac.uptime_ms(), 0)

    def _came(self, downlinks):
        """Take downlinks; those of a test house are obeyed here."""
        if self._certification is not None:
            downlinks = self._certification.take(downlinks)
            if self._certification.reset_due:
                self.reset()
        self.downlinks += downlinks

    def _certify(self):
        """Do what the test house wants next; tell whether that was an uplink or a join."""
        package = self._certification
        if package is None or self.calls_in_ms():
            return None
        if package.join_due:
            package.join_due = False
            return self._mac.join()
        payload = package.answers[0] if package.answers else package.next_payload()
        result = self._mac.send(_TEST_HOUSE_PORT, payload, package.confirmed)
        if result.sent:
            if package.answers:
                package.answers.pop(0)
            self._periodic_at_ms = self._mac.uptime_ms() + package.period_ms
        self._came(result.downlinks)
        return result.sent

    def answer(self):
        """Send an empty uplink, which carries ACKs and fetches what waits."""
        try:
            done = self._certify()
            if done is None:
                result = self._mac.poll()
                self._came(result.downlinks)
                done = result.sent
            return done
        except RadioError as error:
            return self._broken(error)

    def insist(self):
        """Have the next uplink confirmed, whenever the last confirmation was."""
        self._since_confirm = self._confirm_every

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

    def battery(self, level):
        """Take the level of the battery, for DevStatusAns."""
        self._mac.battery = level

    def _broken(self, error):
        """Count a fault of the radio and keep its words; the status names the wire."""
        self.text = "radio: " + str(error)
        return self._failed(_PARTS.get(getattr(error, "part", ""), _RADIO_FAULT))

    def _failed(self, reason):
        self.failures += 1
        self.last_failure = reason
        return False

"""Wi-Fi without any gateway: the node keeps its records, tells the time, and shows its own page."""

from radio import sntp
from wire.record import TIME_NTP

_NTP_SILENT = 12  # wire.status.NETWORK_FAILURES


class LocalLink:
    """node.core's link that only joins the network; see node.lora_link for what a link has."""

    local = True
    called = False
    text = ""
    stay = False
    downlinks = ()

    def __init__(self, wifi, socket, clock, ssid, password, ntp_host):
        self.wifi = wifi
        self._socket = socket
        self._clock = clock
        self._ssid = ssid
        self._password = password
        self._ntp_host = ntp_host
        self._time = None
        self.failures = 0
        self.last_failure = 0

    @property
    def up(self):
        """Tell whether there is a network and an address."""
        return self.wifi.connected

    def bring_up(self):
        """Join, and ask the time."""
        cause = self.wifi.join(self._ssid, self._password)
        if not cause and self._ntp_host:
            answer = sntp.ask(self._socket, self._clock, self._ntp_host)
            if answer is None:
                cause = _NTP_SILENT
            else:
                self._time = (answer[0], answer[1], TIME_NTP)
        if cause:
            self.failures += 1
            self.last_failure = cause
        return not cause

    def wait_ms(self):
        """Nothing holds it up."""
        return 0

    def take_time(self):
        """Return a new answer of the time server, once."""
        answer = self._time
        self._time = None
        return answer

    def rest(self):
        """It stays: somebody may want to see the page."""
        if not self.stay:
            self.wifi.off()

    def calls_in_ms(self):
        """Never by itself."""
        return 1 << 29

    def battery(self, level):
        """Nobody asks."""

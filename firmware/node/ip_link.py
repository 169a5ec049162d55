"""What the ways out over Wi-Fi have in common: joining the network, and the time of a time server."""

from radio import sntp
from wire._compat import const
from wire.record import TIME_NTP

from .link import Link

_NTP_SILENT = const(12)  # wire.status.NETWORK_FAILURES


class IpLink(Link):
    """Where a time server tells the time. wifi: node.wifi.Wifi. socket: MicroPython's module."""

    stay = False  # somebody may want to see the node's own page

    def __init__(self, wifi, socket, clock, ssid, password, ntp_host):
        super().__init__()
        self.wifi = wifi
        self._socket = socket
        self._clock = clock
        self._ssid = ssid
        self._password = password
        self._ntp_host = ntp_host
        self.set_rtc = None  # certificates have dates: called with UTC in ms

    def join(self):
        """Associate; return whether it went well."""
        reason = self.wifi.join(self._ssid, self._password)
        return not reason or self.failed(reason)

    def ask_time(self):
        """Ask the time server, if wanted; return whether nothing went wrong."""
        if not self._want_time or not self._ntp_host:
            return True
        answer = sntp.ask(self._socket, self._clock, self._ntp_host)
        if answer is None:
            return self.failed(_NTP_SILENT)
        self._want_time = False
        if self.set_rtc is not None:
            self.set_rtc(answer[0])
        self._time = (answer[0], answer[1], TIME_NTP)
        return True

    def rest(self):
        """Switch the radio off, unless somebody may want to see the page."""
        if not self.stay:
            self.wifi.off()

"""The station side of Wi-Fi: join a network, say why not, and what is to be heard around.

ports/esp32/network_wlan.c tells the reason of a failure only when the number of reconnections is limited: by
default it tries for ever and status() stays STAT_CONNECTING. So it is limited here; the node has its own
patience. Station and address: STAT_CONNECTING after that means associated, but no address from DHCP.
"""

from wire._compat import const

NOT_FOUND = const(4)  # wire.status.NETWORK_FAILURES
WRONG_PASSWORD = const(5)
NO_ADDRESS = const(6)
NO_ANSWER = const(13)
ONLY_5_GHZ = const(22)
SECURITY = const(23)

_JOIN_MS = const(20000)
_POLL_MS = const(100)
_TRIES = const(2)
# esp_wifi_types.h, wifi_err_reason_t. A wrong WPA2 password mostly ends as 15.
_REASONS = {
    15: WRONG_PASSWORD,  # 4WAY_HANDSHAKE_TIMEOUT
    201: NOT_FOUND,  # NO_AP_FOUND
    202: WRONG_PASSWORD,  # AUTH_FAIL
    204: WRONG_PASSWORD,  # HANDSHAKE_TIMEOUT
    210: SECURITY,  # NO_AP_FOUND_W_COMPATIBLE_SECURITY
    211: SECURITY,  # NO_AP_FOUND_IN_AUTHMODE_THRESHOLD
    212: NOT_FOUND,  # NO_AP_FOUND_IN_RSSI_THRESHOLD
}


class Wifi:
    """network: MicroPython's module. clock: sleep_ms."""

    def __init__(self, network, clock):
        self._network = network
        self._clock = clock
        self._wlan = None

    def _station(self):
        if self._wlan is None:
            self._wlan = self._network.WLAN(self._network.STA_IF)
        return self._wlan

    @property
    def connected(self):
        """Tell whether there is a network and an address."""
        return self._wlan is not None and self._wlan.isconnected()

    def join(self, ssid, password):
        """Join a network; return 0, or why there is none, after twenty seconds at the latest."""
        network = self._network
        wlan = self._station()
        try:
            wlan.active(True)
            if wlan.isconnected():
                return 0
            wlan.config(reconnects=_TRIES)
            wlan.connect(ssid, password or None)
        except OSError:
            return NO_ANSWER
        status = None
        for _ in range(_JOIN_MS // _POLL_MS):
            if wlan.isconnected():
                return 0
            status = wlan.status()
            if status in _REASONS:
                break
            self._clock.sleep_ms(_POLL_MS)
        cause = NO_ADDRESS if status == network.STAT_CONNECTING else _REASONS.get(status, NO_ANSWER)
        if cause == NOT_FOUND and self._is_5_ghz(ssid):
            cause = ONLY_5_GHZ
        try:
            wlan.disconnect()
        except OSError:
            pass
        return cause

    def _is_5_ghz(self, ssid):
        """Guess whether a network that is not heard is one of 5 GHz, which this radio cannot hear.

        Routers name it after the one of 2.4 GHz, with a mark behind (telenet-1A2B-5G, Ziggo_5GHz), or the
        mark is in the name and the other network is not there at all.
        """
        low = ssid.lower()
        return bool("5g" in low or low.endswith(("-5", "_5", " 5")))

    def scan(self):
        """Return the networks around, strongest first: [(ssid, rssi in dBm, whether it wants a password)]."""
        wlan = self._station()
        try:
            wlan.active(True)
            heard = wlan.scan()
        except OSError:
            return []
        best = {}
        for row in heard:
            try:
                name = row[0].decode()
            except ValueError:
                continue  # a name that is no text cannot be typed either
            if name and (name not in best or row[3] > best[name][0]):
                best[name] = (row[3], row[4] != 0)
        rows = [(-rssi, name, locked) for name, (rssi, locked) in best.items()]
        rows.sort()
        return [(name, -rssi, locked) for rssi, name, locked in rows]

    def address(self):
        """Return the node's own address as text, or ""."""
        return self._wlan.ifconfig()[0] if self.connected else ""

    def name_server(self):
        """Return the address of the name server that DHCP gave, or ""."""
        return self._wlan.ifconfig()[3] if self.connected else ""

    def rssi(self):
        """Return the strength of the network in dBm, or None."""
        try:
            return self._wlan.status("rssi") if self.connected else None
        except (OSError, ValueError):
            return None

    def off(self):
        """Switch the station off."""
        if self._wlan is not None and self._wlan.active():
            self._wlan.active(False)

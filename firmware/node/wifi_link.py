"""The way out over Wi-Fi and MQTT: node.core's link (see node.lora_link for what a link has).

Wi-Fi is up only while there is something to send. Each reason for not getting through is kept apart,
because their remedies differ: a wrong password is for the host, a silent broker for the city.
"""

from radio import mqtt, sntp
from wire import ports
from wire._compat import const
from wire.record import TIME_NTP

_LIMIT = const(1024)
_WIFI_MS = const(20000)
_POLL_MS = const(100)

_NOT_FOUND = const(4)  # wire.status.NETWORK_FAILURES
_WRONG_PASSWORD = const(5)
_NO_ADDRESS = const(6)
_NTP_SILENT = const(12)
_NO_ANSWER = const(13)
_OF_MQTT = {
    mqtt.NAME: 7,
    mqtt.UNREACHABLE: 8,
    mqtt.REFUSED: 9,
    mqtt.WRONG_PASSWORD: 10,
    mqtt.SILENT: 11,
}


class WifiLink:
    """network: MicroPython's module. socket: its module. client: radio.mqtt.Client."""

    called = False
    text = ""

    def __init__(self, network, socket, clock, client, dev_eui, ssid, password, ntp_host):
        self._network = network
        self._socket = socket
        self._clock = clock
        self._client = client
        self._dev_eui = dev_eui
        self._ssid = ssid
        self._password = password
        self._ntp_host = ntp_host
        self._wlan = None
        self._want_time = True
        self._time = None
        self.downlinks = []
        self.failures = 0
        self.last_failure = 0

    @property
    def up(self):
        """Tell whether the broker is connected, as far as we know."""
        return self._client.connected

    def bring_up(self):
        """Associate, ask the time if wanted, log in at the broker."""
        reason = self._associate()
        if reason:
            return self._failed(reason)
        self._ask_time()
        try:
            self._client.connect()
            return True
        except mqtt.MqttError as error:
            return self._failed(_OF_MQTT[error.reason])

    def _associate(self):
        """Return 0, or why there is no Wi-Fi."""
        network = self._network
        if self._wlan is None:
            self._wlan = network.WLAN(network.STA_IF)
        wlan = self._wlan
        try:
            wlan.active(True)
            if wlan.isconnected():
                return 0
            wlan.connect(self._ssid, self._password)
        except OSError:
            return _NO_ANSWER
        status = None
        for _ in range(_WIFI_MS // _POLL_MS):
            if wlan.isconnected():
                return 0
            status = wlan.status()
            if status == network.STAT_WRONG_PASSWORD:
                break
            self._clock.sleep_ms(_POLL_MS)
        wlan.disconnect()
        if status == network.STAT_WRONG_PASSWORD:
            return _WRONG_PASSWORD
        if status == network.STAT_NO_AP_FOUND:
            return _NOT_FOUND
        return _NO_ADDRESS if status == network.STAT_CONNECTING else _NO_ANSWER

    def _ask_time(self):
        if not self._want_time or not self._ntp_host:
            return
        answer = sntp.ask(self._socket, self._clock, self._ntp_host)
        if answer is None:
            self._failed(_NTP_SILENT)
            return
        self._want_time = False
        self._time = (answer[0], answer[1], TIME_NTP)

    def wait_ms(self):
        """Nothing but the node's own back-off holds it up."""
        return 0

    def limit(self):
        """Return the longest payload of a message."""
        return _LIMIT

    def air_ms(self, n):
        """Nobody counts air time here."""
        return 0

    def send(self, port, payload):
        """Publish at QoS 1: what the broker took is confirmed."""
        self._ask_time()
        try:
            self._client.publish(ports.mqtt_topic(self._dev_eui, port), payload)
            return True, True
        except mqtt.MqttError as error:
            self._failed(_OF_MQTT[error.reason])
            return False, None

    def request_time(self):
        """Ask the time server with the next message."""
        self._want_time = True

    def take_time(self):
        """Return a new answer of the time server, once."""
        answer = self._time
        self._time = None
        return answer

    def rest(self):
        """Say goodbye and switch the radio off."""
        if self._client.connected:
            self._client.disconnect()
        if self._wlan is not None and self._wlan.active():
            self._wlan.active(False)

    def calls_in_ms(self):
        """Never by itself."""
        return 1 << 29

    def battery(self, level):
        """Nobody asks: the status has the voltage."""

    def _failed(self, reason):
        self.failures += 1
        self.last_failure = reason
        return False

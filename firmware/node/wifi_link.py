"""The way out over Wi-Fi and MQTT: node.core's link (see node.link).

Wi-Fi is up only while there is something to send. Each reason for not getting through is kept apart,
because their remedies differ: a wrong password is for the host, a silent broker for the city.
"""

from radio import mqtt, reach
from wire import ports

from .ip_link import IpLink

_OF_MQTT = {  # wire.status.NETWORK_FAILURES
    mqtt.NAME: 7,
    mqtt.UNREACHABLE: 8,
    mqtt.REFUSED: 9,
    mqtt.WRONG_PASSWORD: 10,
    mqtt.SILENT: 11,
    mqtt.TLS: 26,
}


class WifiLink(IpLink):
    """client: radio.mqtt.Client."""

    keep = False  # stay connected: what cannot sleep saves nothing by leaving, and hears commands sooner

    def __init__(self, wifi, socket, clock, client, dev_eui, ssid, password, ntp_host):
        super().__init__(wifi, socket, clock, ssid, password, ntp_host)
        self._client = client
        self._dev_eui = dev_eui
        self._host = ""

    def gateway(self, host):
        """Say what the gateway is called, to find out why it cannot be reached."""
        self._host = host

    @property
    def up(self):
        """Tell whether the broker is connected, as far as we know."""
        return self._client.connected

    @property
    def listen_ms(self):
        """How long a message may take: seconds to come up, then next to nothing."""
        return 500 if self.up else 8000

    def bring_up(self):
        """Associate, ask the time if wanted, log in at the broker."""
        if not self.join():
            return False
        self.ask_time()
        try:
            self._client.connect()
            granted = self._client.subscribe(ports.mqtt_command_topic(self._dev_eui, "+"))
            self.text = "" if granted else "broker: commands refused, let the node read its topic down/+"
            self._client.ping()  # what waited for us comes before the answer
            return True
        except mqtt.MqttError as error:
            return self.failed(self._better(error))

    def _better(self, error):
        """Return the reason of a broker that cannot be reached: perhaps it is not the broker's fault."""
        reason = _OF_MQTT[error.reason]
        if error.reason in (mqtt.WRONG_PASSWORD, mqtt.TLS) or not self._host:
            return reason
        return reach.why(self._socket, self.wifi.name_server(), self._host, reason)

    def send(self, port, payload):
        """Publish at QoS 1: what the broker took is confirmed."""
        self.ask_time()
        try:
            self._client.publish(ports.mqtt_topic(self._dev_eui, port), payload)
            return True, True
        except mqtt.MqttError as error:
            self.failed(_OF_MQTT[error.reason])
            return False, None
        finally:
            self._came()

    def _came(self):
        """Take what the broker had for us."""
        while self._client.messages:
            topic, payload = self._client.messages.pop(0)
            port = ports.mqtt_command_port(topic)
            if port:
                self.downlinks.append((port, payload))

    def rest(self):
        """Say goodbye and switch the radio off, unless there is a reason not to."""
        if self.keep:
            return
        if self._client.connected:
            self._client.disconnect()
        super().rest()

    @property
    def called(self):
        """Tell whether the broker wants a sign of life."""
        return self.keep and not self.calls_in_ms()

    def calls_in_ms(self):
        """Return in how long it does."""
        return self._client.ping_in_ms() if self.keep else mqtt.NEVER_MS

    def answer(self):
        """Give it, and take what has come for us."""
        try:
            self._client.ping()
            return True
        except mqtt.MqttError as error:
            return self.failed(_OF_MQTT[error.reason])
        finally:
            self._came()

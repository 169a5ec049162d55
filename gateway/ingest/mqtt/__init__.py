"""Messages of Wi-Fi nodes through an MQTT broker of the city's own."""

from gateway.ingest.mqtt.client import MqttIngest
from gateway.ingest.mqtt.connection import MqttSettings

__all__ = ("MqttIngest", "MqttSettings")

"""Messages of Wi-Fi nodes through an MQTT broker of the city's own, and sessions at brokers."""

from gateway.ingest.mqtt.client import MqttIngest
from gateway.ingest.mqtt.connection import MqttSettings
from gateway.ingest.mqtt.session import BrokerSession

__all__ = ("BrokerSession", "MqttIngest", "MqttSettings")

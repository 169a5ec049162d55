"""Plain MQTT: every observation as documented JSON, the newest of each series retained."""

from gateway.publish.mqtt.publisher import MqttPublisher, MqttPublisherSettings

__all__ = ["MqttPublisher", "MqttPublisherSettings"]

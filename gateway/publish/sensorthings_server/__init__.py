"""OGC SensorThings 1.1 (18-088) as a server over our store: /sta/v1.1 of the page, and MQTT."""

from gateway.publish.sensorthings_server.core import Core
from gateway.publish.sensorthings_server.mqtt import SensorThingsMqtt
from gateway.publish.sensorthings_server.server import PATH, SensorThingsServer
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings

__all__ = ["PATH", "Core", "SensorThingsMqtt", "SensorThingsServer", "SensorThingsServerSettings"]

"""OGC SensorThings 1.1 (18-088) as a server over our store, under /sta/v1.1."""

from gateway.publish.sensorthings_server.server import PATH, SensorThingsServer
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings

__all__ = ["PATH", "SensorThingsServer", "SensorThingsServerSettings"]

"""OGC SensorThings 1.1 (18-088) as a client: observations into another server."""

from gateway.publish.sensorthings.publisher import SensorThingsPublisher
from gateway.publish.sensorthings.settings import SensorThingsSettings

__all__ = ["SensorThingsPublisher", "SensorThingsSettings"]

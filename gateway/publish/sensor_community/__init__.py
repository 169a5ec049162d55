"""Sensor.Community: measured values of sites whose hosts agreed, one POST a sensor PIN."""

from gateway.publish.sensor_community.publisher import SensorCommunityPublisher
from gateway.publish.sensor_community.settings import SensorCommunitySettings

__all__ = ["SensorCommunityPublisher", "SensorCommunitySettings"]

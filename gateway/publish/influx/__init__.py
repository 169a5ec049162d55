"""InfluxDB line protocol over HTTP, versions 1 and 2 (and whatever else takes it)."""

from gateway.publish.influx.publisher import InfluxPublisher, InfluxSettings

__all__ = ["InfluxPublisher", "InfluxSettings"]

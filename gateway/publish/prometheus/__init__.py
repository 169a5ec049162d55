"""Prometheus: the newest values and the gateway's counters under /metrics."""

from gateway.publish.prometheus.server import PATH, MetricsServer, PrometheusSettings

__all__ = ["PATH", "MetricsServer", "PrometheusSettings"]

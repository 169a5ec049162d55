"""NGSI-v2 (FIWARE Orion): a bridge to old installations, in batches of appends."""

from gateway.publish.ngsi_v2.publisher import NgsiV2Publisher
from gateway.publish.ngsi_v2.settings import NgsiV2Settings

__all__ = ["NgsiV2Publisher", "NgsiV2Settings"]

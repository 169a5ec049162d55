"""NGSI-LD (ETSI GS CIM 009): observations as Smart Data Models entities, in batches of upserts."""

from gateway.publish.ngsi_ld.contexts import context_documents
from gateway.publish.ngsi_ld.publisher import NgsiLdPublisher
from gateway.publish.ngsi_ld.settings import NgsiLdSettings

__all__ = ["NgsiLdPublisher", "NgsiLdSettings", "context_documents"]

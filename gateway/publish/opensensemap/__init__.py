"""openSenseMap: observations of sites whose hosts agreed to public domain, in JSON arrays."""

from gateway.publish.opensensemap.publisher import OpenSenseMapPublisher
from gateway.publish.opensensemap.settings import Box, OpenSenseMapSettings

__all__ = ["Box", "OpenSenseMapPublisher", "OpenSenseMapSettings"]

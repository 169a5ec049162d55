"""LDES: every public observation as a linked data event stream (SOSA, TREE), served from the store."""

from gateway.publish.ldes.server import LdesServer
from gateway.publish.ldes.settings import LdesSettings

__all__ = ["LdesServer", "LdesSettings"]

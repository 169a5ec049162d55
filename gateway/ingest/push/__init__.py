"""What devices and network servers push over HTTP (see README.md)."""

from gateway.ingest.push.server import PushServer, PushSettings

__all__ = ["PushServer", "PushSettings"]

"""Nodes on a cable (see README.md)."""

from gateway.ingest.serial.server import SerialIngest, SerialSettings

__all__ = ["SerialIngest", "SerialSettings"]

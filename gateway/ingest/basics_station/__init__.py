"""LoRa Basics Station: the server side of its LNS protocol (see README.md)."""

from gateway.ingest.basics_station.server import BasicsStationServer, BasicsStationSettings

__all__ = ["BasicsStationServer", "BasicsStationSettings"]

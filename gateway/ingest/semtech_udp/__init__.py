"""Semtech UDP, protocol version 2: how most LoRa gateways forward packets (see README.md)."""

from .server import GatewayStatus, SemtechUdpServer, SemtechUdpSettings

__all__ = ["GatewayStatus", "SemtechUdpServer", "SemtechUdpSettings"]

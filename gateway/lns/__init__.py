"""The built-in LoRaWAN network server, for one to a few gateways and up to 1,000 devices (see README.md)."""

from .server import NetworkServer
from .settings import LnsSettings
from .store import SessionStore, forget_dev_nonce

__all__ = ["LnsSettings", "NetworkServer", "SessionStore", "forget_dev_nonce"]

"""ChirpStack v4, through its MQTT integration (see README.md)."""

from gateway.ingest.chirpstack.client import ChirpStackIngest
from gateway.ingest.chirpstack.uplinks import decode_message, decode_webhook, parse_topic

__all__ = ["ChirpStackIngest", "decode_message", "decode_webhook", "parse_topic"]

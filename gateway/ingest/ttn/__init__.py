"""The Things Stack v3, through its MQTT server (see README.md)."""

from gateway.ingest.ttn.client import TtnIngest
from gateway.ingest.ttn.uplinks import decode_message, decode_webhook, parse_topic

__all__ = ["TtnIngest", "decode_message", "decode_webhook", "parse_topic"]

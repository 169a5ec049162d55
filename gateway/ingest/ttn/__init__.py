"""Uplinks of The Things Stack v3, from its MQTT server (see README.md)."""

from .uplinks import decode_message, parse_topic

__all__ = ["decode_message", "parse_topic"]

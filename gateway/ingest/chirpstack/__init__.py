"""Uplinks of ChirpStack v4, from its MQTT integration with JSON marshaling (see README.md)."""

from .uplinks import decode_message, parse_topic

__all__ = ["decode_message", "parse_topic"]

"""Payload bytes to observations: decoding never calibrates."""

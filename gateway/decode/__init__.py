"""Payload bytes to decoded records: decoding never calibrates."""

from gateway.decode.ports import Contents, decode

__all__ = ("Contents", "decode")

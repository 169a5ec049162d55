"""Payload bytes to decoded records: decoding never calibrates."""

from gateway.decode.ports import Contents, Decoder, decode

__all__ = ("Contents", "Decoder", "decode")

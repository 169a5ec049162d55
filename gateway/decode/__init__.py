"""Payload bytes to decoded records: decoding never calibrates."""

from gateway.decode.foreign import Foreign, ProfileError, Profiles
from gateway.decode.ports import Contents, Decoder, decode
from gateway.decode.windows import WindowBook

__all__ = ("Contents", "Decoder", "Foreign", "ProfileError", "Profiles", "WindowBook", "decode")

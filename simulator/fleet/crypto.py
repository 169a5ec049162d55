"""AES for a fleet's sessions, as `wire` wants it."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB


class Ecb:
    """One key; `.encrypt(data)` is AES-128-ECB over a multiple of 16 bytes."""

    __slots__ = ("_encryptor",)

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - LoRaWAN builds its modes on ECB

    def encrypt(self, data: bytes | bytearray) -> bytes:
        """Return the blocks encrypted."""
        return self._encryptor.update(bytes(data))

"""AES-128-ECB by `cryptography`, in the shape that `wire.lorawan` wants."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class Ecb:
    """One key: `encrypt` and `decrypt` take a multiple of 16 bytes. The key is in no repr."""

    __slots__ = ("decrypt", "encrypt")

    def __init__(self, key: bytes) -> None:
        # ECB of single blocks is the primitive that LoRaWAN's CMAC and CTR are built from.
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self.encrypt = cipher.encryptor().update
        self.decrypt = cipher.decryptor().update

"""AES-CMAC (RFC 4493): the base of every LoRaWAN message integrity code."""

from ..errors import WireError


def _double(block: bytearray) -> bytearray:
    """Multiply by x in GF(2^128) (RFC 4493 section 2.3)."""
    out = bytearray(16)
    carry = 0
    for i in range(15, -1, -1):
        out[i] = ((block[i] << 1) & 0xFF) | carry
        carry = block[i] >> 7
    if carry:
        out[15] ^= 0x87
    return out


def _xor_into(block: bytearray, data: bytes, start: int, length: int) -> None:
    for i in range(length):
        block[i] ^= data[start + i]


def cmac(ecb: object, data: bytes) -> bytes:
    """Return the 16-byte AES-CMAC of data under the key that ecb was made for."""
    subkey = _double(ecb.encrypt(bytes(16)))
    length = len(data)
    last = (length - 1) // 16 * 16 if length else 0
    block = bytearray(16)
    for start in range(0, last, 16):
        _xor_into(block, data, start, 16)
        block = bytearray(ecb.encrypt(block))
    rest = length - last
    _xor_into(block, data, last, rest)
    if rest < 16:
        block[rest] ^= 0x80
        subkey = _double(subkey)
    _xor_into(block, subkey, 0, 16)
    return bytes(ecb.encrypt(block))


def mic(ecb: object, data: bytes) -> bytes:
    """Return the first four bytes of the CMAC, as LoRaWAN sends them."""
    return cmac(ecb, data)[:4]


def same(a: bytes, b: bytes) -> bool:
    """Compare two codes of equal length without stopping at the first difference."""
    if len(a) != len(b):
        raise WireError("mic", "lengths differ, compare codes of four bytes")
    different = 0
    for i in range(len(a)):
        different |= a[i] ^ b[i]
    return different == 0

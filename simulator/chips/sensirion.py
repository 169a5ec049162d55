"""What Sensirion's I2C chips share on the wire: words with a CRC-8, and the faults of any such chip."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Nak, Source


def _table() -> bytes:
    """CRC-8 of every byte for polynomial x^8 + x^5 + x^4 + 1 (0x31), most significant bit first."""
    table = bytearray(256)
    for value in range(256):
        remainder = value << 8
        for bit in range(15, 7, -1):
            if remainder >> bit & 1:
                remainder ^= 0x131 << (bit - 8)
        table[value] = remainder
    return bytes(table)


_CRC = _table()


def crc8(data: bytes) -> int:
    """Return Sensirion's CRC (initial value 0xFF) of data."""
    crc = 0xFF
    for byte in data:
        crc = _CRC[crc ^ byte]
    return crc


def pack(words: Sequence[int]) -> bytes:
    """Return words (0..65535) as the chip sends them: two bytes and a CRC each."""
    out = bytearray()
    for word in words:
        pair = word.to_bytes(2, "big")
        out += pair
        out.append(crc8(pair))
    return bytes(out)


def unpack(data: bytes) -> list[int]:
    """Return the words of an argument list; Nak where a CRC is wrong or a word is cut off."""
    if len(data) % 3:
        raise Nak("an argument word is cut off")
    words: list[int] = []
    for at in range(0, len(data), 3):
        if crc8(data[at : at + 2]) != data[at + 2]:
            raise Nak("CRC of an argument")
        words.append(int.from_bytes(data[at : at + 2], "big"))
    return words


def as_received(data: bytes, n: int) -> bytes:
    """Return n bytes of a read: after the chip's last byte the released line reads as ones."""
    return data[:n] + b"\xff" * max(0, n - len(data))


def disturbed(data: bytes) -> bytes:
    """Return data with one bit flipped, as noise on the line would do it."""
    return bytes([data[0] ^ 0x04]) + data[1:] if data else data


def quantity(source: Source, name: str, now_us: int, default: float) -> float:
    """Return a quantity, or default where the source does not know it (KeyError)."""
    try:
        return source(name, now_us)
    except KeyError:
        return default

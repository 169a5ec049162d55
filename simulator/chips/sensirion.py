"""What Sensirion's I2C chips share on the wire: words with a CRC-8, and the faults of any such chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


class CommandChip:
    """A chip that takes two-byte commands with argument words and answers at the last command's pointer.

    Subclasses give `address`, `takes_us` (execution times; the chip does not acknowledge meanwhile),
    `run` and `answer`. Faults here: nak, brown_out (no answer, and power_off), bad_crc.
    """

    address: int
    takes_us: Mapping[int, int]

    def __init__(self) -> None:
        self.faults: set[str] = set()
        self._pointer = 0
        self._busy_until_us = 0

    def run(self, code: int, words: list[int], now_us: int) -> None:
        """Do what the command asks; Nak for one that the chip does not know."""
        raise NotImplementedError

    def answer(self, code: int, now_us: int) -> list[int]:
        """Return the words that the command gives to read; Nak where there are none."""
        raise NotImplementedError

    def power_off(self) -> None:
        """Forget what is volatile."""

    def write(self, data: bytes, now_us: int) -> None:
        """Take a command."""
        self._powered(now_us)
        if len(data) < 2:
            raise Nak("commands have two bytes")
        code, words = int.from_bytes(data[:2], "big"), unpack(data[2:])
        self._pointer = code
        self.run(code, words, now_us)
        self._busy_until_us = now_us + self.takes_us.get(code, 0) * (10 if "slow" in self.faults else 1)

    def read(self, n: int, now_us: int) -> bytes:
        """Give the bytes at the pointer."""
        self._powered(now_us)
        answer = pack(self.answer(self._pointer, now_us))
        return as_received(disturbed(answer) if "bad_crc" in self.faults else answer, n)

    def _powered(self, now_us: int) -> None:
        if "brown_out" in self.faults:
            self.power_off()
        if self.faults & {"brown_out", "nak"} or now_us < self._busy_until_us:
            raise Nak("no answer")


def text_words(text: bytes, n: int) -> list[int]:
    """Return text as n words, padded with zero bytes."""
    padded = text.ljust(2 * n, b"\0")
    return [int.from_bytes(padded[i : i + 2], "big") for i in range(0, 2 * n, 2)]

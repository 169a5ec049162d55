"""What has come of an update so far: pieces in any order, each once, none lost that was acknowledged.

One file, only ever appended to. Head: "MNI1" | id 4 | bytes u32 | piece size u16 | CRC-32. Then entries of
one size:
number u16 (from 0; from `pieces` on: sums of TS004) | piece | CRC-32 of both. An entry is durable when
put() returns; whatever a power cut leaves behind it does not count, and is written over.
"""

import binascii
import os
from array import array

from wire._compat import const

_MAGIC = b"MNI1"
_HEAD = const(18)
_NONE = const(0xFFFF)
MAX_PIECES = const(2048)


def _crc(data):
    return (binascii.crc32(data) & 0xFFFFFFFF).to_bytes(4, "big")


class Inbox:
    """name: of the file. open() takes up what is there; begin() starts anew. `id` is b"" without any."""

    def __init__(self, name="update.part"):
        self._name = name
        self._forget()

    def _forget(self):
        self.id = b""
        self.size = 0
        self.piece_bytes = 0
        self.pieces = 0
        self._places = array("H")
        self._sums = []  # (number, place)
        self._entries = 0
        self.count = 0  # of the pieces themselves

    def begin(self, bundle_id, size, piece_bytes):
        """Start anew; OSError when the flash refuses, ValueError when it is too large."""
        pieces = (size + piece_bytes - 1) // piece_bytes
        if not 0 < pieces <= MAX_PIECES:
            raise ValueError("pieces")
        head = _MAGIC + bytes(bundle_id) + size.to_bytes(4, "big") + piece_bytes.to_bytes(2, "big")
        self.clear()
        with open(self._name, "wb") as f:
            f.write(head + _crc(head))
        self._take_head(head)

    def _take_head(self, head):
        self._forget()
        self.id = bytes(head[4:8])
        self.size = int.from_bytes(head[8:12], "big")
        self.piece_bytes = int.from_bytes(head[12:14], "big")
        self.pieces = (self.size + self.piece_bytes - 1) // self.piece_bytes
        self._places = array("H", [_NONE] * self.pieces)

    def open(self, feed=None):
        """Take up what is in the file; tell whether there is anything."""
        self._forget()
        try:
            with open(self._name, "rb") as f:
                head = f.read(_HEAD)
                body = head[:14]
                if len(head) != _HEAD or body[:4] != _MAGIC or _crc(body) != head[14:]:
                    return False
                self._take_head(body)
                size = self.piece_bytes + 6
                while True:
                    entry = f.read(size)
                    if len(entry) < size or _crc(entry[:-4]) != entry[-4:]:
                        break
                    self._note(int.from_bytes(entry[:2], "big"))
                    if feed is not None and self._entries % 64 == 0:
                        feed()
        except (OSError, ValueError):
            return False
        return True

    def _note(self, number):
        if number >= self.pieces:
            self._sums.append((number, self._entries))
        elif self._places[number] == _NONE:
            self._places[number] = self._entries
            self.count += 1
        self._entries += 1

    def has(self, number):
        """Tell whether a piece is there."""
        if number < self.pieces:
            return self._places[number] != _NONE
        return any(row[0] == number for row in self._sums)

    @property
    def complete(self):
        """Tell whether every piece is there."""
        return 0 < self.pieces == self.count

    @property
    def sums(self):
        """Return the sums that are there: [(number, bytes)]."""
        return [(number, self._read(place)) for number, place in self._sums]

    @property
    def sum_count(self):
        """Return how many sums are there."""
        return len(self._sums)

    def first_missing(self):
        """Return the number of the first piece that is missing; `pieces` when none is."""
        for i in range(self.pieces):
            if self._places[i] == _NONE:
                return i
        return self.pieces

    def put(self, number, piece):
        """Keep a piece, the last one padded; OSError when the flash refuses. Twice costs nothing."""
        if len(piece) != self.piece_bytes or number >= _NONE or self.has(number):
            return
        entry = number.to_bytes(2, "big") + bytes(piece)
        at = _HEAD + self._entries * (self.piece_bytes + 6)
        with open(self._name, "r+b") as f:
            f.seek(at)
            if f.write(entry + _crc(entry)) != len(entry) + 4:
                raise OSError(28)
        self._note(number)

    def _read(self, place):
        with open(self._name, "rb") as f:
            f.seek(_HEAD + place * (self.piece_bytes + 6) + 2)
            return f.read(self.piece_bytes)

    def piece(self, number):
        """Return a piece, None where it is missing."""
        place = self._places[number]
        return None if place == _NONE else self._read(place)

    def read(self, offset, n):
        """Return up to n bytes of the bundle from an offset on; fewer at a gap, or at the end."""
        out = b""
        n = min(n, self.size - offset)
        while n > 0:
            number, at = divmod(offset, self.piece_bytes)
            piece = self.piece(number)
            if piece is None:
                break
            part = piece[at : at + n]
            out += part
            offset += len(part)
            n -= len(part)
        return out

    def clear(self):
        """Throw everything away."""
        self._forget()
        try:
            os.remove(self._name)
        except OSError:
            pass

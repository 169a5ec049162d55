"""Which records a node has in its log, read from the file that stands for its flash.

Written from the layout in firmware/node/log.py and pack.py, apart from their code: whoever keeps the accounts
must not ask the firmware.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

SECTOR = 4096
_HEADER = 20
_BODY_BYTES = {0xF1: 11, 0xF2: 2}


class Kept:
    """The records that a node's flash ever held: looked at again and again, as the log goes round."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: set[int] = set()

    def look(self) -> list[int]:
        """Look, and return all that was found so far, in order."""
        self._found.update(records(self._path))
        return sorted(self._found)


def records(path: Path) -> list[int]:
    """Return the numbers of the whole records in a partition file, as they lie there."""
    data = path.read_bytes() if path.exists() else b""
    found: list[int] = []
    for at in range(0, len(data), SECTOR):
        found.extend(_of_sector(data[at : at + SECTOR]))
    return found


def _of_sector(sector: bytes) -> Iterator[int]:
    head = sector[:_HEADER]
    if head[:3] != b"ML\x01" or zlib.crc32(head[:-4]).to_bytes(4, "big") != head[-4:]:
        return
    number = int.from_bytes(head[4:8], "big")
    used = len(sector.rstrip(b"\xff"))
    at, seq = _HEADER, None
    while at < used:
        end = _entry_end(sector, at, number)
        if not end:
            at, seq = at + 1, None
            continue
        if sector[at] < 0xF0:
            seq = _seq(sector[at + 1 : end - 4], seq)
            if seq is not None:
                yield seq
        at = end


def _entry_end(sector: bytes, at: int, number: int) -> int:
    length = sector[at]
    if length >= 0xF0 and length not in _BODY_BYTES:
        return 0
    end = at + 5 + _BODY_BYTES.get(length, length)
    if end > len(sector):
        return 0
    return end if zlib.crc32(sector[at : end - 4], number).to_bytes(4, "big") == sector[end - 4 : end] else 0


def _seq(body: bytes, before: int | None) -> int | None:
    """The first two bits say how a record gives its place: 0 by a number of 32 bits, else the next."""
    bits = int.from_bytes(body[:5].ljust(5, b"\0"), "big")
    form = bits >> 38
    if form == 0:
        return (bits >> 6) & 0xFFFFFFFF
    return before + 1 if before is not None and form in (1, 2) else None

"""The partition table as the second stage reads it (ESP-IDF, "Partition Tables")."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from simulator.usb.flash import FlashChip

TABLE_AT = 0x8000
TABLE_SIZE = 0xC00
_ROW = struct.Struct("<HBBII16sI")
_MAGIC, _MD5 = 0x50AA, 0xEBEB


@dataclass(frozen=True, slots=True)
class Partition:
    """A row: label, type, subtype, where and how long."""

    label: str
    kind: int
    subtype: int
    offset: int
    size: int


def read_table(flash: FlashChip) -> list[Partition]:
    """Return the rows; [] when there is no table, or its digest is wrong: such a chip does not start."""
    table = flash.read(TABLE_AT, TABLE_SIZE)
    found: list[Partition] = []
    for at in range(0, len(table), _ROW.size):
        magic, kind, subtype, offset, size, label, _flags = _ROW.unpack_from(table, at)
        if magic == _MD5:
            digest = hashlib.md5(table[:at], usedforsecurity=False).digest()
            return found if table[at + 16 : at + 32] == digest else []
        if magic != _MAGIC:
            break
        found.append(Partition(label.rstrip(b"\x00").decode(), kind, subtype, offset, size))
    return []

"""Partition tables: read the base image's, and make room in it for the node's record log.

Format: ESP-IDF "Partition Tables": rows of 32 bytes at 0x8000, closed by the MD5 of the rows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tools.flash.errors import FlashError

TABLE_AT = 0x8000
TABLE_SIZE = 0xC00
SECTOR = 0x1000
APP, DATA = 0, 1
NVS, PHY, OTA, UNDEFINED = 2, 1, 0, 6  # subtypes of data
_ROW = struct.Struct("<2sBBII16sI")
_MAGIC, _MD5 = b"\xaa\x50", b"\xeb\xeb"


@dataclass(frozen=True, slots=True)
class Partition:
    """One row; offset and size in bytes."""

    label: str
    kind: int
    subtype: int
    offset: int
    size: int
    flags: int = 0


def parse(table: bytes) -> list[Partition]:
    """Return the rows. FlashError `image` when it is no table, or its digest is wrong."""
    found: list[Partition] = []
    for at in range(0, len(table) - _ROW.size + 1, _ROW.size):
        magic, kind, subtype, offset, size, label, flags = _ROW.unpack_from(table, at)
        if magic == _MD5:
            if table[at + 16 : at + 32] != hashlib.md5(table[:at], usedforsecurity=False).digest():
                raise FlashError("image", "the partition table of the image is damaged: get the image again")
            break
        if magic != _MAGIC:
            break
        found.append(
            Partition(label.rstrip(b"\x00").decode("ascii", "replace"), kind, subtype, offset, size, flags)
        )
    if not found:
        raise FlashError("image", "the image has no partition table: take one of MicroPython for an ESP32")
    return found


def table(rows: Sequence[Partition]) -> bytes:
    """Return a table of one sector's 0xC00 bytes with its digest."""
    body = b"".join(
        _ROW.pack(_MAGIC, row.kind, row.subtype, row.offset, row.size, row.label.encode("ascii"), row.flags)
        for row in rows
    )
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return (body + _MD5 + b"\xff" * 14 + digest).ljust(TABLE_SIZE, b"\xff")


def named(rows: Sequence[Partition], label: str) -> Partition:
    """Return the row with a label; FlashError `image` when there is none."""
    for row in rows:
        if row.label == label:
            return row
    raise FlashError("image", f'the image has no partition "{label}": take one of MicroPython for an ESP32')


def with_log(rows: Sequence[Partition], log_bytes: int) -> list[Partition]:
    """Return the rows with a raw partition "log" cut from the end of "vfs", unless there is one."""
    if any(row.label == "log" for row in rows) or not log_bytes:
        return list(rows)
    vfs = named(rows, "vfs")
    size = -(-log_bytes // SECTOR) * SECTOR
    if vfs.size - size < 0x80000:
        raise FlashError(
            "image", f"the flash has no room for a log of {size >> 10} KiB: give a smaller --log-kib"
        )
    smaller = replace(vfs, size=vfs.size - size)
    log = Partition("log", DATA, UNDEFINED, smaller.offset + smaller.size, size)
    out = [smaller if row is vfs else row for row in rows]
    return [*out, log]

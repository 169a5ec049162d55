"""User codecs as data: fields at byte offsets, or behind tags. Nothing of a table is ever executed.

[[field]]                      [[field]]
quantity = "temperature"       quantity = "temperature"
unit = "Cel"                   unit = "Cel"
offset = 2                     tag = "0367"
type = "i16"                   type = "i16"
scale = 0.01                   endian = "little"
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.decode.foreign.errors import FormatError

TYPES = {
    "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3, "u32": 4, "i32": 4, "u64": 8, "i64": 8,
    "f32": 4, "f64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a raw number stands. offset: from the end where negative. mask: bits taken, shifted down."""

    type: str
    endian: str = "big"
    offset: int = 0
    tag: bytes = b""
    mask: int = 0
    missing: tuple[float, ...] = ()
    when: tuple[int, int] | None = None  # only in messages with this byte at this offset
    port: int = 0  # only on this port

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return TYPES[self.type]

    def number(self, raw: bytes) -> float | None:
        """Return the number in its bytes; None where they say that there is none."""
        if self.type[0] == "f":
            code = ("<" if self.endian == "little" else ">") + ("f" if self.size == 4 else "d")
            value: float = struct.unpack(code, raw)[0]
            if not math.isfinite(value):
                return None
        else:
            value = int.from_bytes(
                raw, "little" if self.endian == "little" else "big", signed=self.type[0] == "i"
            )
            if self.mask:
                value = (value & self.mask) >> ((self.mask & -self.mask).bit_length() - 1)
        return None if value in self.missing else value

    def applies(self, payload: bytes, port: int) -> bool:
        """Tell whether it is in such a message."""
        if self.port and port != self.port:
            return False
        if self.when is None:
            return True
        at, byte = self.when
        return -len(payload) <= at < len(payload) and payload[at] == byte


def at_offsets(cells: Sequence[Cell], payload: bytes, port: int) -> list[float | None]:
    """Return the number of each cell, None where it is not in this message; raise FormatError.

    A message that ends before a cell that belongs into it is too short, and says so.
    """
    out: list[float | None] = []
    for cell in cells:
        if not cell.applies(payload, port):
            out.append(None)
            continue
        start = cell.offset if cell.offset >= 0 else len(payload) + cell.offset
        if start < 0 or start + cell.size > len(payload):
            raise FormatError(
                f"has {len(payload)} bytes and ends before the {cell.type} at byte {cell.offset}"
            )
        out.append(cell.number(payload[start : start + cell.size]))
    return out


def behind_tags(
    cells: Sequence[Cell], skipped: dict[bytes, int], payload: bytes, port: int
) -> list[float | None]:
    """Return the number behind the tag of each cell; raise FormatError at a tag that is not known.

    Cells of one tag stand behind one another from its end by their offsets. skipped: {tag: bytes behind it}.
    """
    sizes = dict(skipped)
    for cell in cells:
        sizes[cell.tag] = max(sizes.get(cell.tag, 0), cell.offset + cell.size)
    width = len(next(iter(sizes)))
    out: list[float | None] = [None] * len(cells)
    at = 0
    while at < len(payload):
        tag = payload[at : at + width]
        size = sizes.get(tag)
        if size is None:
            raise FormatError(
                f"has the unknown tag {tag.hex()} at byte {at}: add a [[field]] or [[skip]] for it"
            )
        at += width
        if at + size > len(payload):
            raise FormatError(f"ends within what follows tag {tag.hex()}, at byte {at}")
        for n, cell in enumerate(cells):
            if cell.tag == tag and out[n] is None and cell.applies(payload, port):
                out[n] = cell.number(payload[at + cell.offset : at + cell.offset + cell.size])
        at += size
    return out

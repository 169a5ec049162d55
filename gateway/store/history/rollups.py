"""What the minutes, hours and days of a site amount to: number, mean, least and greatest value.

One row of the table `rollups` holds a block: the hours of a day, the days of 32, the minutes of an hour, of
all quantities of a site. In it an entry is (key, slot, n, mean, low, high); key is the number of the
quantity times two, plus one for values that a check flagged: those are kept apart, so that they count and
never move a mean. Levels in decibels are averaged as energy (ISO 1996-1).

body: zlib of a part for each key: PART_HEAD, then five columns (slot, n, mean, low, high), each the
differences to the number before, zigzag, in 0, 1, 2 or 4 bytes. Parts of the same head are read at once,
whatever the number of sites. low and high are kept exactly, mean to a hundredth of their last decimal; what
needs more than 4 decimals, or is too large, is kept as single-precision floats.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.errors import StoreError

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# step -> length of a block
BLOCKS: Final = {MINUTE_MS: HOUR_MS, HOUR_MS: DAY_MS, DAY_MS: 32 * DAY_MS}
_COLUMNS = 5  # slot, n, mean, low, high
PART_HEAD: Final = np.dtype(
    [("key", "<u2"), ("n", "<u2"), ("widths", "u1", _COLUMNS), ("decimals", "u1"), ("first", "<i4", _COLUMNS)]
)
_HEAD_BYTES = PART_HEAD.itemsize
_HEAD: Final = struct.Struct("<HH5B")  # key, n, widths
_ALIKE_FROM, _ALIKE_TO = 2, 10  # of a head: number and widths, which say how long the part is, and decimals
_MOST_DECIMALS = 4
_SINGLE = 15  # decimals of what is kept as floats
_LARGEST = float(2**31 - 1)

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


class Entries(msgspec.Struct, gc=False):
    """Entries of any blocks, as arrays of one length. block: (site, start of the block) as one number."""

    block: Whole
    key: Whole
    slot: Whole
    n: Whole
    mean: Floats
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.n)

    def chosen(self, mask: NDArray[Any]) -> Entries:
        """Return some of them."""
        return Entries(
            self.block[mask], self.key[mask], self.slot[mask], self.n[mask], self.mean[mask],
            self.low[mask], self.high[mask],
        )  # fmt: skip


def joined(parts: Sequence[Entries]) -> Entries:
    """Return entries one after the other."""
    if not parts:
        whole, floats = np.zeros(0, np.int64), np.zeros(0)
        return Entries(whole, whole, whole, whole, floats, floats, floats)
    return Entries(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Entries.__struct_fields__)
    )


def combined(entries: Entries, levels: NDArray[np.bool_]) -> Entries:
    """Add up entries of the same block, key and slot, sorted by those. levels: by number of a quantity."""
    if not len(entries):
        return entries
    order = np.lexsort((entries.slot, entries.key, entries.block))
    e = entries.chosen(order)
    new = np.ones(len(e), bool)
    new[1:] = (e.block[1:] != e.block[:-1]) | (e.key[1:] != e.key[:-1]) | (e.slot[1:] != e.slot[:-1])
    starts = np.flatnonzero(new)
    if len(starts) == len(e):
        return e
    is_level = levels[e.key >> 1]
    # What no sound has, 3000 dB of a foreign device, must not become infinite.
    energies = 10 ** (np.clip(np.where(is_level, e.mean, 0), -1000, 1000) / 10)
    amounts = np.where(is_level, energies, e.mean) * e.n
    n = np.add.reduceat(e.n, starts)
    mean = np.add.reduceat(amounts, starts) / n
    is_level = is_level[starts]
    mean[is_level] = 10 * np.log10(mean[is_level])
    return Entries(
        e.block[starts], e.key[starts], e.slot[starts], n, mean,
        np.minimum.reduceat(e.low, starts), np.maximum.reduceat(e.high, starts),
    )  # fmt: skip


def pack_blocks(entries: Entries) -> list[tuple[int, bytes]]:
    """Return (block, body) of entries that `combined` gave."""
    e = entries
    if not len(e):
        return []
    new = np.ones(len(e), bool)
    new[1:] = (e.block[1:] != e.block[:-1]) | (e.key[1:] != e.key[:-1])
    starts = np.flatnonzero(new)
    ends = [*starts[1:].tolist(), len(e)]
    decimals, columns = _columns(e, starts)
    steps = np.zeros_like(columns)
    steps[:, 1:] = columns[:, 1:] - columns[:, :-1]
    steps[:, starts] = 0
    zigzag = ((steps << 1) ^ (steps >> 31)).view(np.uint32)
    most = np.maximum.reduceat(zigzag, starts, axis=1)
    widths = np.select([most == 0, most < 1 << 8, most < 1 << 16], [0, 1, 2], 4).T
    heads = np.zeros(len(starts), PART_HEAD)
    heads["key"], heads["n"] = e.key[starts], np.diff(starts, append=len(e))
    heads["widths"], heads["decimals"], heads["first"] = widths, decimals, columns[:, starts].T
    sized = {width: [row.astype(f"<u{width}") for row in zigzag] for width in (1, 2, 4)}
    blocks = e.block[starts]
    firsts = np.flatnonzero(np.append(True, blocks[1:] != blocks[:-1]))
    is_bare = ~np.logical_or.reduceat(widths.any(axis=1), firsts)  # nothing follows any of its heads
    head_bytes, lows, wide = heads.tobytes(), starts.tolist(), widths.tolist()
    found: list[tuple[int, bytes]] = []
    numbers, parts_from = blocks[firsts].tolist(), firsts.tolist()
    for block, bare, begin, end in zip(
        numbers, is_bare.tolist(), parts_from, [*parts_from[1:], len(starts)], strict=True
    ):
        if bare:
            found.append((block, _pressed(head_bytes[_HEAD_BYTES * begin : _HEAD_BYTES * end])))
            continue
        parts: list[bytes] = []
        for part in range(begin, end):
            parts.append(head_bytes[_HEAD_BYTES * part : _HEAD_BYTES * (part + 1)])
            low, high = lows[part], ends[part]
            parts += [sized[width][at][low:high].tobytes() for at, width in enumerate(wide[part]) if width]
        found.append((block, _pressed(b"".join(parts))))
    return found


def _pressed(body: bytes) -> bytes:
    """Return the zlib stream of a body; a small one in a small window, in a fifteenth of the time."""
    size = len(body)
    window, memory = (9, 1) if size <= 512 else (12, 4) if size <= 4096 else (15, 8)
    press = zlib.compressobj(6, zlib.DEFLATED, window, memory)
    return press.compress(body) + press.flush()


def _columns(e: Entries, starts: Whole) -> tuple[Whole, NDArray[np.int32]]:
    """Return the decimals of each part, and its columns as whole numbers."""
    decimals = np.full(len(e), _SINGLE)
    left = np.ones(len(e), bool)
    for number in range(_MOST_DECIMALS + 1):
        power = 10.0**number
        fits = left & (np.rint(e.low * power) / power == e.low) & (np.rint(e.high * power) / power == e.high)
        decimals[fits] = number
        left &= ~fits
    most = np.maximum.reduceat(decimals, starts)
    size = np.maximum.reduceat(np.maximum(np.abs(e.low), np.abs(e.high)), starts)
    most[size * 10.0 ** (most + 2) > _LARGEST] = _SINGLE
    each = np.repeat(most, np.diff(starts, append=len(e)))
    is_single = each == _SINGLE
    power = 10.0 ** np.where(is_single, 0, each)
    columns = np.empty((_COLUMNS, len(e)), np.int32)
    columns[0], columns[1] = e.slot, np.minimum(e.n, _LARGEST)
    for at, (values, more) in enumerate(((e.mean, 100.0), (e.low, 1.0), (e.high, 1.0)), 2):
        whole = np.rint(np.where(is_single, 0, values) * power * more).astype(np.int32)
        columns[at] = np.where(is_single, values.astype(np.float32).view(np.int32), whole)
    return most, columns


def unpack_blocks(bodies: Sequence[tuple[int, bytes]], keys: frozenset[int] | None = None) -> Entries:
    """Return the entries of blocks (of some keys only); raise StoreError when one is damaged."""
    alike: dict[bytes, tuple[list[int], list[bytes]]] = {}
    last = max(keys, default=0) if keys is not None else 0
    try:
        for block, body in bodies:
            data = zlib.decompress(body)
            at, size = 0, len(data)
            while at < size:
                key, n, a, b, c, d, e = _HEAD.unpack_from(data, at)
                end = at + _HEAD_BYTES + n * (a + b + c + d + e)
                if keys is None or key in keys:
                    blocks, parts = alike.setdefault(data[at + _ALIKE_FROM : at + _ALIKE_TO], ([], []))
                    blocks.append(block)
                    parts.append(data[at:end])
                elif key > last:
                    break  # parts stand by key
                at = end
        return joined([_unpack(blocks, parts) for blocks, parts in alike.values()])
    except (zlib.error, ValueError, struct.error) as error:
        raise StoreError(f"a rollup is damaged ({error}): make it again with meetnet store rollup") from error


def _unpack(blocks: list[int], parts: list[bytes]) -> Entries:
    m = len(parts)
    data = np.frombuffer(b"".join(parts), np.uint8).reshape(m, -1)
    heads = np.ascontiguousarray(data[:, :_HEAD_BYTES]).view(PART_HEAD)[:, 0]
    n, decimals = int(heads["n"][0]), int(heads["decimals"][0])
    at = _HEAD_BYTES
    columns: list[NDArray[np.int32]] = []
    for number, width in enumerate(heads["widths"][0].tolist()):
        first = heads["first"][:, number, None]
        if width:
            part = np.ascontiguousarray(data[:, at : at + n * width]).view(f"<u{width}").astype(np.uint32)
            at += n * width
            steps = (part >> 1).view(np.int32) ^ -(part & 1).view(np.int32)
            columns.append((steps.cumsum(axis=1, dtype=np.int32) + first).ravel())
        else:
            columns.append(np.repeat(first, n, axis=1).ravel())
    values: list[Floats] = []
    for whole, more in zip(columns[2:], (100.0, 1.0, 1.0), strict=True):
        if decimals == _SINGLE:
            values.append(whole.view(np.float32).astype(np.float64))
        else:
            values.append(whole / (10.0**decimals * more))
    return Entries(
        np.repeat(np.array(blocks, np.int64), n), np.repeat(heads["key"].astype(np.int64), n),
        columns[0].astype(np.int64), columns[1].astype(np.int64), *values,
    )  # fmt: skip

"""Columns of numbers in few bytes, and exactly those numbers again.

Sensors round: their values are whole numbers of a small step, and move little from one to the next. So a
column of doubles is kept as whole numbers at as few decimals as give every double back, bit by bit; a
column of whole numbers as distances from its least one, from the one before, or from a steady pace,
whichever needs fewest bits; and bytes of equal weight stand together, which is what zlib is good at. A
column that no number of decimals gives back is kept as the doubles themselves.

A matrix is a header of its columns and their bytes. Little-endian throughout.
"""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]

_LEAST, _STEP, _PACE = range(3)  # distances from the least value, the one before, a steady pace
_WHOLE_HEAD: Final = np.dtype([("way", "u1"), ("width", "u1"), ("a", "<i8"), ("b", "<i8")])
_FLOAT_HEAD: Final = np.dtype([("decimals", "u1"), ("gaps", "u1")])
_MOST_DECIMALS = 6
_AS_DOUBLES, _NOTHING = 255, 254
_SURE = float(2**53)
_POWERS = 10.0 ** np.arange(_MOST_DECIMALS + 1)


def counting(n: int) -> Whole:
    """Return 0, 1, ... n - 1."""
    return cast("Whole", np.arange(n, dtype=np.int64))


def pack_whole(columns: Whole) -> bytes:
    """Return columns (k x n) of whole numbers as bytes."""
    k, n = columns.shape
    if not k or not n:
        return b""
    head = np.zeros(k, _WHOLE_HEAD)
    least = columns.min(axis=1)
    ways = [(columns - least[:, None]).view(np.uint64)]
    steps = np.zeros_like(columns)
    paces = np.zeros_like(columns)
    if n > 1:
        steps[:, 1:] = columns[:, 1:] - columns[:, :-1]
        paces[:, 2:] = steps[:, 2:] - steps[:, 1:-1]
        ways += [_zigzag(steps), _zigzag(paces)]
    bits = np.stack([np.log2(way.astype(np.float64) + 1.0).sum(axis=1) for way in ways])
    best = bits.argmin(axis=0)
    chosen = np.empty((k, n), np.uint64)
    for way, found in enumerate(ways):
        chosen[best == way] = found[best == way]
    head["way"] = best
    head["a"] = np.where(best == _LEAST, least, columns[:, 0])
    head["b"] = np.where(best == _PACE, steps[:, min(1, n - 1)], 0)
    most = chosen.max(axis=1)
    widths = np.select([most == 0, most < 1 << 8, most < 1 << 16, most < 1 << 32], [0, 1, 2, 4], 8)
    head["width"] = widths
    parts = [head.tobytes()]
    for width in (1, 2, 4, 8):
        rows = chosen[widths == width]
        if len(rows):
            parts.append(_planes(rows.astype(f"<u{width}"), width))
    return b"".join(parts)


def unpack_whole(data: memoryview, at: int, k: int, n: int) -> tuple[Whole, int]:
    """Return (columns, where they end)."""
    found = np.zeros((k, n), np.int64)
    if not k or not n:
        return found, at
    head = np.frombuffer(data, _WHOLE_HEAD, k, at)
    at += k * _WHOLE_HEAD.itemsize
    widths, ways = head["width"], head["way"]
    for width in (1, 2, 4, 8):
        chosen = widths == width
        rows = int(np.count_nonzero(chosen))
        if rows:
            found[chosen] = _from_planes(data, at, rows, n, width).view(np.int64)
            at += rows * n * width
    moved = ways != _LEAST
    if moved.any():
        part = found[moved]
        part = (part >> 1) ^ -(part & 1)  # never above 2**62: no sign is lost
        paced = ways[moved] == _PACE
        if paced.any():
            rest = part[paced]
            if n > 1:
                rest[:, 1] += head["b"][moved][paced]
            part[paced] = rest.cumsum(axis=1)
        found[moved] = part.cumsum(axis=1)
    found += head["a"][:, None]
    return found, at


def pack_floats(columns: Floats) -> bytes:
    """Return columns (k x n) of doubles as bytes; NaN is kept as one NaN."""
    k, n = columns.shape
    if not k or not n:
        return b""
    head = np.zeros(k, _FLOAT_HEAD)
    gaps = np.isnan(columns)
    head["gaps"] = gaps.any(axis=1)
    decimals, whole = _whole_numbers(columns, gaps)
    decimals[gaps.all(axis=1)] = _NOTHING
    head["decimals"] = decimals
    parts = [head.tobytes()]
    masked = (head["gaps"] == 1) & (decimals != _NOTHING)
    parts.append(np.packbits(gaps[masked], axis=1).tobytes())
    parts.append(pack_whole(whole[decimals <= _MOST_DECIMALS]))
    doubles = columns[decimals == _AS_DOUBLES].astype("<f8")
    if len(doubles):
        parts.append(_planes(doubles, 8))
    return b"".join(parts)


def unpack_floats(data: memoryview, at: int, k: int, n: int) -> tuple[Floats, int]:
    """Return (columns, where they end)."""
    found = np.full((k, n), np.nan)
    if not k or not n:
        return found, at
    head = np.frombuffer(data, _FLOAT_HEAD, k, at)
    at += k * _FLOAT_HEAD.itemsize
    decimals = head["decimals"]
    masked = (head["gaps"] == 1) & (decimals != _NOTHING)
    rows, width = int(np.count_nonzero(masked)), -(-n // 8)
    gaps = np.frombuffer(data, np.uint8, rows * width, at).reshape(rows, width)
    at += rows * width
    scaled = decimals <= _MOST_DECIMALS
    whole, at = unpack_whole(data, at, int(np.count_nonzero(scaled)), n)
    found[scaled] = whole / _POWERS[decimals[scaled]][:, None]
    doubles = decimals == _AS_DOUBLES
    rows = int(np.count_nonzero(doubles))
    if rows:
        found[doubles] = _from_planes(data, at, rows, n, 8).view(np.float64)
        at += rows * n * 8
    if len(gaps):
        part = found[masked]
        part[np.unpackbits(gaps, axis=1, count=n).astype(bool)] = np.nan
        found[masked] = part
    return found, at


def _whole_numbers(columns: Floats, gaps: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], Whole]:
    """Return the decimals of each column, _AS_DOUBLES where none will do, and its whole numbers."""
    k, n = columns.shape
    decimals = np.full(k, _AS_DOUBLES, np.uint8)
    whole = np.zeros((k, n), np.int64)
    left = counting(k)
    filled = np.where(gaps, 0.0, columns)
    bits = filled.view(np.int64)
    for number, power in enumerate(_POWERS):
        part = filled[left]
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.rint(part * power)
            # Bits are compared, so that -0.0 stays what it is.
            same = ((rounded / power).view(np.int64) == bits[left]).all(axis=1)
            same = same & (np.abs(rounded) < _SURE).all(axis=1)
        fits = left[same]
        if len(fits):
            decimals[fits] = number
            numbers = rounded[same].astype(np.int64)
            whole[fits] = _carried(numbers, gaps[fits]) if gaps[fits].any() else numbers
            left = left[~same]
            if not len(left):
                break
    return decimals, whole


def _carried(numbers: Whole, gaps: NDArray[np.bool_]) -> Whole:
    """Put the number before it into each gap: that costs fewest bits."""
    places = counting(numbers.shape[1])
    where = np.where(gaps, 0, places)
    return np.take_along_axis(numbers, np.maximum.accumulate(where, axis=1), axis=1)


def _zigzag(numbers: Whole) -> NDArray[np.uint64]:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _planes(rows: NDArray[np.generic], width: int) -> bytes:
    k, n = rows.shape
    return rows.view(np.uint8).reshape(k, n, width).transpose(0, 2, 1).tobytes()


def _from_planes(data: memoryview, at: int, rows: int, n: int, width: int) -> NDArray[np.uint64]:
    planes = np.frombuffer(data, np.uint8, rows * n * width, at).reshape(rows, width, n)
    values = np.zeros((rows, n, 8), np.uint8)
    values[:, :, :width] = planes.transpose(0, 2, 1)
    return values.reshape(rows, n * 8).view("<u8")

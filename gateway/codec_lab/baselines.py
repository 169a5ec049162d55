"""What others would need for the same records: published and plain schemes, self-contained frames.

Each is rebuilt from its description and gives the number of whole records that fit a frame. Schemes without
a header of their own pay two bytes for version, count and time phase; CBOR carries its time; LPP has none.

    packed      each value in the bits of its declared range
    lpp         Cayenne LPP: channel, type and two bytes a value (one byte for humidity), no time
    cbor        RFC 8949: [time, interval, [values], ...] of integers, as cbor2 writes it
    deflate     RFC 1951, best of 16-bit rows, 16-bit columns, variable-length deltas by column; with a
                dictionary of 4 KB where an earlier part of the recording is there to cut it from
    lec         Marcelloni and Vecchio 2009: difference's bit length by prefix code, then its bits
    gorilla     Pelkonen et al. 2015, values as 32-bit floats in the channel's unit
    rice        Rice codes of first or second differences, order and parameter chosen per frame and channel
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial

import cbor2
import numpy as np

from gateway.codec_lab.recordings import Column, Ints

HEADER = 2
_LEC_PREFIX = np.array([2, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
_RICE_CHOICE_BITS = 5  # order and parameter of a channel
_RICE_PARAMETERS = range(15)
_DICTIONARY_BYTES = 4096

Fit = Callable[[Ints, int], int]


def _widths(columns: list[Column]) -> list[int]:
    return [(c.raw_max - c.raw_min).bit_length() for c in columns]


def packed(columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit, each value in its range's bits."""
    return min(len(values), 8 * (limit - HEADER) // sum(_widths(columns)))


def lpp(columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit in Cayenne LPP."""
    size = sum(3 if c.name in ("rh", "relative_humidity") else 4 for c in columns)
    return min(len(values), limit // size)


def _most(size: Callable[[int], int], n: int, limit: int) -> int:
    """Return the largest count <= n whose size fits; sizes rise but for small steps back."""
    fits = 0
    step = 1
    while step <= n and size(step) <= limit:
        fits = step
        step *= 2
    low, high = fits, min(step, n + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if size(middle) <= limit:
            low = middle
        else:
            high = middle
    while low < n and size(low + 1) <= limit:
        low += 1
    return low


def cbor(_columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit as CBOR integers by rows."""
    rows = values.tolist()
    return _most(lambda n: len(cbor2.dumps([1750000000, 300, *rows[:n]])), len(rows), limit)


def _varints(numbers: Ints) -> bytes:
    out = bytearray()
    for number in numbers.tolist():
        zigzag = 2 * number if number >= 0 else -2 * number - 1
        while zigzag >= 128:
            out.append(zigzag & 127 | 128)
            zigzag >>= 7
        out.append(zigzag)
    return bytes(out)


def _serialisations(columns: list[Column], values: Ints) -> list[bytes]:
    above = values - np.array([c.raw_min for c in columns])
    deltas = np.diff(above, axis=0, prepend=np.zeros((1, len(columns)), np.int64))
    return [
        above.astype(">u2").tobytes(),
        above.T.astype(">u2").tobytes(),
        b"".join(_varints(deltas[:, c]) for c in range(len(columns))),
    ]


def _deflated(data: bytes, dictionary: bytes) -> int:
    packer = zlib.compressobj(
        9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, *([dictionary] if dictionary else [])
    )
    return len(packer.compress(data) + packer.flush())


def deflate(dictionaries: list[bytes], columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit after raw deflate."""

    def size(n: int) -> int:
        parts = zip(_serialisations(columns, values[:n]), dictionaries, strict=True)
        return HEADER + min(_deflated(data, dictionary) for data, dictionary in parts)

    return _most(size, len(values), limit)


def dictionaries_of(columns: list[Column], earlier: list[Ints]) -> list[bytes]:
    """Return a dictionary for each serialisation, cut from frames of earlier records."""
    if not earlier:
        return [b"", b"", b""]
    frames = [run[at : at + 20] for run in earlier for at in range(0, len(run) - 20, max(20, len(run) // 60))]
    wanted = [b"".join(parts) for parts in zip(*(_serialisations(columns, f) for f in frames), strict=True)]
    return [data[-_DICTIONARY_BYTES:] for data in wanted]


def lec(columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit in LEC codes; the first value counts from the middle of its range."""
    middle = np.array([(c.raw_min + c.raw_max) // 2 for c in columns])
    deltas = np.abs(np.diff(np.vstack([middle, values]), axis=0))
    groups = np.ceil(np.log2(deltas + 1)).astype(int)
    bits = (_LEC_PREFIX[np.minimum(groups, 16)] + groups).sum(1).cumsum()
    return int((bits <= 8 * (limit - HEADER)).sum())


def rice(columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit in Rice codes with the best order and parameter of each channel."""
    first = sum(_widths(columns)) + _RICE_CHOICE_BITS * len(columns)
    one = np.diff(values, axis=0)
    two = np.vstack([one[:1], np.diff(one, axis=0)])
    best = np.zeros(len(one))
    for c in range(len(columns)):
        costs: list[Ints] = []
        for deltas in (one[:, c], two[:, c]):
            mapped = np.where(deltas >= 0, 2 * deltas, -2 * deltas - 1)
            costs += [((mapped >> k) + 1 + k).cumsum() for k in _RICE_PARAMETERS]
        best += np.min(costs, axis=0)
    return int(np.concatenate([[first], first + best]).__le__(8 * (limit - HEADER)).sum())


def _float_bits(value: float) -> int:
    return int(struct.unpack(">I", struct.pack(">f", value))[0])


def gorilla(columns: list[Column], values: Ints, limit: int) -> int:
    """Return the records that fit in Gorilla's XOR codes of 32-bit floats."""
    before = [0] * len(columns)
    window = [(32, 0)] * len(columns)  # leading and trailing zeros of the last stored XOR
    bits = 8 * HEADER
    for n, row in enumerate(values.tolist()):
        for c, raw in enumerate(row):
            now = _float_bits(raw * columns[c].resolution)
            if n == 0:
                bits += 32
            else:
                xor = now ^ before[c]
                if not xor:
                    bits += 1
                else:
                    leading = min(31, 32 - xor.bit_length())
                    trailing = (xor & -xor).bit_length() - 1
                    old = window[c]
                    if old[0] + old[1] < 32 and leading >= old[0] and trailing >= old[1]:
                        bits += 2 + 32 - old[0] - old[1]
                    else:
                        bits += 2 + 5 + 6 + 32 - leading - trailing
                        window[c] = (leading, trailing)
            before[c] = now
        if bits > 8 * limit:
            return n
    return len(values)


def all_of(columns: list[Column], earlier: list[Ints]) -> dict[str, Fit]:
    """Return the baselines by name; earlier recordings give deflate its dictionary."""
    dictionaries = dictionaries_of(columns, earlier)
    return {
        "lpp": partial(lpp, columns),
        "gorilla": partial(gorilla, columns),
        "cbor": partial(cbor, columns),
        "packed": partial(packed, columns),
        "deflate+dictionary" if earlier else "deflate": partial(deflate, dictionaries, columns),
        "lec": partial(lec, columns),
        "rice": partial(rice, columns),
    }

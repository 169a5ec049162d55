"""The commonest frame, read in one piece: codec version 1, a known profile, one record that is all well.

A node that measures and sends writes nothing else. wire.codec reads every frame as a chip must, bit by bit;
this reads the same layout (wire/codec/v1.py) from one long integer, twenty times as fast, and leaves whatever
is not as plain to wire.codec. tests/gateway/decode/test_plain.py holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from gateway.shapes import Head, Value, head
from wire import measurements
from wire.codec import bits, profiles, v1
from wire.record import OK, STATE_NAMES

_width_of = cast("Callable[[int], int]", bits.width_of)
_HEAD_BITS = 2 + 1  # quality, plain
_BEFORE = 2 + 4 + 4  # version, profile, seq, time


class _Layout:
    """Where the values of a profile stand: (shift from the end, mask, least, greatest, divisor)."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        rows = [
            cast("tuple[int, str, str, int, int, int]", measurements.by_id(channel)) for channel in channels
        ]
        widths = [_width_of(row[5] - row[4]) for row in rows]
        size = _HEAD_BITS + sum(widths) + 1  # and `more`
        self.bytes = -(-size // 8)
        self.padding = 8 * self.bytes - size
        self.head: Head = head(
            tuple(row[1] for row in rows), tuple(row[2] for row in rows), (STATE_NAMES[OK],) * len(rows)
        )
        shift = self.padding + 1 + sum(widths)
        self.flags_shift = shift
        self.values: list[tuple[int, int, int, int, int]] = []
        # The same for many frames at once: bits times weights (below 2**53: exact) are the values.
        self.weights = np.zeros((8 * self.bytes, len(rows)))
        for at, (row, width) in enumerate(zip(rows, widths, strict=True)):
            first = 8 * self.bytes - shift
            self.weights[first : first + width, at] = 2.0 ** np.arange(width - 1, -1, -1)
            shift -= width
            self.values.append((shift, (1 << width) - 1, row[4], row[5], 10 ** row[3]))
        self.least = np.array([row[4] for row in rows], float)
        self.greatest = np.array([row[5] for row in rows], float)
        self.divisors = np.array([10 ** row[3] for row in rows], float)
        self.is_exact = max(widths, default=0) <= 50


_layouts: dict[bytes, _Layout | None] = {}
Plain = tuple[int, int, int, Head, tuple[Value, ...]]
_MANY = 16  # frames of a layout: for fewer, arrays take longer


def _layout(start: bytes) -> _Layout | None:
    """Return the layout of a profile that has a row; start: version and profile."""
    if len(start) < 2 or start[0] != v1.VERSION:
        return None
    if start not in _layouts:
        channels = cast("tuple[int, ...] | None", profiles.channels_of(start[1]))
        _layouts[start] = _Layout(channels) if channels is not None else None
    return _layouts[start]


def read(payload: bytes) -> Plain | None:
    """Return (seq, time_s, time quality, head, values) of a plain frame, None for any other bytes."""
    layout = _layout(payload[:2])
    if layout is None or len(payload) != _BEFORE + layout.bytes:
        return None
    packed = int.from_bytes(payload[_BEFORE:], "big")
    # Of the lowest bits, `more` must be 0 and the padding too.
    if packed & ((2 << layout.padding) - 1):
        return None
    flags = packed >> layout.flags_shift
    if not flags & 1:
        return None
    values: list[float] = []
    for shift, mask, least, greatest, divisor in layout.values:
        raw = least + (packed >> shift & mask)
        if raw > greatest:
            return None
        values.append(raw / divisor)
    seq = int.from_bytes(payload[2:6], "big")
    return seq, int.from_bytes(payload[6:10], "big"), flags >> 1, layout.head, tuple(values)


def read_many(payloads: Sequence[bytes]) -> list[Plain | None]:
    """Return what `read` gives for each: frames of one layout at once."""
    found: list[Plain | None] = [None] * len(payloads)
    groups: dict[tuple[bytes, int], list[int]] = {}
    for at, payload in enumerate(payloads):
        groups.setdefault((payload[:2], len(payload)), []).append(at)
    for (start, size), members in groups.items():
        layout = _layout(start)
        if layout is None or size != _BEFORE + layout.bytes:
            continue
        if len(members) < _MANY or not layout.is_exact:
            for at in members:
                found[at] = read(payloads[at])
            continue
        data = np.frombuffer(b"".join([payloads[at] for at in members]), np.uint8).reshape(-1, size)
        bits = np.unpackbits(data[:, _BEFORE:], axis=1)
        raws = layout.least + bits.astype(float) @ layout.weights
        is_plain = bits[:, 2].astype(bool) & ~bits[:, -1 - layout.padding :].any(axis=1)
        is_plain &= (raws <= layout.greatest).all(axis=1)
        heads = np.ascontiguousarray(data[:, 2:_BEFORE]).view(">u4")
        rows = zip(
            members, is_plain.tolist(), heads.tolist(), (2 * bits[:, 0] + bits[:, 1]).tolist(),
            (raws / layout.divisors).tolist(), strict=True,
        )  # fmt: skip
        for at, plain, (seq, time_s), quality, values in rows:
            if plain:
                found[at] = seq, time_s, quality, layout.head, tuple(values)
    return found

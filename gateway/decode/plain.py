"""The commonest frame, read in one piece: codec version 1, a known profile, one record that is all well.

A node that measures and sends writes nothing else. wire.codec reads every frame as a chip must, bit by bit;
this reads the same layout (wire/codec/v1.py) from one long integer, twenty times as fast, and leaves whatever
is not as plain to wire.codec. tests/gateway/decode/test_plain.py holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

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
        for row, width in zip(rows, widths, strict=True):
            shift -= width
            self.values.append((shift, (1 << width) - 1, row[4], row[5], 10 ** row[3]))


_layouts: dict[bytes, _Layout | None] = {}


def _layout(start: bytes) -> _Layout | None:
    """Return the layout of a profile that has a row; start: version and profile."""
    if len(start) < 2 or start[0] != v1.VERSION:
        return None
    if start not in _layouts:
        channels = cast("tuple[int, ...] | None", profiles.channels_of(start[1]))
        _layouts[start] = _Layout(channels) if channels is not None else None
    return _layouts[start]


def read(payload: bytes) -> tuple[int, int, int, Head, tuple[Value, ...]] | None:
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

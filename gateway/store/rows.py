"""How a record is laid out in the database: numbers apart from what they mean.

`body` holds the raw values as little-endian doubles, NaN for none, and behind them the shown values unless
those are the raw ones. What the values are is in the shape, which many records share: a JSON list
[time quality, number of readings, [[quantity, unit, state, flags, method, version], ...]].
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from gateway.shapes import Form, Judged, Shape, Value, packed, shape, unpacked

POSITIONS_PER_RECORD = 64


def body_of(judged: Judged) -> bytes:
    """Return the body of a record."""
    raws, values = judged.raws, judged.values
    if values is raws or values == raws:
        return packed(raws)
    return packed(raws) + packed(values)


def values_of(n: int, body: bytes) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Return (raw values, shown values) of a body of n observations."""
    raws = unpacked(n, body)
    return raws, raws if len(body) == 8 * n else unpacked(n, body, 8 * n)


def shape_text(found: Shape) -> str:
    """Return a shape as the table `shapes` holds it."""
    forms = [msgspec.structs.astuple(form) for form in found.forms]
    return json.dumps([found.time_quality, found.n_readings, forms], separators=(",", ":"))


def shape_of(text: str) -> Shape:
    """Return the shape of a text."""
    time_quality, n_readings, forms = json.loads(text)
    return shape(
        time_quality,
        tuple(Form(q, unit, state, tuple(flags), method, v) for q, unit, state, flags, method, v in forms),
        n_readings,
    )


class Part(msgspec.Struct, array_like=True, gc=False):
    """A record that holds the newest value of some quantities of its site: those whose bit is in `mask`."""

    id: int
    observed_at_ms: int
    received_at_ms: int
    shape: int
    mask: int
    body: bytes


class Row(msgspec.Struct, frozen=True, gc=False):
    """One stored observation. `position` orders the store."""

    position: int
    site_id: str
    observed_at_ms: int
    received_at_ms: int
    form: Form
    raw: Value
    value: Value


class Record(msgspec.Struct, frozen=True, gc=False):
    """One stored record with all its observations."""

    id: int
    site_id: str
    observed_at_ms: int
    received_at_ms: int
    shape: Shape
    raws: tuple[Value, ...]
    values: tuple[Value, ...]
    is_late: bool | None = None  # whether its site had newer values before it; None: not known

    def rows(self) -> list[Row]:
        """Return its observations, by position."""
        base = self.id * POSITIONS_PER_RECORD
        site_id, observed, received = self.site_id, self.observed_at_ms, self.received_at_ms
        return [
            Row(base + at, site_id, observed, received, form, raw, value)
            for at, (form, raw, value) in enumerate(
                zip(self.shape.forms, self.raws, self.values, strict=True)
            )
        ]

    def rows_at(self, places: Sequence[int]) -> list[Row]:
        """Return some of its observations, by their places in the shape."""
        base, forms = self.id * POSITIONS_PER_RECORD, self.shape.forms
        site_id, observed, received = self.site_id, self.observed_at_ms, self.received_at_ms
        return [
            Row(base + at, site_id, observed, received, forms[at], self.raws[at], self.values[at])
            for at in places
        ]


_parts_encoder = msgspec.msgpack.Encoder()
encode_parts = _parts_encoder.encode
decode_parts = msgspec.msgpack.Decoder(list[Part]).decode

"""What many records have in common, said once: readings as a head and its values, results as a shape and its.

A city's records come in a few forms only: the same quantities, units and states again and again, with other
numbers. `Head` is that form as it was decoded, `Shape` as it was judged and stored. Both are made once and
then compared by identity, so that a batch of records is a few groups, each a matrix of numbers.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence

import msgspec

Value = float | None
NAN = math.nan


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One decoded value, raw: decoding never calibrates. value is None when state is an error."""

    quantity: str
    unit: str
    value: Value
    state: str


class Head:
    """Quantities, units and states of the readings of a record. Make it with `head`."""

    __slots__ = ("mark", "quantities", "states", "units")

    def __init__(self, quantities: tuple[str, ...], units: tuple[str, ...], states: tuple[str, ...]) -> None:
        self.quantities = quantities
        self.units = units
        self.states = states
        self.mark = zlib.crc32(repr((quantities, states)).encode())

    def __len__(self) -> int:
        return len(self.quantities)

    def __repr__(self) -> str:
        return f"Head({self.quantities}, {self.units}, {self.states})"


_heads: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], Head] = {}
_MOST_HEADS = 10_000  # more than any network has; hostile frames may not fill the memory


def head(quantities: tuple[str, ...], units: tuple[str, ...], states: tuple[str, ...]) -> Head:
    """Return the head of these, the same object each time."""
    key = (quantities, units, states)
    found = _heads.get(key)
    if found is None:
        if len(_heads) >= _MOST_HEADS:
            _heads.clear()
        found = _heads[key] = Head(*key)
    return found


class Readings(Sequence[Reading]):
    """The readings of one record, as a head and its values."""

    __slots__ = ("head", "values")

    def __init__(self, form: Head, values: tuple[Value, ...]) -> None:
        self.head = form
        self.values = values

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Readings:
        """Return what single readings amount to."""
        if isinstance(readings, Readings):
            return readings
        form = head(
            tuple(r.quantity for r in readings),
            tuple(r.unit for r in readings),
            tuple(r.state for r in readings),
        )
        return cls(form, tuple(r.value for r in readings))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: int) -> Reading:  # type: ignore[override]
        form = self.head
        return Reading(form.quantities[at], form.units[at], self.values[at], form.states[at])

    def __iter__(self) -> Iterator[Reading]:
        form = self.head
        return map(Reading, form.quantities, form.units, self.values, form.states)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Readings) and self.head is other.head and self.values == other.values

    def __hash__(self) -> int:
        return hash((id(self.head), self.values))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def fingerprint(self) -> int:
        """Return a number that differs when another record carries the same (device, seq)."""
        return fingerprint(self.head.mark, self.values)


def fingerprint(mark: int, values: Sequence[Value]) -> int:
    """Return the fingerprint of the values of a head with this mark."""
    return zlib.crc32(packed(values), mark)


def packed(values: Sequence[Value]) -> bytes:
    """Return values as little-endian doubles; None becomes NaN, which no value may be."""
    try:
        return _PACKERS[len(values)](*values)
    except struct.error:
        return _PACKERS[len(values)](*[NAN if value is None else value for value in values])


_PACKERS = [struct.Struct(f"<{n}d").pack for n in range(256)]
_UNPACKERS = [struct.Struct(f"<{n}d").unpack_from for n in range(256)]


def unpacked(n: int, data: bytes, at: int = 0) -> tuple[Value, ...]:
    """Return n values of `packed`."""
    found = _UNPACKERS[n](data, at)
    for value in found:
        if value != value:
            return tuple(None if value != value else value for value in found)
    return found


class Form(msgspec.Struct, frozen=True, gc=False):
    """What one observation has beside its numbers and moment."""

    quantity: str
    unit: str
    state: str
    flags: tuple[str, ...]
    method: str
    method_version: int


class Shape:
    """The forms of the observations of a record; the first `n_readings` came from the device.

    Make it with `shape`.
    """

    __slots__ = ("forms", "mark", "n_readings", "time_quality")

    def __init__(self, time_quality: str, forms: tuple[Form, ...], n_readings: int) -> None:
        self.time_quality = time_quality
        self.forms = forms
        self.n_readings = n_readings
        own = forms[:n_readings]
        self.mark = head(
            tuple(form.quantity for form in own),
            tuple(form.unit for form in own),
            tuple(form.state for form in own),
        ).mark

    def __len__(self) -> int:
        return len(self.forms)

    def __repr__(self) -> str:
        return f"Shape({self.time_quality!r}, {self.forms}, {self.n_readings})"


_shapes: dict[tuple[str, tuple[Form, ...], int], Shape] = {}


def shape(time_quality: str, forms: tuple[Form, ...], n_readings: int) -> Shape:
    """Return the shape of these, the same object each time."""
    key = (time_quality, forms, n_readings)
    found = _shapes.get(key)
    if found is None:
        if len(_shapes) >= _MOST_HEADS:
            _shapes.clear()
        found = _shapes[key] = Shape(*key)
    return found


class Judged(msgspec.Struct, frozen=True, gc=False):
    """The observations of one record: a shape, raw values and shown values of the same length.

    The shown value is the raw one after the form's method; a derived value has no raw one of its own.
    """

    shape: Shape
    raws: tuple[Value, ...]
    values: tuple[Value, ...]

"""A chunk: the records of one site and some days, as compressed columns.

A record comes back as it was stored, bit by bit: numbers, shape, raw values, shown values. Records are
sorted by (observed time, id). body: u8 layout (1) | zlib of (u32 length of the head | head | columns). The
head is a msgpack list: [records, shapes, devices, groups]; a group is the records of the same quantities:
[number of observations, indexes of its shapes, columns whose shown values differ from the raw ones].
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.errors import StoreError
from gateway.shapes import Shape, Value
from gateway.store.history.columns import (
    Floats,
    Whole,
    pack_floats,
    pack_whole,
    unpack_floats,
    unpack_whole,
)

LAYOUT = 1
_LENGTH: Final = struct.Struct("<I")
_LEVEL = 6
ID, OBSERVED, RECEIVED, LOG, SEQ, DEVICE, SHAPE = range(7)
_FIELDS = 7
ShapeOf = Callable[[int], Shape]

# As a row of the table `records`: id, device, seq, observed, received, log sequence, shape, body.
Stored = tuple[int, int, int, int, int, int, int, bytes]


class Group(msgspec.Struct, gc=False):
    """Records with the same quantities: their places in the chunk, raw and shown values (a row a record)."""

    places: NDArray[np.int64]
    raws: Floats
    values: Floats


class Chunk:
    """The records of a chunk as columns. Make it with `of_rows` or `unpack`."""

    __slots__ = ("_at", "fields", "groups", "site")

    def __init__(self, fields: Whole, groups: list[Group]) -> None:
        """fields: _FIELDS x n, with devices and shapes by their numbers in the database."""
        self.fields = fields
        self.groups = groups
        self.site = 0  # its number, where it was read from the database
        self._at: list[tuple[int, int]] | None = None

    def __len__(self) -> int:
        return self.fields.shape[1]

    @property
    def cells(self) -> int:
        """How many numbers are in it: what it takes in memory."""
        return self.fields.size + sum(group.raws.size + group.values.size for group in self.groups)

    def numbers(self, place: int) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """Return (raw values, shown values) of the record at a place."""
        if self._at is None:
            found = [(0, 0)] * len(self)
            for number, group in enumerate(self.groups):
                for row, where in enumerate(group.places.tolist()):
                    found[where] = number, row
            self._at = found
        number, row = self._at[place]
        group = self.groups[number]
        raws = _values(group.raws[row])
        return raws, raws if group.values is group.raws else _values(group.values[row])

    def rows(self) -> Iterator[Stored]:
        """Yield the records as the table holds them."""
        fields = self.fields.T.tolist()
        bodies: list[bytes] = [b""] * len(self)
        for group in self.groups:
            same = cast("list[bool]", _same(group.raws, group.values).all(axis=1).tolist())
            for row, where in enumerate(group.places.tolist()):
                raw = group.raws[row].astype("<f8").tobytes()
                bodies[where] = raw if same[row] else raw + group.values[row].astype("<f8").tobytes()
        for (number, observed, received, log, seq, device, shape), body in zip(fields, bodies, strict=True):
            yield number, device, seq, observed, received, log, shape, body


def of_rows(rows: Sequence[Stored], shape_of: ShapeOf) -> Chunk:
    """Return records as columns, sorted by (observed time, id)."""
    rows = sorted(rows, key=lambda row: (row[3], row[0]))
    fields = np.array([(r[0], r[3], r[4], r[5], r[2], r[1], r[6]) for r in rows], np.int64).T
    kinds = {
        number: tuple(form.quantity for form in shape_of(number).forms) for number in {r[6] for r in rows}
    }
    places: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(kinds[row[6]], []).append(place)
    groups: list[Group] = []
    for quantities, members in places.items():
        groups.append(_group(np.array(members), [rows[place][7] for place in members], len(quantities)))
    return Chunk(np.ascontiguousarray(fields), groups)


def _group(places: NDArray[np.int64], bodies: Sequence[bytes], k: int) -> Group:
    short = 8 * k
    if all(len(body) == short for body in bodies):
        raws = np.frombuffer(b"".join(bodies), "<f8").reshape(-1, k)
        return Group(places, raws, raws)
    both = np.frombuffer(b"".join(b if len(b) != short else b + b for b in bodies), "<f8").reshape(-1, 2, k)
    return Group(places, both[:, 0], both[:, 1])


def pack(chunk: Chunk) -> bytes:
    """Return a chunk as the table holds it."""
    fields = chunk.fields.copy()
    shapes, fields[SHAPE] = np.unique(chunk.fields[SHAPE], return_inverse=True)
    devices, fields[DEVICE] = np.unique(chunk.fields[DEVICE], return_inverse=True)
    # Most of these are nearly the same all the time, said like this.
    fields[RECEIVED] -= fields[OBSERVED]
    fields[LOG] -= fields[ID]
    parts = [pack_whole(fields)]
    groups: list[Any] = []
    for group in chunk.groups:
        members = np.unique(fields[SHAPE][group.places]).tolist()
        other = np.flatnonzero(~_same(group.raws, group.values).all(axis=0))
        groups.append([group.raws.shape[1], members, other.tolist()])
        columns = np.concatenate((group.raws.T, group.values.T[other]))
        parts.append(pack_floats(np.ascontiguousarray(columns, np.float64)))
    head = msgspec.msgpack.encode([len(chunk), shapes.tolist(), devices.tolist(), groups])
    return bytes((LAYOUT,)) + zlib.compress(b"".join((_LENGTH.pack(len(head)), head, *parts)), _LEVEL)


def unpack(body: bytes) -> Chunk:
    """Return the chunk of a body; raise StoreError when it is damaged or of a newer Meetnet."""
    if body[:1] != bytes((LAYOUT,)):
        raise StoreError(f"chunk layout {body[:1].hex()} is unknown: it is damaged, or of a newer Meetnet")
    try:
        data = zlib.decompress(body[1:])
        (length,) = _LENGTH.unpack_from(data)
        at = _LENGTH.size + length
        n, shapes, devices, groups = msgspec.msgpack.decode(data[_LENGTH.size : at])
        view = memoryview(data)
        fields, at = unpack_whole(view, at, _FIELDS, n)
        found: list[Group] = []
        for k, members, other in groups:
            mask = np.zeros(len(shapes), bool)
            mask[members] = True
            places = np.flatnonzero(mask[fields[SHAPE]])
            columns, at = unpack_floats(view, at, k + len(other), len(places))
            raws = values = columns[:k].T
            if other:
                values = raws.copy()
                values[:, other] = columns[k:].T
            found.append(Group(places, raws, values))
        fields[SHAPE] = np.array(shapes, np.int64)[fields[SHAPE]]
        fields[DEVICE] = np.array(devices, np.int64)[fields[DEVICE]]
    except (zlib.error, struct.error, msgspec.MsgspecError, ValueError, IndexError, TypeError) as error:
        raise StoreError(f"a chunk is damaged: {error}") from error
    fields[RECEIVED] += fields[OBSERVED]
    fields[LOG] += fields[ID]
    return Chunk(fields, found)


def part_of(chunk: Chunk, keep: NDArray[np.bool_]) -> Chunk:
    """Return the records of a chunk of which `keep` is set."""
    new = np.cumsum(keep) - 1
    groups: list[Group] = []
    for group in chunk.groups:
        mine = keep[group.places]
        if mine.any():
            raws = group.raws[mine]
            values = raws if group.values is group.raws else group.values[mine]
            groups.append(Group(new[group.places[mine]], raws, values))
    return Chunk(np.ascontiguousarray(chunk.fields[:, keep]), groups)


def _same(one: Floats, other: Floats) -> NDArray[np.bool_]:
    if one is other:
        return np.ones(one.shape, bool)
    return (one == other) | (np.isnan(one) & np.isnan(other))


def _values(row: Floats) -> tuple[Value, ...]:
    found = row.tolist()
    for value in found:
        if value != value:
            return tuple(None if value != value else value for value in found)
    return tuple(found)

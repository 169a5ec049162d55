"""A reader of the protobuf wire format: messages of ChirpStack in the form that proto3 JSON gives them.

The wire format is small and frozen (Protocol Buffers, "Encoding"); a table says which field numbers mean
what, and everything behind it reads one form, JSON. Unknown fields are passed over, as protobuf asks, so
that a newer ChirpStack can be read. Total: any bytes give a message or an IngestError.
"""

from __future__ import annotations

import base64
import datetime
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import IngestError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_DEPTH = 16
_WIRE = {
    "uint32": VARINT,
    "int32": VARINT,
    "int64": VARINT,
    "bool": VARINT,
    "enum": VARINT,
    "float": FIXED32,
    "double": FIXED64,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. kind: a scalar, text, bytes, map, timestamp, or message (`of` says which)."""

    name: str
    kind: str
    of: Mapping[int, Field] | tuple[str, ...] | None = None
    repeated: bool = False


Message = Mapping[int, Field]


class _MalformedError(Exception):
    pass


def to_json(data: bytes, message: Message, cause: str) -> dict[str, Any]:
    """Return a message as proto3 JSON names it, without its default values; IngestError under `cause`."""
    try:
        return _read(data, message, 0)
    except _MalformedError as error:
        raise IngestError(cause, f"not the protobuf message that was expected: {error}") from None


def _read(data: bytes, message: Message, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _MalformedError("nested too deeply")
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value, at = _value(data, at, wire)
        field = message.get(number)
        if number == 0:
            raise _MalformedError("field number 0")
        if field is None:
            continue
        _put(found, field, wire, value, depth)
    return found


def _put(found: dict[str, Any], field: Field, wire: int, value: int | bytes, depth: int) -> None:
    expected = _WIRE.get(field.kind, LENGTH)
    if wire != expected:
        raise _MalformedError(f"{field.name} has wire type {wire}, not {expected}")
    if field.kind == "map":
        assert isinstance(value, bytes)
        entry = _read(value, _ENTRY, depth + 1)
        found.setdefault(field.name, {})[entry.get("key", "")] = entry.get("value", "")
        return
    shown = _shown(field, value, depth)
    if field.repeated:
        found.setdefault(field.name, []).append(shown)
    elif isinstance(shown, dict) and isinstance(found.get(field.name), dict):
        found[field.name] |= shown  # a message field that comes twice is merged
    else:
        found[field.name] = shown


def _shown(field: Field, value: int | bytes, depth: int) -> Any:
    if isinstance(value, int):
        return _number(field, value)
    match field.kind:
        case "text":
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise _MalformedError(f"{field.name} is not UTF-8") from None
        case "bytes":
            return base64.b64encode(value).decode()
        case "timestamp":
            return _timestamp(_read(value, _TIMESTAMP, depth + 1))
        case "float":
            return _finite(struct.unpack("<f", value)[0])
        case "double":
            return _finite(struct.unpack("<d", value)[0])
        case _:
            assert isinstance(field.of, Mapping)
            return _read(value, field.of, depth + 1)


def _number(field: Field, value: int) -> Any:
    match field.kind:
        case "bool":
            return value != 0
        case "int32":
            low = value & 0xFFFFFFFF
            return low - (1 << 32) if low & 0x80000000 else low
        case "int64":
            return value - (1 << 64) if value & (1 << 63) else value
        case "enum":
            assert isinstance(field.of, tuple)
            return field.of[value] if value < len(field.of) and field.of[value] else value
        case _:
            return value & 0xFFFFFFFF


def _finite(value: float) -> Any:
    """Return a number as proto3 JSON writes it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _timestamp(parts: dict[str, Any]) -> str:
    seconds, nanos = parts.get("seconds", 0), parts.get("nanos", 0)
    try:
        when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    except OverflowError:
        raise _MalformedError("a time outside of the years 1 to 9999") from None
    if not 0 <= nanos < 1_000_000_000:
        raise _MalformedError("nanoseconds outside of a second")
    return when.isoformat() + (f".{nanos:09d}" if nanos else "") + "Z"


def _value(data: bytes, at: int, wire: int) -> tuple[int | bytes, int]:
    if wire == VARINT:
        return _varint(data, at)
    if wire == LENGTH:
        length, at = _varint(data, at)
    elif wire in (FIXED32, FIXED64):
        length = 4 if wire == FIXED32 else 8
    else:
        raise _MalformedError(f"wire type {wire}")
    if at + length > len(data):
        raise _MalformedError("it ends within a field")
    return data[at : at + length], at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise _MalformedError("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise _MalformedError("a number of more than 64 bits")


_ENTRY: Message = {1: Field("key", "text"), 2: Field("value", "text")}
_TIMESTAMP: Message = {1: Field("seconds", "int64"), 2: Field("nanos", "int32")}

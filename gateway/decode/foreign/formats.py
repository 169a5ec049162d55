"""The forms in which strangers write: each from bytes to named values. Total: values or FormatError.

A form is one row of FORMATS. What a name means, and in which unit, is said by the profile.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import cbor2
import msgspec

from gateway import envelope
from gateway.decode.foreign import cayenne, senml
from gateway.decode.foreign.errors import FormatError
from gateway.decode.foreign.values import Found

MOST_NAMES = 500
_DEEPEST = 8
_AIRROHR = re.compile(r"[A-Z][A-Z0-9]*_(?=[A-Za-z])")  # SDS_P1, BME280_temperature, DNMS_noise_LAeq


@dataclass(frozen=True, slots=True)
class Format:
    """One form. is_text: it reads JSON, so `meetnet profile try` takes it as it stands."""

    name: str
    read: Callable[[bytes], list[Found]]
    text: str
    is_text: bool = False


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FormatError(f"is not JSON: {error}") from None


def _cbor(payload: bytes) -> Any:
    stream = io.BytesIO(payload)
    try:
        found = cbor2.CBORDecoder(stream).decode()
    except Exception as error:  # cbor2 raises many kinds, some of them by way of what tags hold
        raise FormatError(f"is not CBOR: {error}") from None
    if stream.read(1):
        raise FormatError("has bytes behind the CBOR item")
    return found


def flat(found: Any) -> list[Found]:
    """Return the numbers in nested maps and lists under dotted names: {"air": {"t": 1}} is air.t."""
    out: list[Found] = []
    for name, value in _walk("", found, 0):
        number = as_number(value)
        if number is not None:
            out.append(Found(name, number))
        elif isinstance(value, str) and len(value) <= 40:
            out.append(Found(name, math.nan, text=value))
        if len(out) > MOST_NAMES:
            raise FormatError(f"has more than {MOST_NAMES} values")
    return out


def _walk(name: str, found: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        raise FormatError(f"is nested deeper than {_DEEPEST}")
    if isinstance(found, Mapping):
        for key, value in cast("Mapping[Any, Any]", found).items():
            if isinstance(key, (str, int)) and not isinstance(key, bool):
                yield from _walk(f"{name}.{key}" if name else str(key), value, depth + 1)
    elif isinstance(found, list):
        for at, value in enumerate(cast("list[Any]", found)):
            yield from _walk(f"{name}.{at}" if name else str(at), value, depth + 1)
    else:
        yield name[:200], found


def as_number(value: Any) -> float | None:
    """Return a finite number; also one that is written as a text, as many do. None for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _of_json(payload: bytes) -> list[Found]:
    return flat(_json(payload))


def _of_cbor(payload: bytes) -> list[Found]:
    return flat(_cbor(payload))


def _of_object(payload: bytes) -> list[Found]:
    found = _opened(payload)
    if found is None or found.decoded is None:
        raise FormatError(
            "came without what the network server decoded: set a payload formatter there, or take a profile "
            "that reads the bytes"
        )
    return flat(found.decoded)


def _of_senml(payload: bytes) -> list[Found]:
    first = payload.lstrip()[:1]
    return senml.read(_json(payload) if first in (b"[", b"{") else _cbor(payload))


def _of_airrohr(payload: bytes) -> list[Found]:
    """Read the body that airRohr nodes post (airrohr-firmware.ino): names and values are texts."""
    body = _json(payload)
    rows: Any = cast("dict[str, Any]", body).get("sensordatavalues") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise FormatError('has no list "sensordatavalues"')
    out: list[Found] = []
    for row in cast("list[Any]", rows)[:MOST_NAMES]:
        fields: dict[Any, Any] = cast("dict[Any, Any]", row) if isinstance(row, dict) else {}
        name, number = fields.get("value_type"), as_number(fields.get("value"))
        if isinstance(name, str) and number is not None:
            out.append(Found(_AIRROHR.sub("", name[:100], count=1), number))
    return out


def _opened(payload: bytes) -> envelope.Envelope | None:
    try:
        return envelope.opened(payload)
    except ValueError as error:
        raise FormatError(str(error)) from None


def bare(payload: bytes) -> bytes:
    """Return the bytes of the device, without an envelope."""
    found = _opened(payload)
    return payload if found is None else found.frm_payload


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("json", _of_json, "JSON; names are paths with dots", True),
        Format("cbor", _of_cbor, "CBOR; names are paths with dots"),
        Format("object", _of_object, "what ChirpStack (`object`) or TTS (`decoded_payload`) decoded", True),
        Format("senml", _of_senml, "SenML in JSON or CBOR (RFC 8428); names are `n`", True),
        Format("cayenne", cayenne.read, "Cayenne LPP; names are type_channel"),
        Format("airrohr", _of_airrohr, "the POST body of airRohr nodes; names without the sensor's", True),
    )
}

"""What the JSON of network servers has in common: strict about the payload, lenient about the radio data.

A field that the house needs (device, port, payload) must be right or the message is refused under a
cause; a reception or a time that cannot be read is left out and costs nothing else.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from gateway.errors import IngestError
from gateway.model import Reception

_T = TypeVar("_T")
_EUI = re.compile(r"[0-9a-f]{16}")
_MAX_AHEAD_MS = 300_000
_MAX_RECEPTIONS = 64


def decode(payload: bytes, shape: type[_T], cause: str) -> _T:
    """Return the message as a msgspec shape; IngestError with the path of the wrong field."""
    try:
        return msgspec.json.decode(payload, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise IngestError(cause, str(error)) from None


def eui(text: str, cause: str) -> str:
    """Return an EUI as 16 lower-case hex digits."""
    lower = text.lower()
    if not _EUI.fullmatch(lower):
        raise IngestError(cause, "the DevEUI is not 16 hex digits")
    return lower


def received_ms(text: str | None, arrived_ms: int) -> int:
    """Return the network server's receive time; our own where it is absent, unreadable or to come."""
    if not text:
        return arrived_ms
    try:
        when = msgspec.convert(text, datetime.datetime)
    except msgspec.ValidationError:
        return arrived_ms
    if when.tzinfo is None:
        return arrived_ms
    ms = round(when.timestamp() * 1000)
    return ms if 0 <= ms <= arrived_ms + _MAX_AHEAD_MS else arrived_ms


def number(value: float | str | None) -> float | None:
    """Return a finite number, or None (proto3 JSON writes NaN as a text)."""
    if value is None or isinstance(value, str):
        return None
    return value if math.isfinite(value) else None


def receptions(raw: Iterable[msgspec.Raw], read: Callable[[msgspec.Raw], Reception]) -> tuple[Reception, ...]:
    """Return the readable receptions, strongest first."""
    found: list[Reception] = []
    for one in list(raw)[:_MAX_RECEPTIONS]:
        try:
            found.append(read(one))
        except (msgspec.MsgspecError, RecursionError):
            continue
    return tuple(sorted(found, key=lambda r: -1000.0 if r.snr_db is None else r.snr_db, reverse=True))


def data_rate(spreading_factor: int, bandwidth_hz: int) -> str | None:
    """Return the data rate as SF7BW125, or None where the modulation is not LoRa."""
    return f"SF{spreading_factor}BW{bandwidth_hz // 1000}" if spreading_factor else None

"""What the JSON of network servers has in common: strict about the payload, lenient about the radio data.

A field that the house needs (device, port, payload) must be right or the message is refused under a
cause; a reception or a time that cannot be read is left out and costs nothing else.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from gateway import envelope
from gateway.errors import IngestError
from gateway.model import Reception, Uplink

_T = TypeVar("_T")
_EUI = re.compile(r"[0-9a-f]{16}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MAX_AHEAD_MS = 300_000
_NEVER_SET_MS = 1_420_070_400_000  # 2015: gateways without a clock say 1970, 1980 (GPS) or year 1
_BELIEVED_MS = 60_000
MAX_RECEPTIONS = 64


class _Decoded(msgspec.Struct):
    """Where the two network servers write what their decoders made."""

    object: dict[str, Any] | None = None
    decoded_payload: dict[str, Any] | None = None
    normalized_payload: list[dict[str, Any]] | dict[str, Any] | None = None
    uplink_message: _Decoded | None = None


def decode(payload: bytes, shape: type[_T], cause: str) -> _T:
    """Return the message as a msgspec shape; IngestError with the path of the wrong field."""
    try:
        return msgspec.json.decode(payload, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise IngestError(cause, str(error)) from None


def with_object(uplink: Uplink, message: bytes) -> Uplink:
    """Return an uplink with what its network server decoded of it, as ChirpStack and TTS say it."""
    try:
        told = msgspec.json.decode(message, type=_Decoded)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return uplink
    up = told.uplink_message or told
    found: dict[str, Any] = up.object or up.decoded_payload or {}
    if up.normalized_payload is not None:
        normalized = up.normalized_payload
        found |= {"normalized_payload": normalized[0] if isinstance(normalized, list) else normalized}
    return msgspec.structs.replace(uplink, payload=envelope.wrapped(uplink.payload, found or None))


def eui(text: str, cause: str) -> str:
    """Return an EUI as 16 lower-case hex digits."""
    lower = text.lower()
    if not _EUI.fullmatch(lower):
        raise IngestError(cause, "the DevEUI is not 16 hex digits")
    return lower


def time_ms(text: str | None) -> int | None:
    """Return an RFC 3339 time; None where it is absent, unreadable, without zone or from before 2015."""
    if not text:
        return None
    try:
        when = msgspec.convert(text, datetime.datetime)
    except msgspec.ValidationError:
        return None
    return moment_ms(when)


def moment_ms(when: datetime.datetime | None) -> int | None:
    """Return a moment; None where it is absent, without zone or from before 2015."""
    if when is None or when.tzinfo is None:
        return None
    since = when - _EPOCH  # a quarter of the time of timestamp(), and exact
    ms = since.days * 86_400_000 + since.seconds * 1000 + (since.microseconds + 500) // 1000
    return ms if ms >= _NEVER_SET_MS else None


def received_ms(text: str | None, arrived_ms: int) -> int:
    """Return the network server's receive time; our own where it is absent, unreadable or to come."""
    return _not_ahead(time_ms(text), arrived_ms)


def _not_ahead(ms: int | None, arrived_ms: int) -> int:
    return arrived_ms if ms is None or ms > arrived_ms + _MAX_AHEAD_MS else ms


def best_received_ms(
    gateways: Iterable[str | None], server: str | None, event: str | None, arrived_ms: int
) -> int:
    """Return the earliest gateway's time, then the server's, then the event's, then our own.

    A gateway whose clock is more than a minute from the server's is not believed: without GPS or NTP
    a gateway says anything.
    """
    return _best([time_ms(text) for text in gateways], time_ms(server), lambda: time_ms(event), arrived_ms)


def best_moment_ms(
    gateways: Iterable[datetime.datetime | None],
    server: datetime.datetime | None,
    event: datetime.datetime | None,
    arrived_ms: int,
) -> int:
    """Return the same of moments that are read already."""
    return _best(
        [moment_ms(when) for when in gateways], moment_ms(server), lambda: moment_ms(event), arrived_ms
    )


def _best(
    gateways: list[int | None], server: int | None, event: Callable[[], int | None], arrived_ms: int
) -> int:
    by_server = _not_ahead(event() if server is None else server, arrived_ms)
    heard = [ms for ms in gateways if ms is not None and abs(ms - by_server) <= _BELIEVED_MS]
    return min(heard, default=by_server)


def number(value: float | str | None) -> float | None:
    """Return a finite number, or None (proto3 JSON writes NaN as a text)."""
    if value is None or isinstance(value, str):
        return None
    return value if math.isfinite(value) else None


def receptions(raw: Iterable[msgspec.Raw], read: Callable[[msgspec.Raw], Reception]) -> tuple[Reception, ...]:
    """Return the readable receptions, strongest first."""
    found: list[Reception] = []
    for one in list(raw)[:MAX_RECEPTIONS]:
        try:
            found.append(read(one))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return tuple(sorted(found, key=snr_db, reverse=True))


def snr_db(reception: Reception) -> float:
    """Return what receptions are sorted by."""
    return -1000.0 if reception.snr_db is None else reception.snr_db


@lru_cache(256)  # a network has a few
def data_rate(spreading_factor: int, bandwidth_hz: int) -> str | None:
    """Return the data rate as SF7BW125, or None where the modulation is not LoRa."""
    return f"SF{spreading_factor}BW{bandwidth_hz // 1000}" if spreading_factor else None

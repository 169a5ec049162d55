"""A stranger's message to decoded records: values checked by the measurement table, put on the time line.

A stranger gives no sequence number, and yet a message that comes twice must be one record. The number of a
record follows from what the message says of itself: its own time, its own counter, or the moment at which its
network server had it. Two messages of one moment with other values are two records.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from gateway.decode.foreign.errors import FormatError, ProfileError
from gateway.decode.foreign.profile import Measured, Message, Profile
from gateway.decode.foreign.units import row_of
from gateway.envelope import opened
from gateway.errors import IngestError
from gateway.model import Decoded, Reading, Readings, Uplink
from wire.record import OK, OUT_OF_RANGE, STATE_NAMES

TIME_QUALITY = "reception"  # measured when it was received, as far as anybody knows
OWN_TIME = "device"
_AHEAD_S = 300.0
_OLDEST_S = 1_420_070_400.0  # 2015: a device that says less has no clock
_FINGERPRINT_BITS = 10
_DAY_MS = 86_400_000
_COUNTED = 1 << 52  # numbers of counted messages stand above those of moments
MOST_VALUES = 64


class Foreign:
    """Decodes uplinks of devices that are not ours. `profile` returns a profile by name, or raises."""

    def __init__(self, profile: Callable[[str], Profile]) -> None:
        self._profile = profile

    def decode(self, uplink: Uplink, name: str) -> tuple[list[Decoded], list[tuple[str, str]]]:
        """Return records and notes (counter, detail); raise IngestError whose cause is a counter's name."""
        try:
            profile = self._profile(name)
        except ProfileError as error:
            raise IngestError("decode.profile_unknown", f"{uplink.dev_eui}: {error}") from error
        try:
            message = profile.read(uplink.payload, uplink.f_port, uplink.received_at_ms / 1000)
        except FormatError as error:
            detail = f"{uplink.dev_eui}: the message {error} (profile {name})"
            raise IngestError("decode.foreign_malformed", detail) from error
        return records(uplink, message, key_of(uplink.payload))


def key_of(payload: bytes) -> str:
    """Return the key that a message was pushed with to be known again by, "" where there is none."""
    try:
        found = opened(payload)
    except ValueError:
        return ""
    return "" if found is None else found.key


def records(uplink: Uplink, message: Message, key: str = "") -> tuple[list[Decoded], list[tuple[str, str]]]:
    """Return a record for each moment in a message, oldest first, and notes on what was left out."""
    notes: list[tuple[str, str]] = []
    moments: dict[tuple[int, str], dict[str, Reading]] = {}
    for one in message.values[: MOST_VALUES * 8]:
        readings = moments.setdefault(_moment(one, uplink), {})
        if one.quantity in readings:
            notes.append(("decode.foreign_twice", f"{uplink.dev_eui}: {one.quantity} more than once"))
        elif len(readings) < MOST_VALUES:
            readings[one.quantity] = _reading(one)
    counted = message.counter if message.counter is not None else fingerprint(key) if key else None
    out: list[Decoded] = []
    for (at_ms, quality), readings in sorted(moments.items()):
        found = Readings.of(list(readings.values()))
        seq = _number(uplink, counted, at_ms, quality, found, len(out))
        out.append(Decoded(uplink.dev_eui, seq, at_ms, quality, uplink.received_at_ms, found))
    return out, notes


def _moment(one: Measured, uplink: Uplink) -> tuple[int, str]:
    if one.at_s is not None and _OLDEST_S <= one.at_s <= uplink.received_at_ms / 1000 + _AHEAD_S:
        return round(one.at_s * 1000), OWN_TIME
    return uplink.received_at_ms, TIME_QUALITY


def _reading(one: Measured) -> Reading:
    _, name, unit, decimals, low, high = row_of(one.quantity)
    if not low <= one.value * 10**decimals <= high:
        return Reading(name, unit, None, STATE_NAMES[OUT_OF_RANGE])
    return Reading(name, unit, one.value, STATE_NAMES[OK])


def _number(
    uplink: Uplink, counted: int | None, at_ms: int, quality: str, found: Readings, before: int
) -> int:
    if quality != OWN_TIME and counted is not None:
        return _COUNTED | (uplink.received_at_ms // _DAY_MS << 32) + counted + before
    return (at_ms << _FINGERPRINT_BITS) | (found.fingerprint() & ((1 << _FINGERPRINT_BITS) - 1))


def fingerprint(text: str) -> int:
    """Return a number of 32 bits for a key that a message is known again by."""
    return zlib.crc32(text.encode())

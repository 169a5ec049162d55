"""Protected frames (wire.codec.parity) to their records and those of the frames that they bring back.

uplink --> Recovery: data of this frame, of lost ones --> codec --> records
           their numbers, between those of the frames around, tell when a lost frame was sent
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace

import wire.codec
from gateway.decode.records import decode_records
from gateway.decode.recovery import Frame, Recovery
from gateway.decode.windows import WindowBook
from gateway.errors import IngestError, StoreError
from gateway.model import Decoded, Uplink
from wire.codec import parity
from wire.errors import WireError

Span = tuple[int, int]  # first record's number, the one behind the last
_unpadded = cast("Callable[[bytes], list[bytes]]", parity.unpadded)
_split = cast("Callable[[bytes], tuple[int, int, int, bytes, list[bytes]]]", parity.split)


@dataclass(slots=True)
class Unfolded:
    """What a protected frame gives."""

    records: list[Decoded] = field(default_factory=list[Decoded])
    waiting: tuple[Span, ...] | None = None  # missing numbers that parity may bring yet; None: not protected
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # counters and what they saw


def is_protected(uplink: Uplink) -> bool:
    """Tell whether an uplink of records carries parity."""
    return bool(uplink.payload) and parity.FIRST_BYTE <= uplink.payload[0] <= parity.LAST_BYTE


def alone(uplink: Uplink) -> list[Decoded]:
    """Return the records of a protected frame by itself; raise IngestError."""
    try:
        data = _split(uplink.payload)[3]
    except WireError as error:
        raise IngestError("decode.truncated", f"{uplink.dev_eui}: {error}") from error
    return decode_records(_inner(uplink, data, uplink.received_at_ms))


class _Device:
    """One device's window, with the record numbers of its frames."""

    def __init__(self) -> None:
        self.recovery = Recovery()
        self.spans: dict[int, Span] = {}

    def take(self, uplink: Uplink) -> Unfolded:
        try:
            own, *lost = self.recovery.receive(uplink.payload, uplink.received_at_ms / 1000)
        except WireError as error:
            raise IngestError("decode.truncated", f"{uplink.dev_eui}: {error}") from error
        self.spans = {number: span for number, span in self.spans.items() if number in self.recovery}
        out = Unfolded()
        try:
            out.records = decode_records(_inner(uplink, own.data, uplink.received_at_ms))
            self.spans[own.number] = _span(out.records)
        except IngestError as error:
            out.notes.append((error.cause, str(error)))
        for frame in sorted(lost, key=lambda found: found.number):
            try:
                records = self._placed(uplink, frame)
            except IngestError as error:
                out.notes.append(("decode.recovered_unusable", str(error)))
                continue
            self.spans[frame.number] = _span(records)
            out.records += records
            out.notes.append(("decode.recovered", ""))
        out.waiting = self._waiting()
        if not out.records and out.notes:
            raise IngestError(*out.notes[0])
        return out

    def _around(self, number: int) -> tuple[int | None, int | None, bool, bool]:
        """Return (end of the span before, start of the one after, whether each is of the very next frame)."""
        before = max((n for n in self.spans if n < number), default=None)
        after = min((n for n in self.spans if n > number), default=None)
        return (
            None if before is None else self.spans[before][1],
            None if after is None else self.spans[after][0],
            before == number - 1,
            after == number + 1,
        )

    def _placed(self, uplink: Uplink, frame: Frame) -> list[Decoded]:
        """Return the records of a lost frame. Its times may follow from when it was sent, which is a guess:

        then the numbers, which follow the times, say whether the guess was right and by how much it was not.
        """
        low, high, follows, precedes = self._around(frame.number)

        def fits(span: Span) -> bool:
            return (low is None or span[0] >= low) and (high is None or span[1] <= high)

        at_ms = int(frame.received_at_s * 1000)
        records = decode_records(_inner(uplink, frame.data, at_ms))
        span = _span(records)
        off = (low or 0) - span[0] if follows else (high or 0) - span[1] if precedes else 0
        if off == 0 and fits(span):
            return records
        if not off:
            off = low - span[0] if low is not None and span[0] < low else (high or 0) - span[1]
        step_ms = _step_ms(records)
        moved = decode_records(_inner(uplink, frame.data, at_ms + off * step_ms)) if step_ms else records
        if fits(_span(moved)) and _is_nearer(_span(moved), span, low, high):
            return moved
        if fits(span):
            return records
        raise IngestError(
            "decode.recovered_unusable",
            f"{uplink.dev_eui}: a frame that parity brought back has records {span[0]} to {span[1] - 1}, "
            f"between {low} and {high}",
        )

    def _waiting(self) -> tuple[Span, ...]:
        found: list[Span] = []
        for number in self.recovery.waiting():
            low, high, _, _ = self._around(number)
            if low is not None and high is not None and low < high and (low, high) not in found:
                found.append((low, high))
        return tuple(found)


class Protected:
    """The windows of all devices that send protected frames; those of `book` are known from the start."""

    def __init__(self, book: WindowBook | None = None) -> None:
        self._book = book
        self._devices: dict[str, _Device] = {}

    def decode(self, uplink: Uplink) -> Unfolded:
        """Return what a protected uplink holds and brings back; raise IngestError."""
        notes: list[tuple[str, str]] = []
        is_new = uplink.dev_eui not in self._devices
        device = self._devices.setdefault(uplink.dev_eui, _Device())
        try:
            if is_new:
                self._remember(device, uplink)
            if self._book is not None:
                self._book.add(uplink.dev_eui, uplink.received_at_ms, uplink.payload)
        except StoreError as error:  # what was measured matters more
            notes.append(("decode.windows_unusable", str(error)))
        out = device.take(uplink)
        out.notes += notes
        return out

    def _remember(self, device: _Device, uplink: Uplink) -> None:
        for received_at_ms, payload in self._book.load(uplink.dev_eui) if self._book else ():
            with suppress(IngestError):
                device.take(replace(uplink, received_at_ms=received_at_ms, payload=payload))


def _inner(uplink: Uplink, data: bytes, received_at_ms: int) -> Uplink:
    return replace(uplink, payload=_codec_frame(data, received_at_ms // 1000), received_at_ms=received_at_ms)


def _codec_frame(data: bytes, received_at_s: int) -> bytes:
    candidates = _unpadded(data)
    for candidate in candidates[:-1]:
        try:
            cast("Any", wire.codec).decode(candidate, received_at_s)
        except WireError:
            continue
        return candidate
    return candidates[-1]


def _span(records: list[Decoded]) -> Span:
    seqs = [record.seq for record in records]
    return min(seqs), max(seqs) + 1


def _step_ms(records: list[Decoded]) -> int:
    """Return the time from number to number; for a single record a guess of no use: 0."""
    first, last = records[0], records[-1]
    if last.seq == first.seq:
        return 0
    return (last.observed_at_ms - first.observed_at_ms) // (last.seq - first.seq)


def _is_nearer(one: Span, other: Span, low: int | None, high: int | None) -> bool:
    def gap(span: Span) -> int:
        return min(
            abs(span[0] - low) if low is not None else 1 << 40,
            abs(high - span[1]) if high is not None else 1 << 40,
        )

    return gap(one) <= gap(other)

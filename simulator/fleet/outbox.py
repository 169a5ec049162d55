"""What a fleet's node has measured and not yet sent; the rules of firmware/node/outbox.py.

Newest first, several records to a frame, older ones and those that the gateway asks for once more afterwards.
A record is named by a number that only the fleet knows (`ref`): the tick it was measured at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from wire import backfill, codec
from wire.record import Record

_MOST = 48  # records to a frame
_ALWAYS_FITS = 51
_REMEMBERED = 2000

Fetch = Callable[[int], Record]


def _encode(records: list[Record], limit: int, version: int, now_s: int | None) -> tuple[bytes, int]:
    return cast("tuple[bytes, int]", codec.encode(records, limit, version, now_s))


@dataclass(slots=True)
class Frame:
    """A payload of records and the refs in it."""

    payload: bytes
    refs: list[int]
    live: bool


@dataclass(slots=True)
class Outbox:
    """Records of one node. fetch(ref) makes the record, with the time as it is known by then."""

    codec: int
    batch: int
    unsent: list[int] = field(default_factory=list[int])
    again: list[int] = field(default_factory=list[int])
    since: list[int] = field(default_factory=list[int])
    seqs: dict[int, int] = field(default_factory=dict[int, int])  # seq -> ref, the newest _REMEMBERED
    skipped: tuple[int, int] | None = None
    gone: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    next_seq: int = 0
    may_skip: bool = True
    in_doubt: bool = False
    has_left: bool = False
    fit: int = 0

    def take_seq(self, slot: int) -> int:
        """Return the next number; once a life it goes on with the number of the interval."""
        may_skip = self.may_skip and self.codec == codec.SMALL and not self.unsent and not self.again
        if may_skip and slot > self.next_seq:
            self.may_skip = False
            is_new = slot - self.next_seq > backfill.NEW_COUNT
            self.skipped = (self.next_seq, self.next_seq + backfill.FIRST_COUNT if is_new else slot)
            self.next_seq = slot
        seq = self.next_seq
        self.next_seq = seq + 1
        return seq

    def add(self, ref: int, seq: int) -> None:
        """Take a record."""
        self.unsent.append(ref)
        self.seqs[seq] = ref
        if len(self.seqs) > _REMEMBERED:
            self.seqs.pop(next(iter(self.seqs)))

    @property
    def ripe(self) -> bool:
        """Tell whether a frame of live records is due."""
        n = len(self.unsent)
        if not n or n >= self.batch or not self.has_left:
            return n > 0
        return 0 < self.fit < n

    def frame(self, fetch: Fetch, limit: int, now_s: int | None) -> Frame | None:
        """Return the frame of the newest records that never left; what does not fit goes to `again`."""
        refs = self.unsent[-_MOST:]
        records = [fetch(ref) for ref in refs]
        while records:
            payload, n = _encode(records, limit, self.codec, now_s)
            if not n:
                return None
            if n == len(records) or len(records) < 2 * self.batch:
                self.fit = n if n < len(records) else 0
                older = self.unsent[: len(self.unsent) - len(records)]
                self.again += older
                self.unsent = self.unsent[len(older) :]
                return Frame(payload, refs[:n], True)
            records, refs = records[len(records) - n :], refs[len(refs) - n :]
        return None

    def again_frame(self, fetch: Fetch, limit: int, now_s: int | None) -> Frame | None:
        """Return a frame of the oldest records to be sent once more."""
        self.again.sort()
        records: list[Record] = []
        for ref in self.again[:_MOST]:
            record = fetch(ref)
            if records and record.seq != records[-1].seq + 1:
                break
            records.append(record)
        if not records:
            return None
        payload, n = _encode(records, limit, self.codec, now_s)
        return Frame(payload, self.again[:n], False) if n else None

    def told(self) -> bytes | None:
        """Return what is to be said of numbers that will never come, once."""
        if self.skipped is not None:
            payload = backfill.pack_ranges(backfill.NEVER_GIVEN, [self.skipped])
            self.skipped = None
            return payload
        if self.gone:
            rows, self.gone = self.gone[: backfill.MAX_RANGES], self.gone[backfill.MAX_RANGES :]
            return backfill.pack_ranges(backfill.RECORDS_GONE, rows)
        return None

    def left(self, frame: Frame) -> None:
        """A frame went out."""
        self.has_left = True
        sent = set(frame.refs)
        if frame.live:
            self.unsent = [ref for ref in self.unsent if ref not in sent]
        self.again = [ref for ref in self.again if ref not in sent]
        self.since += frame.refs

    def confirm(self, frame: Frame | None) -> None:
        """The network has this frame, and most likely those before."""
        if self.in_doubt:
            self.in_doubt = False
            sent = set(frame.refs) if frame is not None else set[int]()
            self._add_again(ref for ref in self.since if ref not in sent)
        self.since = []

    def go_back(self) -> None:
        """A confirmation failed: what went since the last one is in doubt."""
        self.in_doubt = True
        self._add_again(iter(self.since))
        self.since = []

    def want(self, first: int, end: int) -> None:
        """The gateway misses [first, end)."""
        there = [seq for seq in range(first, min(end, self.next_seq)) if seq in self.seqs]
        self._add_again(self.seqs[seq] for seq in there)
        missing_end = there[0] if there else min(end, self.next_seq)
        if first < missing_end:
            self.gone.append((first, missing_end))

    def _add_again(self, refs: Iterable[int]) -> None:
        waiting = {*self.again, *self.unsent}
        for ref in refs:
            if ref not in waiting:
                waiting.add(ref)
                self.again.append(ref)

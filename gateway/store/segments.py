"""The segment log: append-only, preallocated files of raw uplinks.

Its fdatasync is the point of acknowledgement.

A segment is `<first sequence, 20 digits>.seg`, written full of zeros and fsynced once, so that a later
fdatasync has no metadata to flush (that makes it 0.1 ms instead of 0.4 to 4 ms). Little-endian:

    segment header, 32 bytes:  8 bytes "MEETNSEG" | u16 format (1) | u16 header length | 4 bytes salt
                               u64 first sequence | u32 CRC-32 of the 24 bytes before | u32 0
    record:  marker: 4 bytes A5 "MR" 01, 4 bytes salt | u32 body length
             u32 CRC-32 of (length, sequence, body) | u64 sequence | body

Sequences only rise; a number may be skipped (after a failed write) but is never given twice. A record
counts when marker, length, CRC and order are right: everything else is damage, which is skipped by
looking for the next record, so a rotten sector costs the records it hit and no others. At opening only
the last segment is read; whatever follows its last good record is a torn write and is zeroed. The salt is
random and in no answer to anybody, so that a payload cannot carry a record of its own into a damaged log.

All methods are blocking and belong to one thread at a time (see store.durable for the asyncio side).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import StoreError, StoreVersionError

MAGIC = b"MEETNSEG"
FORMAT = 1
MARKER = b"\xa5MR\x01"
_MARKER_BYTES = 8
MAX_BODY = 1 << 20
_HEADER = struct.Struct("<8sHH4sQ")
_HEADER_BYTES = 32
_RECORD = struct.Struct("<8sIIQ")
_CRC_PREFIX = struct.Struct("<IQ")
_INDEX_EVERY = 256
_ZEROS = bytes(1 << 20)


@dataclass(slots=True)
class _Segment:
    """One file. `end` is the offset behind the last durable record, `last` its sequence."""

    path: Path
    first: int
    marker: bytes = b""
    end: int = _HEADER_BYTES
    last: int = 0
    scanned: bool = False
    index: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # (sequence, offset)


class SegmentLog:
    """The files of one directory. `damaged` counts the stretches of bytes that were skipped as damage."""

    def __init__(self, directory: Path, segment_bytes: int = 16 << 20) -> None:
        """Open or create. Raise StoreError when the directory cannot be used at all."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._fd: int | None = None
        self.damaged = 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._segments = [
                _Segment(path, int(path.stem), last=int(path.stem) - 1)
                for path in sorted(directory.glob("*.seg"))
            ]
        except (OSError, ValueError) as error:
            raise StoreError(f"segment log {directory}: {error}; check owner, mode and free space") from error
        self._next = 1
        self._recover()

    @property
    def last_sequence(self) -> int:
        """The highest sequence given out so far, 0 in an empty log."""
        return self._next - 1

    def skip_to(self, sequence: int) -> None:
        """Never give out `sequence` or less: used when a reader is already past an older copy of the log."""
        if sequence >= self._next:
            self._next = sequence + 1
            self._retire()

    def append(self, bodies: Sequence[bytes]) -> list[int]:
        """Write bodies and return their sequences once they are durable: one fdatasync for all.

        Raise StoreError when the disk refuses: then none of them counts, and the next call starts a
        fresh segment, because after a failed flush nobody knows what the kernel still holds.
        """
        sequences: list[int] = []
        pending: list[bytes] = []
        size = 0
        for body in bodies:
            if len(body) > MAX_BODY:
                raise StoreError(f"record of {len(body)} bytes is above {MAX_BODY}")
            record_size = _RECORD.size + len(body)
            if not self._has_room(size + record_size):
                self._write(pending, sequences)
                pending, size = [], 0
                self._retire()
            if self._fd is None:
                self._start_segment(_HEADER_BYTES + record_size)
            sequence = self._next
            self._next += 1
            pending.append(record(self._segments[-1].marker, sequence, body))
            size += record_size
            sequences.append(sequence)
        self._write(pending, sequences)
        return sequences

    def read(self, after: int, limit: int = 1000, max_bytes: int = 4 << 20) -> list[tuple[int, bytes]]:
        """Return up to `limit` durable records (sequence, body) with sequence > after, in order."""
        found: list[tuple[int, bytes]] = []
        size = 0
        for segment in list(self._segments):
            if segment is not self._segments[-1] and not segment.scanned:
                self._scan(segment)
            if segment.last <= after:
                continue
            start = _HEADER_BYTES
            for sequence, offset in segment.index:
                if sequence > after + 1:
                    break
                start = offset
            for sequence, body, _ in self._records(segment, start, segment.end):
                if sequence <= after:
                    continue
                found.append((sequence, body))
                size += len(body)
                if len(found) >= limit or size >= max_bytes:
                    return found
        return found

    def size_bytes(self) -> int:
        """Return what the log takes on the disk."""
        return sum(segment.path.stat().st_size for segment in self._segments)

    def drop_before(self, sequence: int, keep_bytes: int | None = None) -> int:
        """Delete whole segments that only hold records below `sequence`; return how many were deleted.

        With keep_bytes, delete only as many of them as bring the log down to that size.
        """
        dropped = 0
        while len(self._segments) > 1 and self._segments[1].first <= sequence:
            if keep_bytes is not None and self.size_bytes() <= keep_bytes:
                break
            try:
                self._segments[0].path.unlink()
            except OSError as error:
                raise StoreError(
                    f"segment log: cannot delete {self._segments[0].path.name}: {error}"
                ) from error
            del self._segments[0]
            dropped += 1
        return dropped

    def segment_ends(self) -> list[int]:
        """Return the last sequence of each segment but the one being written, oldest first."""
        return [after.first - 1 for after in self._segments[1:]]

    def places(self) -> Iterator[tuple[Path, bytes, int, int, bytes]]:
        """Yield (file, marker, sequence, offset, body) of every durable record."""
        for segment in list(self._segments):
            for sequence, body, offset in self._records(segment, _HEADER_BYTES, segment.end):
                yield segment.path, segment.marker, sequence, offset, body

    def close(self) -> None:
        """Close the file being written."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    # -- writing

    def _has_room(self, size: int) -> bool:
        if self._fd is None:
            return True
        return self._segments[-1].end + size <= self._segment_bytes

    def _write(self, records: list[bytes], sequences: list[int]) -> None:
        """Make the last len(records) of `sequences` durable."""
        if not records:
            return
        data = b"".join(records)
        segment = self._segments[-1]
        first = sequences[-len(records)]
        assert self._fd is not None
        try:
            written = os.pwrite(self._fd, data, segment.end)
            if written != len(data):
                raise OSError(28, f"only {written} of {len(data)} bytes were written")
            _flush(self._fd)
        except OSError as error:
            self._retire()
            raise StoreError(
                f"segment log: {segment.path.name}: {error}; nothing was acknowledged"
            ) from error
        if not segment.index or first >= segment.index[-1][0] + _INDEX_EVERY:
            segment.index.append((first, segment.end))
        segment.end += len(data)
        segment.last = sequences[-1]

    def _retire(self) -> None:
        """Stop writing to the current segment; the next append starts another."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _start_segment(self, at_least: int) -> None:
        path = self._directory / f"{self._next:020d}.seg"
        salt = os.urandom(_MARKER_BYTES - len(MARKER))
        header = _HEADER.pack(MAGIC, FORMAT, _HEADER_BYTES, salt, self._next)
        header += struct.pack("<II", zlib.crc32(header), 0)
        if self._segments and self._segments[-1].path == path:
            del self._segments[-1]  # a start that failed half-way: no record can be in it
        partial = path.with_suffix(".new")
        fd = -1
        try:
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            _fill(fd, max(self._segment_bytes, at_least))
            os.pwrite(fd, header, 0)
            os.fsync(fd)
            partial.replace(path)
            _sync_directory(self._directory)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
                partial.unlink(missing_ok=True)
            raise StoreError(f"segment log {self._directory}: {error}; nothing was acknowledged") from error
        self._fd = fd
        self._segments.append(_Segment(path, self._next, MARKER + salt, last=self._next - 1, scanned=True))

    # -- recovery and reading

    def _recover(self) -> None:
        for leftover in self._directory.glob("*.new"):
            try:
                leftover.unlink()
            except OSError:
                continue  # a read-only disk: reading still works, writing will say so
        for segment in self._segments[:-1]:
            segment.end = segment.path.stat().st_size
            segment.last = self._segments[self._segments.index(segment) + 1].first - 1
        if not self._segments:
            return
        last = self._segments[-1]
        _check_header(last.path)
        last.end = last.path.stat().st_size
        self._scan(last)
        self._next = max(last.last, last.first - 1) + 1
        try:
            fd = os.open(last.path, os.O_RDWR)
        except OSError:
            return
        try:
            _zero_tail(fd, last.end)
        except OSError:
            os.close(fd)
            return
        self._fd = fd

    def _scan(self, segment: _Segment) -> None:
        """Read a whole segment once: find its end, its last sequence and an index of every 256th record."""
        end = _HEADER_BYTES
        last = segment.first - 1
        segment.index.clear()
        records = self._records(segment, _HEADER_BYTES, segment.end, count_damage=True)
        for count, (sequence, body, offset) in enumerate(records):
            if count % _INDEX_EVERY == 0:
                segment.index.append((sequence, offset))
            end = offset + _RECORD.size + len(body)
            last = sequence
        segment.end, segment.last, segment.scanned = end, last, True

    def _records(
        self, segment: _Segment, start: int, end: int, count_damage: bool = False
    ) -> Iterator[tuple[int, bytes, int]]:
        """Yield (sequence, body, offset) of the good records in [start, end), skipping damage."""
        try:
            with segment.path.open("rb") as file:
                if not segment.marker:
                    segment.marker = _marker(file.read(_HEADER_BYTES + _MARKER_BYTES))
                file.seek(start)
                data = file.read(end - start)
        except OSError as error:
            raise StoreError(f"segment log: cannot read {segment.path.name}: {error}") from error
        at, newest = 0, segment.first - 1
        while True:
            found = data.find(segment.marker, at)
            if found != at and count_damage and data[at : found if found >= 0 else None].strip(b"\0"):
                self.damaged += 1
            if found < 0:
                return
            body = _body_at(data, found, newest)
            if body is None:
                at = found + 1
                if count_damage:
                    self.damaged += 1
                continue
            sequence, content = body
            newest = sequence
            yield sequence, content, start + found
            at = found + _RECORD.size + len(content)


def _marker(start_of_file: bytes) -> bytes:
    """Return the marker of a segment: from its header, or from its first record if the header is damaged."""
    header = start_of_file[:_HEADER_BYTES]
    salt = header[12:16]
    if len(header) == _HEADER_BYTES and zlib.crc32(header[:24]) == int.from_bytes(header[24:28], "little"):
        return MARKER + salt
    first = start_of_file[_HEADER_BYTES:]
    return first if first.startswith(MARKER) and len(first) == _MARKER_BYTES else MARKER + salt


def record(marker: bytes, sequence: int, body: bytes) -> bytes:
    """Return a record as it stands in a segment."""
    crc = zlib.crc32(body, zlib.crc32(_CRC_PREFIX.pack(len(body), sequence)))
    return _RECORD.pack(marker, len(body), crc, sequence) + body


def _body_at(data: bytes, at: int, newest: int) -> tuple[int, bytes] | None:
    """Return (sequence, body) of a good record at an offset, or None."""
    if at + _RECORD.size > len(data):
        return None
    _, length, crc, sequence = _RECORD.unpack_from(data, at)
    start = at + _RECORD.size
    if length > MAX_BODY or start + length > len(data) or sequence <= newest:
        return None
    body = data[start : start + length]
    if zlib.crc32(body, zlib.crc32(_CRC_PREFIX.pack(length, sequence))) != crc:
        return None
    return sequence, body


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise StoreError(f"segment log: cannot read {path.name}: {error}") from error
    if len(header) < _HEADER_BYTES or header[:8] != MAGIC:
        return  # a damaged header hides no records: they carry their own marker and sequence
    found = int.from_bytes(header[8:10], "little")
    if found > FORMAT:
        raise StoreVersionError(
            f"segment log {path.name} has format {found}, this Meetnet knows {FORMAT}: "
            "install the newer Meetnet again"
        )


def _fill(fd: int, size: int) -> None:
    at = 0
    while at < size:
        at += os.pwrite(fd, _ZEROS[: size - at], at)


def _zero_tail(fd: int, end: int) -> None:
    """Overwrite whatever a torn write left behind the last good record."""
    size = os.fstat(fd).st_size
    changed = False
    for at in range(end, size, len(_ZEROS)):
        stretch = os.pread(fd, min(len(_ZEROS), size - at), at)
        if stretch.strip(b"\0"):
            os.pwrite(fd, _ZEROS[: len(stretch)], at)
            changed = True
    if changed:
        _flush(fd)


def _flush(fd: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:  # macOS
        os.fsync(fd)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

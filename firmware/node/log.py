"""The record log: append-only segment files, a CRC an entry, bounded, the oldest segment dropped first.

An entry: 0xC3 | kind u8 | length u8 | payload | crc32 of kind, length and payload, big-endian.
A power cut leaves at most one torn entry, at the end of a segment; after it that segment is never
written again, a new one starts. A position is (segment number, offset): everything before it is done.
"""

import binascii

from wire._compat import const

MAX_PAYLOAD = const(255)
_MARK = const(0xC3)
_OVERHEAD = const(7)


def _name(number):
    text = str(number)
    return "0" * (8 - len(text)) + text + ".seg"


def _number(name):
    return int(name[:-4]) if name.endswith(".seg") and name[:-4].isdigit() else None


def seal(kind, payload):
    """Return the bytes of an entry."""
    body = bytes([kind, len(payload)]) + payload
    return bytes([_MARK]) + body + binascii.crc32(body).to_bytes(4, "big")


def unseal(data, at):
    """Return (kind, payload, end) of the entry at data[at:], or None where it is torn or absent."""
    if at + _OVERHEAD > len(data) or data[at] != _MARK:
        return None
    end = at + _OVERHEAD + data[at + 2]
    if end > len(data):
        return None
    body = data[at + 1 : end - 4]
    if binascii.crc32(body).to_bytes(4, "big") != bytes(data[end - 4 : end]):
        return None
    return body[0], bytes(body[2:]), end


class RecordLog:
    """The log over `files` (node.files.Files or alike): names, size, read, append, remove."""

    def __init__(self, files, segment_bytes=8192, max_segments=32):
        self._files = files
        self._segment_bytes = segment_bytes
        self._max_segments = max_segments
        self.torn = 0
        self.on_drop = None  # called with a segment's number just before it goes
        self.segments = sorted([n for n in [_number(name) for name in files.names()] if n is not None])
        self._size = 0
        if not self.segments:
            self.segments.append(1)
        else:
            self._open_last()

    def _open_last(self):
        """Go on in the last segment if it is whole, else start a new one."""
        last = self.segments[-1]
        data = self._files.read(_name(last))
        at = 0
        while True:
            entry = unseal(data, at)
            if entry is None:
                break
            at = entry[2]
        self._size = at
        if at != len(data):
            self.torn += 1
            self._next_segment()

    def _next_segment(self):
        self.segments.append(self.segments[-1] + 1)
        self._size = 0

    @property
    def start(self):
        """Return the position of the oldest entry."""
        return (self.segments[0], 0)

    @property
    def end(self):
        """Return the position after the newest entry."""
        return (self.segments[-1], self._size)

    def append(self, kind, payload):
        """Make an entry durable, by dropping the oldest segment where there is no room left.

        OSError when the file system takes nothing more even so.
        """
        entry = seal(kind, payload)
        if self._size and self._size + len(entry) > self._segment_bytes:
            self._next_segment()
            if len(self.segments) > self._max_segments:
                self._drop_oldest()
        try:
            self._files.append(_name(self.segments[-1]), entry)
        except OSError:
            # Whatever part of it arrived is torn: go on in a fresh segment, with the room of the oldest.
            self._next_segment()
            if len(self.segments) > 2:
                self._drop_oldest()
            self._files.append(_name(self.segments[-1]), entry)
        self._size += len(entry)

    def _drop_oldest(self):
        number = self.segments[0]
        if self.on_drop is not None:
            self.on_drop(number)
        self._files.remove(_name(number))
        self.segments.pop(0)

    def read(self, position, limit):
        """Return up to limit entries [(kind, payload, position after it)] from a position on."""
        out = []
        for number in self.segments:
            if number < position[0]:
                continue
            out += self._read_segment(number, position[1] if number == position[0] else 0, limit - len(out))
            if len(out) >= limit:
                break
        return out

    def _read_segment(self, number, offset, limit):
        out = []
        data = self._files.read(_name(number), offset, self._segment_bytes + 512)
        at = 0
        while len(out) < limit:
            entry = unseal(data, at)
            if entry is None:
                break
            at = entry[2]
            out.append((entry[0], entry[1], (number, offset + at)))
        return out

    def rest_of(self, number, position):
        """Return the entries of one segment that lie after a position."""
        return self._read_segment(number, position[1] if number == position[0] else 0, self._segment_bytes)

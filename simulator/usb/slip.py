"""SLIP framing (RFC 1055) as Espressif's loaders use it: a frame begins and ends with 0xC0."""

from __future__ import annotations

LONGEST = 0x4000 * 2 + 64  # a stub's data block, every byte escaped


def frame(content: bytes) -> bytes:
    """Return a framed packet."""
    escaped = content.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


class Unframer:
    """Takes a stream of bytes apart. Bytes outside of frames are given back as noise."""

    def __init__(self) -> None:
        self._inside = False
        self._frame = bytearray()

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return (whole frames, bytes that were in no frame)."""
        frames: list[bytes] = []
        noise = bytearray()
        for number, piece in enumerate(data.split(b"\xc0")):
            if number:  # there was an END before this piece
                if self._inside and self._frame:
                    frames.append(_unescaped(bytes(self._frame)))
                    self._inside = False
                else:
                    self._inside = True
                self._frame.clear()
            if not self._inside:
                noise += piece
            elif len(self._frame) + len(piece) > LONGEST:
                self._inside = False
                self._frame.clear()
            else:
                self._frame += piece
        return frames, bytes(noise)


def _unescaped(content: bytes) -> bytes:
    return content.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")

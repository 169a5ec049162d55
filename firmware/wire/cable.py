"""Frames on a cable between a node and its gateway, among whatever else is printed on the same line.

    0x00 | COBS( u8 kind | u8 number | body | u32 CRC-32 of all before, little-endian ) | 0x00

COBS (Cheshire and Baker 1999) keeps 0x00 out of a frame, so a reader that lost its place finds it at the next
one, and text between frames is passed by. CRC-32 is that of IEEE 802.3.

    node                                   gateway
    HELLO  dev_eui                  ->
                                    <-     ACK, TIME
    DATA   dev_eui | u8 port | payload ->  (durable now)
                                    <-     COMMAND  4 bytes of a name | u8 port | payload, each that waits
    TAKEN  the 4 bytes              ->
                                    <-     ACK, of the DATA with this number
    ASK                             ->
                                    <-     TIME  u64 milliseconds since 1970, UTC
"""

import binascii

from ._compat import const

HELLO = const(1)
DATA = const(2)
ACK = const(3)
COMMAND = const(4)
TAKEN = const(5)
TIME = const(6)
ASK = const(7)
MAX_BODY = const(1200)
_LONGEST = const(1216)  # MAX_BODY with its head, its CRC and what COBS adds


def framed(kind, number, body=b""):
    """Return a frame as it goes on the line; ValueError for a body that is too long."""
    if len(body) > MAX_BODY:
        raise ValueError("cable: a body of " + str(len(body)) + " bytes, " + str(MAX_BODY) + " are taken")
    data = bytes((kind, number & 255)) + body
    data += (binascii.crc32(data) & 0xFFFFFFFF).to_bytes(4, "little")
    out = bytearray(b"\x00\x00")
    code_at = 1
    code = 1
    for byte in data:
        if byte:
            out.append(byte)
            code += 1
        if not byte or code == 255:
            out[code_at] = code
            code_at = len(out)
            out.append(0)
            code = 1
    out[code_at] = code
    out.append(0)
    return bytes(out)


def _unstuffed(data):
    """Return what COBS made of something, None where nothing does."""
    out = bytearray()
    at = 0
    end = len(data)
    while at < end:
        code = data[at]
        if not code or at + code > end:
            return None
        out.extend(data[at + 1 : at + code])
        at += code
        if code < 255 and at < end:
            out.append(0)
    return bytes(out)


def unpack(data):
    """Return (kind, number, body) of what stands between two zeros, None for anything else."""
    found = _unstuffed(data)
    if found is None or len(found) < 6 or len(found) > MAX_BODY + 6:
        return None
    if binascii.crc32(found[:-4]) & 0xFFFFFFFF != int.from_bytes(found[-4:], "little"):
        return None
    return found[0], found[1], found[2:-4]


class Splitter:
    """Finds the frames in what comes. bad: pieces that were none. waiting: what may become one yet."""

    def __init__(self):
        self.waiting = bytearray()
        self.bad = 0
        self._skips = False

    def feed(self, data):
        """Take bytes; return the list of frames (kind, number, body) that are whole now."""
        frames = []
        for byte in data:
            if byte:
                if self._skips:
                    continue
                if len(self.waiting) >= _LONGEST + 8:
                    self._skips = True  # no frame is that long
                    continue
                self.waiting.append(byte)
                continue
            if self.waiting:
                found = None if self._skips else unpack(bytes(self.waiting))
                if found is None:
                    self.bad += 1
                else:
                    frames.append(found)
            self.waiting = bytearray()
            self._skips = False
        return frames

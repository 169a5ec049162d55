"""Erase single frames of the segment log in place: their bytes go, their numbers stay given out.

A frame keeps its length, so nothing else moves. Cut off in the middle it is damage, which readers pass
over: the frame is gone either way.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from gateway.errors import StoreError
from gateway.model import Uplink
from gateway.store import segments
from gateway.store.frames import decode_uplink, encode_uplink

ERASED = Uplink(source="", dev_eui="0" * 16, f_port=0, payload=b"", received_at_ms=0)
_LEAST = len(encode_uplink(ERASED))


def erase_frames(log: segments.SegmentLog, is_wanted: Callable[[Uplink], bool]) -> int:
    """Overwrite the frames for which `is_wanted` says so; return how many. Raise StoreError.

    Belongs to the thread of the log.
    """
    n = 0
    try:
        for path, marker, sequence, offset, body in log.places():
            if not _is(body, is_wanted):
                continue
            blank = segments.record(marker, sequence, _blank(len(body)))
            fd = os.open(path, os.O_RDWR)
            try:
                os.pwrite(fd, blank, offset)
                os.fsync(fd)
            finally:
                os.close(fd)
            n += 1
    except OSError as error:
        raise StoreError(f"segment log: {error}; {n} frames were erased, try again") from error
    return n


def _is(body: bytes, is_wanted: Callable[[Uplink], bool]) -> bool:
    try:
        return is_wanted(decode_uplink(body))
    except StoreError:
        return False  # of a newer layout: nobody here knows whose it is


def _blank(length: int) -> bytes:
    """Return an uplink of nobody with so many bytes; one that is too long for that is all zeros."""
    room = length - _LEAST
    if not 0 <= room <= 65535:
        return bytes(length)
    return encode_uplink(Uplink(source="", dev_eui="0" * 16, f_port=0, payload=bytes(room), received_at_ms=0))

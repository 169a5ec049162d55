"""How long raw frames are kept: whole segments go, oldest first, and never one that is not stored yet."""

from __future__ import annotations

from gateway.errors import StoreError
from gateway.store.frames import decode_uplink
from gateway.store.segments import SegmentLog


def prune(log: SegmentLog, stored: int, before_ms: int, keep_bytes: int) -> int:
    """Delete segments whose frames are all stored and that are too old or too much; return how many."""
    dropped = 0
    old_enough = 0
    for end in log.segment_ends():
        if end > stored:
            break
        following = log.read(end, 1)
        if not following or _received_at_ms(following[0][1]) >= before_ms:
            break
        old_enough = end
    if old_enough:
        dropped += log.drop_before(old_enough + 1)
    return dropped + log.drop_before(stored + 1, keep_bytes)


def _received_at_ms(body: bytes) -> int:
    try:
        return decode_uplink(body).received_at_ms
    except StoreError:
        return 0

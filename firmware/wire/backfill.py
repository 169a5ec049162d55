"""Back-fill on FPort COMMANDS: the gateway asks for records by number, the node says which are gone.

    SEND_RECORDS, downlink: 0x20 | first u32 | n u16 | first u32 | n u16 ...   1..8 ranges
    RECORDS_GONE, uplink:   0x21 | first u32 | n u16 | ...                     1..8 ranges
    NEVER_GIVEN, uplink:    0x22 | first u32 | n u16 | ...                     1..8 ranges

A node that was off goes on with the number that the clock tells (node/outbox.py): NEVER_GIVEN names those
that it passed over, so that nobody asks for them. Where it passes over more than NEW_COUNT, it has been told
the time for the first time: there are at most FIRST_COUNT records from before, and only those are spoken of.

Big-endian, n from 1. The records themselves come as any others, on FPort RECORDS, with their true times.
"""

from ._compat import const
from .errors import WireError

SEND_RECORDS = const(0x20)
RECORDS_GONE = const(0x21)
NEVER_GIVEN = const(0x22)
NEW_COUNT = const(60000)
FIRST_COUNT = const(64)
MAX_RANGES = const(8)  # 49 bytes: a frame at the slowest data rate
_ROW = const(6)


def pack_ranges(command, ranges):
    """Return the payload for ranges [(first, end)]; what is longer than 65535 is cut off behind."""
    if not 1 <= len(ranges) <= MAX_RANGES:
        raise WireError("ranges", "1.." + str(MAX_RANGES) + " ranges, not " + str(len(ranges)))
    out = bytes([command])
    for first, end in ranges:
        if not 0 <= first < end or first >> 32:
            raise WireError("ranges", str(first) + ".." + str(end) + " is no range")
        out += first.to_bytes(4, "big") + min(end - first, 0xFFFF).to_bytes(2, "big")
    return out


def unpack_ranges(payload):
    """Return (command, ranges [(first, end)]) of a payload; WireError for any other bytes."""
    if not payload or payload[0] not in (SEND_RECORDS, RECORDS_GONE, NEVER_GIVEN):
        raise WireError("command", "no back-fill command")
    n, rest = divmod(len(payload) - 1, _ROW)
    if rest or not 1 <= n <= MAX_RANGES:
        raise WireError("length", str(len(payload)) + " bytes are no list of ranges")
    ranges = []
    for at in range(1, len(payload), _ROW):
        first = int.from_bytes(payload[at : at + 4], "big")
        count = int.from_bytes(payload[at + 4 : at + 6], "big")
        if not count:
            raise WireError("ranges", "an empty range")
        ranges.append((first, first + count))
    return payload[0], ranges

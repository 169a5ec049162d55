"""LoRaWAN Fragmented Data Block Transport, LoRa Alliance TS004-1.0.0, package 3 version 1: both ends.

Messages travel on FPort 201, little-endian. A block is cut into M fragments of one size, the last one padded
with zeros; fragments M + 1, M + 2, ... are the sums (XOR) of about half of them, chosen by a pseudo-random
line of the parity matrix, so any that arrive can stand in for any that were lost.
"""

from ._compat import const
from .errors import WireError

F_PORT = const(201)
PACKAGE = const(3)
PACKAGE_VERSION = const(1)

PACKAGE_VERSION_CMD = const(0x00)
STATUS = const(0x01)
SETUP = const(0x02)
DELETE = const(0x03)
DATA = const(0x08)

MAX_N = const(0x3FFF)
# FragSessionSetupAns
WRONG_DESCRIPTOR = const(8)
INDEX_NOT_SUPPORTED = const(4)
NO_MEMORY = const(2)
NO_ENCODING = const(1)
# FragSessionDeleteAns
NO_SESSION = const(4)

_DOWN = {PACKAGE_VERSION_CMD: 0, STATUS: 1, SETUP: 10, DELETE: 1}  # bytes behind the command
_UP = {PACKAGE_VERSION_CMD: 2, STATUS: 4, SETUP: 1, DELETE: 1}


# -- the parity matrix ------------------------------------------------------------------------------


def _prbs23(x):
    """Return the next state of the generator of section 6 of the annex."""
    return x >> 1 | ((x ^ x >> 5) & 1) << 22


def parity_line(n, m):
    """Return line n (from 1) of the matrix for m fragments: a number with bit i for fragment i, from 0."""
    extra = 1 if m & (m - 1) == 0 else 0
    x = 1 + 1001 * n
    line = 0
    for _ in range(m // 2):
        r = 1 << 16
        while r >= m:
            x = _prbs23(x)
            r = x % (m + extra)
        line |= 1 << r
    return line


def split(block, size):
    """Return the fragments of a block, the last one padded with zeros."""
    if not 1 <= size <= 255:
        raise WireError("size", str(size) + " is outside 1..255")
    m = (len(block) + size - 1) // size
    if not 1 <= m <= MAX_N:
        raise WireError("block", str(len(block)) + " bytes are no 1.." + str(MAX_N) + " fragments")
    padded = bytes(block) + bytes(m * size - len(block))
    return [padded[i * size : (i + 1) * size] for i in range(m)]


def coded(fragments, n):
    """Return fragment n (from 1): one of the block itself, or behind those a sum."""
    m = len(fragments)
    if n <= m:
        return fragments[n - 1]
    line = parity_line(n - m, m)
    total = 0
    for i in range(m):
        if line >> i & 1:
            total ^= int.from_bytes(fragments[i], "little")
    return total.to_bytes(len(fragments[0]), "little")


def solve(m, size, fetch, sums, feed=None):
    """Return {index from 0: fragment} of those that are missing, or None while there are too few sums.

    fetch(i): fragment i, or None where it is missing. sums: [(n from m + 1, its bytes)]. Memory: one
    fragment and a line for each that is missing. feed: called while it works.
    """
    missing = [i for i in range(m) if fetch(i) is None]
    if len(sums) < len(missing):
        return None
    open_mask = 0
    for i in missing:
        open_mask |= 1 << i
    rows = []  # (pivot bit, mask, sum): no pivot is in another row
    for n, data in sums:
        if len(rows) == len(missing):
            break
        line = parity_line(n - m, m)
        total = int.from_bytes(data, "little")
        if not line & open_mask:
            continue
        for i in range(m):
            if line >> i & 1 and not open_mask >> i & 1:
                total ^= int.from_bytes(fetch(i), "little")
        if feed is not None:
            feed()
        mask = line & open_mask
        for pivot, other, value in rows:
            if mask >> pivot & 1:
                mask ^= other
                total ^= value
        if not mask:
            continue
        pivot = missing[0]
        for pivot in missing:
            if mask >> pivot & 1:
                break
        rows = [
            (p, other ^ mask, value ^ total) if other >> pivot & 1 else (p, other, value)
            for p, other, value in rows
        ]
        rows.append((pivot, mask, total))
    if len(rows) < len(missing):
        return None
    return {pivot: total.to_bytes(size, "little") for pivot, _mask, total in rows}


# -- messages ----------------------------------------------------------------------------------------


def pack_setup(index, m, size, padding, descriptor, ack_delay=0):
    """Return FragSessionSetupReq for one device, in its own session, with the algorithm of the annex."""
    if not 0 <= index <= 3 or not 1 <= m <= MAX_N or not 1 <= size <= 255 or not 0 <= padding < 256:
        raise WireError("setup", "index 0..3, fragments 1.." + str(MAX_N) + ", size and padding a byte")
    if len(descriptor) != 4:
        raise WireError("descriptor", "4 bytes")
    head = bytes([SETUP, index << 4]) + m.to_bytes(2, "little")
    return head + bytes([size, ack_delay & 7, padding]) + bytes(descriptor)


def pack_data(index, n, fragment):
    """Return DataFragment n, from 1."""
    if not 0 <= index <= 3 or not 1 <= n <= MAX_N:
        raise WireError("fragment", "index 0..3, number 1.." + str(MAX_N))
    return bytes([DATA]) + (index << 14 | n).to_bytes(2, "little") + bytes(fragment)


def pack_status_req(index, all_answer=True):
    """Return FragSessionStatusReq. all_answer: also whoever misses nothing."""
    return bytes([STATUS, index << 1 | (1 if all_answer else 0)])


def pack_status_ans(index, received, missing, no_memory=False):
    """Return FragSessionStatusAns; more than 255 that are missing are told as 255."""
    head = bytes([STATUS]) + (index << 14 | min(received, MAX_N)).to_bytes(2, "little")
    return head + bytes([min(missing, 255), 1 if no_memory else 0])


def pack_answer(command, index, bits=0):
    """Return FragSessionSetupAns or FragSessionDeleteAns with the bits of what is wrong."""
    return bytes([command, (index << 6 if command == SETUP else index) | bits])


def pack_delete(index):
    """Return FragSessionDeleteReq."""
    return bytes([DELETE, index & 3])


def pack_version_req():
    """Return PackageVersionReq."""
    return bytes([PACKAGE_VERSION_CMD])


def pack_version_ans():
    """Return PackageVersionAns."""
    return bytes([PACKAGE_VERSION_CMD, PACKAGE, PACKAGE_VERSION])


def unpack(payload, up):
    """Return the messages of a payload: [(command, fields)]; WireError for any other bytes.

    up: from the device. Fields down: () version, (index, all_answer) status, (index, groups, m, size,
    algorithm,
    ack_delay, padding, descriptor) setup, (index,) delete, (index, n, fragment) data, which takes all the
    rest. Up: (package, version), (index, received, missing, no_memory), (index, bits), (index, bits).
    """
    found = []
    at = 0
    lengths = _UP if up else _DOWN
    while at < len(payload):
        command = payload[at]
        if command == DATA and not up:
            end = len(payload)
            if end - at < 4:
                raise WireError("length", "a fragment of no bytes")
        elif command in lengths:
            end = at + 1 + lengths[command]
        else:
            raise WireError("command", "unknown " + str(command))
        if end > len(payload):
            raise WireError("length", "payload ends inside a message")
        body = bytes(payload[at + 1 : end])
        found.append((command, (_fields_up if up else _fields_down)(command, body)))
        at = end
    return found


def _fields_down(command, body):
    if command == DATA:
        number = int.from_bytes(body[:2], "little")
        return number >> 14, number & MAX_N, body[2:]
    if command == SETUP:
        m = int.from_bytes(body[1:3], "little")
        return body[0] >> 4 & 3, body[0] & 15, m, body[3], body[4] >> 3 & 7, body[4] & 7, body[5], body[6:]
    if command == STATUS:
        return body[0] >> 1 & 3, bool(body[0] & 1)
    return (body[0] & 3,) if command == DELETE else ()


def _fields_up(command, body):
    if command == STATUS:
        number = int.from_bytes(body[:2], "little")
        return number >> 14, number & MAX_N, body[2], bool(body[3] & 1)
    if command == SETUP:
        return body[0] >> 6, body[0] & 15
    if command == DELETE:
        return body[0] & 3, body[0] & 4
    return body[0], body[1]

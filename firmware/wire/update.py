"""Signed updates: what a bundle begins with, and what node and gateway say to each other about one.

A bundle is a head of 139 bytes and the payload. The head, big-endian:

    "MNU1" | kind u8 | architecture u8 | mpy version u8 | flags u8 | version 3 u8 | board 16, zeros behind
    serial u32 | carried bytes u32 | unpacked bytes u32 | SHA-256 of the payload 32 | key id 4 | signature 64

The signature is ECDSA P-256 (r, s) over the SHA-256 of all before it. The id of a bundle is the first four
bytes
of that SHA-256. Whatever the payload says is covered by its hash. `serial` only grows: a node refuses less.

The payload of an application or of files, unpacked, is a row of entries:

    name length u8 | name | how u8 | size u32 | first 8 bytes of the SHA-256 of the content | content

how 0: the content follows; 1: it is that of the same name in the application that runs, and does not follow.

On FPort COMMANDS:
    OFFER   down  0x40 | id 4 | kind u8 | way u8 | serial u32 | bundle bytes u32 | trial minutes u16 | port
    u16 STATE   up    0x41 | id 4 | state u8 | reason u8 | received u32, pieces or fragments
    CANCEL  down  0x42 | id 4
A node on Wi-Fi fetches the bundle from the port of the gateway, by HTTP: GET /update/<id>, with a Range. Over
LoRaWAN the bundle is the data block of TS004 (fragments.py), its id the descriptor.
"""

from ._compat import const
from .errors import WireError

MAGIC = b"MNU1"
HEAD_BYTES = const(139)
SIGNED_BYTES = const(75)
PIECE_BYTES = const(1024)  # in which a node on Wi-Fi keeps what it has fetched

APPLICATION = const(1)  # a set of compiled files, for the slot that does not run
CONFIG = const(2)  # a JSON object of keys of config.json; they are tried as those of a SET
FILES = const(3)  # calibrations and models: files of the folder data, all or none
BASE = const(4)  # a MicroPython image, for the partition that does not run
KINDS = {1: "application", 2: "config", 3: "files", 4: "base"}

ANY = const(0)
ARCHITECTURES = {0: "any", 1: "xtensawin", 2: "rv32imc", 3: "x64"}

DEFLATED = const(1)  # flags: the payload is raw DEFLATE (RFC 1951) with a window of 4 KiB
DOWNGRADE = const(2)  # flags: may be older than what runs
WINDOW_BITS = const(12)

OFFER = const(0x40)
STATE = const(0x41)
CANCEL = const(0x42)

PULL = const(0)  # ways: by HTTP
FRAGMENTS = const(1)  # TS004

LOADING = const(1)
READY = const(2)
TRIAL = const(3)
KEPT = const(4)
REVERTED = const(5)
REFUSED = const(6)
STATES = {1: "loading", 2: "ready", 3: "trial", 4: "kept", 5: "reverted", 6: "refused"}

OWNER = const(1)
SIGNATURE = const(2)
NOT_FOR_US = const(3)
OLDER = const(4)
NO_ROOM = const(5)
DAMAGED = const(6)
NOT_SUPPORTED = const(7)
NO_KEY = const(8)
BUSY = const(9)
CRASHED = const(10)
NOT_HEARD = const(11)
POWER = const(12)
BATTERY = const(13)
STORAGE = const(14)
CANCELLED = const(15)
REASONS = {
    0: "none",
    1: "owner",
    2: "signature",
    3: "not_for_this_board",
    4: "older",
    5: "no_room",
    6: "damaged",
    7: "not_supported",
    8: "no_key",
    9: "busy",
    10: "crashed",
    11: "not_heard",
    12: "power",
    13: "battery",
    14: "storage",
    15: "cancelled",
}

_BOARD_MOST = const(16)
_NAME_MOST = const(64)
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"


class Head:
    """The fields of a bundle's head; `version` is three numbers, `board` text, "" for any."""

    FIELDS = (
        "kind",
        "architecture",
        "mpy",
        "flags",
        "version",
        "board",
        "serial",
        "carried",
        "unpacked",
        "sha256",
        "key_id",
    )
    __slots__ = FIELDS + ("signature",)

    def __init__(self, *values):
        for name, value in zip(self.FIELDS, values):
            setattr(self, name, value)
        self.signature = bytes(64)

    def signed_part(self):
        """Return the bytes that are signed; WireError names a field that cannot be packed."""
        board = self.board.encode()
        if self.kind not in KINDS or self.architecture not in ARCHITECTURES:
            raise WireError("kind", "unknown kind or architecture")
        if len(board) > _BOARD_MOST or b"\x00" in board:
            raise WireError("board", "longer than 16 bytes")
        if len(self.version) != 3 or any(not 0 <= n <= 255 for n in self.version):
            raise WireError("version", "three numbers 0..255")
        if len(self.sha256) != 32 or len(self.key_id) != 4:
            raise WireError("sha256", "32 bytes, and 4 of the key")
        out = MAGIC + bytes([self.kind, self.architecture, _u("mpy", self.mpy, 1)[0]])
        out += _u("flags", self.flags, 1) + bytes(self.version) + board + bytes(_BOARD_MOST - len(board))
        out += _u("serial", self.serial, 4) + _u("carried", self.carried, 4)
        return out + _u("unpacked", self.unpacked, 4) + bytes(self.sha256) + bytes(self.key_id)

    def pack(self):
        """Return the whole head."""
        if len(self.signature) != 64:
            raise WireError("signature", "64 bytes")
        return self.signed_part() + bytes(self.signature)


def _u(field, value, size):
    if not 0 <= value < 1 << 8 * size:
        raise WireError(field, str(value) + " does not fit")
    return value.to_bytes(size, "big")


def unpack_head(data):
    """Return the Head of a bundle's first bytes; WireError for any other. The signature is not judged."""
    if len(data) < HEAD_BYTES or data[:4] != MAGIC:
        raise WireError("magic", "no bundle")
    if data[4] not in KINDS or data[5] not in ARCHITECTURES:
        raise WireError("kind", "a bundle of a later time")
    board = bytes(data[11:27])
    end = board.find(b"\x00")
    board, rest = (board, b"") if end < 0 else (board[:end], board[end:])
    if rest.strip(b"\x00"):
        raise WireError("board", "bytes behind its end")
    try:
        name = board.decode()
    except ValueError:
        raise WireError("board", "no text")
    number = int.from_bytes
    head = Head(
        data[4],
        data[5],
        data[6],
        data[7],
        (data[8], data[9], data[10]),
        name,
        number(data[27:31], "big"),
        number(data[31:35], "big"),
        number(data[35:39], "big"),
        bytes(data[39:71]),
        bytes(data[71:75]),
    )
    head.signature = bytes(data[75:139])
    return head


# -- entries -----------------------------------------------------------------------------------------


def good_name(name):
    """Tell whether a name of an entry stays in its folder: plain characters between single slashes."""
    if not 0 < len(name) <= _NAME_MOST or any(c not in _NAME_CHARACTERS for c in name):
        return False
    return all(part and part.strip(".") for part in name.split("/"))


def pack_entry(name, how, size, digest8, content=b""):
    """Return an entry."""
    raw = name.encode()
    if not good_name(name):
        raise WireError("name", name + " does not stay in its folder")
    if how not in (0, 1) or len(digest8) != 8 or (len(content) != size if how == 0 else content):
        raise WireError("entry", "how, digest or size")
    return bytes([len(raw)]) + raw + bytes([how]) + _u("size", size, 4) + bytes(digest8) + bytes(content)


def read_entry(take):
    """Return (name, how, size, digest of 8 bytes) of the next entry, or None at the end.

    take(n): the next n bytes, fewer at the end. WireError for bytes that are no entry.
    """
    first = take(1)
    if not first:
        return None
    n = first[0]
    rest = take(n + 13)
    if len(rest) != n + 13:
        raise WireError("entry", "the payload ends inside an entry")
    try:
        name = bytes(rest[:n]).decode()
    except ValueError:
        raise WireError("name", "no text")
    if not good_name(name):
        raise WireError("name", "does not stay in its folder")
    if rest[n] not in (0, 1):
        raise WireError("how", "unknown " + str(rest[n]))
    return name, rest[n], int.from_bytes(rest[n + 1 : n + 5], "big"), bytes(rest[n + 5 :])


# -- what is said about one --------------------------------------------------------------------------


class Offer:
    """What an OFFER says."""

    FIELDS = ("id", "kind", "way", "serial", "size", "trial_min", "port")
    __slots__ = FIELDS

    def __init__(self, *values):
        for name, value in zip(self.FIELDS, values):
            setattr(self, name, value)


def pack_offer(offer):
    """Return an OFFER."""
    if offer.kind not in KINDS or offer.way not in (PULL, FRAGMENTS) or len(offer.id) != 4:
        raise WireError("offer", "id, kind or way")
    out = bytes([OFFER]) + bytes(offer.id) + bytes([offer.kind, offer.way]) + _u("serial", offer.serial, 4)
    out += _u("size", offer.size, 4) + _u("trial_min", offer.trial_min, 2)
    return out + _u("port", offer.port, 2)


def unpack_offer(payload):
    """Return the Offer of a payload."""
    if len(payload) != 19 or payload[0] != OFFER or payload[6] not in (PULL, FRAGMENTS):
        raise WireError("length", "no OFFER")
    number = int.from_bytes
    return Offer(
        bytes(payload[1:5]),
        payload[5],
        payload[6],
        number(payload[7:11], "big"),
        number(payload[11:15], "big"),
        number(payload[15:17], "big"),
        number(payload[17:], "big"),
    )


def pack_state(bundle_id, state, reason=0, received=0):
    """Return a STATE."""
    if state not in STATES or reason not in REASONS:
        raise WireError("state", "unknown")
    return bytes([STATE]) + _id(bundle_id) + bytes([state, reason]) + _u("received", received, 4)


def unpack_state(payload):
    """Return (id, state, reason, received) of a STATE; a reason of a later time is told as it is."""
    if len(payload) != 11 or payload[0] != STATE or payload[5] not in STATES:
        raise WireError("length", "no STATE")
    return bytes(payload[1:5]), payload[5], payload[6], int.from_bytes(payload[7:], "big")


def pack_cancel(bundle_id):
    """Return a CANCEL."""
    return bytes([CANCEL]) + _id(bundle_id)


def unpack_cancel(payload):
    """Return the id of a CANCEL."""
    if len(payload) != 5 or payload[0] != CANCEL:
        raise WireError("length", "no CANCEL")
    return bytes(payload[1:])


def _id(bundle_id):
    if len(bundle_id) != 4:
        raise WireError("id", "4 bytes")
    return bytes(bundle_id)

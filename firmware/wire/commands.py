"""Configuration over the air on FPort COMMANDS: get and set, both ends.

    GET     downlink  0x01 | token u8 | key u8 ...                                    1..9 keys
    VALUES  uplink    0x02 | token u8 | config hash 4 | (key u8 | value i32) ...
    SET     downlink  0x03 | token u8 | trial minutes u8 | (key u8 | value i32) ...   1..9 pairs
    RESULT  uplink    0x04 | token u8 | outcome u8 | key u8 | config hash 4

All big-endian; the longest is 51 bytes minus what MAC commands take. `token` tells answers apart. A SET is
taken whole or not at all. It starts a trial: the node runs with the new values (RESULT on_trial) and keeps
them (kept) once the network has confirmed an uplink of it; if none is confirmed within the trial's minutes
it goes back to the values before (reverted). `key` names the pair at fault. Back-fill commands (backfill.py)
share the port; their first byte is 0x20 or above.
"""

from ._compat import const
from .errors import WireError

GET = const(0x01)
VALUES = const(0x02)
SET = const(0x03)
RESULT = const(0x04)

ON_TRIAL = const(0)
KEPT = const(1)
REVERTED = const(2)
UNKNOWN_KEY = const(3)
OUT_OF_RANGE = const(4)
BUSY = const(5)
STORAGE = const(6)
OUTCOMES = {
    0: "on_trial",
    1: "kept",
    2: "reverted",
    3: "unknown_key",
    4: "out_of_range",
    5: "busy",
    6: "storage",
}

# (number on the wire, name in config.json, lowest, highest). Numbers are never used again for another key.
# What a node needs to reach its network (keys, EUIs, Wi-Fi, radio) is set at the node only.
KEYS = (
    (1, "interval_s", 10, 86400),
    (2, "confirm_every", 1, 255),
    (3, "status_s", 600, 604800),
    (4, "time_s", 600, 604800),
    (5, "drift_ok_s", 3600, 2592000),
    (6, "battery_low_mv", 0, 20000),
    (7, "noise_s", 0, 3600),
    (8, "noise_offset_centidb", -2000, 2000),
    (9, "batch", 1, 48),
    (10, "parity_percent", 0, 150),
    (11, "codec", 1, 2),
)
MAX_GET = const(9)
MAX_SET = const(9)
MAX_TRIAL_MIN = const(255)
_PAIR = const(5)
_SIGN = const(0x80000000)


def row_of(key):
    """Return the row of KEYS of a number or a name, or None."""
    for row in KEYS:
        if key == row[0] or key == row[1]:
            return row
    return None


def pack_get(token, names):
    """Return a GET of keys by name; WireError for one that is unknown."""
    if not 1 <= len(names) <= MAX_GET:
        raise WireError("keys", "1.." + str(MAX_GET) + " keys, not " + str(len(names)))
    return bytes([GET, _u8("token", token)] + [_known(name)[0] for name in names])


def unpack_get(payload):
    """Return (token, [key number]); numbers that are unknown stay in."""
    if len(payload) < 3 or payload[0] != GET or len(payload) > 2 + MAX_GET:
        raise WireError("length", "no GET of 1.." + str(MAX_GET) + " keys")
    return payload[1], list(payload[2:])


def pack_values(token, config_hash, values):
    """Return VALUES of [(key number, value)]."""
    return bytes([VALUES, _u8("token", token)]) + _hash(config_hash) + _pairs(values, MAX_GET)


def unpack_values(payload):
    """Return (token, config hash, [(key number, value)])."""
    if len(payload) < 6 or payload[0] != VALUES:
        raise WireError("length", "no VALUES")
    return payload[1], bytes(payload[2:6]), _unpairs(payload, 6, MAX_GET)


def pack_set(token, trial_min, values):
    """Return a SET of [(name, value)]; WireError names a key that is unknown or a value out of its range."""
    if not values:
        raise WireError("keys", "nothing to set")
    numbered = []
    for name, value in values:
        number, _name, low, high = _known(name)
        if not low <= value <= high:
            raise WireError(name, str(value) + " is outside " + str(low) + ".." + str(high))
        numbered.append((number, value))
    if not 1 <= trial_min <= MAX_TRIAL_MIN:
        raise WireError("trial_min", str(trial_min) + " is outside 1..255")
    return bytes([SET, _u8("token", token), trial_min]) + _pairs(numbered, MAX_SET)


def unpack_set(payload):
    """Return (token, trial minutes, [(key number, value)]); the values are not judged."""
    if len(payload) < 3 + _PAIR or payload[0] != SET or not payload[2]:
        raise WireError("length", "no SET")
    return payload[1], payload[2], _unpairs(payload, 3, MAX_SET)


def pack_result(token, outcome, key, config_hash):
    """Return a RESULT; key 0 when no key is at fault."""
    if outcome not in OUTCOMES:
        raise WireError("outcome", "unknown " + str(outcome))
    return bytes([RESULT, _u8("token", token), outcome, _u8("key", key)]) + _hash(config_hash)


def unpack_result(payload):
    """Return (token, outcome, key number, config hash)."""
    if len(payload) != 8 or payload[0] != RESULT:
        raise WireError("length", "no RESULT")
    if payload[2] not in OUTCOMES:
        raise WireError("outcome", "unknown " + str(payload[2]))
    return payload[1], payload[2], payload[3], bytes(payload[4:])


def _known(name):
    row = row_of(name)
    if row is None:
        raise WireError(str(name), "cannot be set or read over the air")
    return row


def _u8(field, value):
    if not 0 <= value <= 255:
        raise WireError(field, str(value) + " is outside 0..255")
    return value


def _hash(config_hash):
    if len(config_hash) != 4:
        raise WireError("config_hash", "4 bytes")
    return bytes(config_hash)


def _pairs(values, most):
    if len(values) > most:
        raise WireError("keys", "more than " + str(most))
    out = b""
    for number, value in values:
        if not -_SIGN <= value < _SIGN:
            raise WireError("value", str(value) + " does not fit in 32 bits")
        out += bytes([_u8("key", number)]) + (value & 0xFFFFFFFF).to_bytes(4, "big")
    return out


def _unpairs(payload, start, most):
    n, rest = divmod(len(payload) - start, _PAIR)
    if rest or n > most:
        raise WireError("length", str(len(payload)) + " bytes hold no whole pairs")
    pairs = []
    for at in range(start, len(payload), _PAIR):
        value = int.from_bytes(payload[at + 1 : at + _PAIR], "big")
        pairs.append((payload[at], value - 2 * _SIGN if value >= _SIGN else value))
    return pairs

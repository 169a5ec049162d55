"""The status uplink (FPort STATUS), version 1: what a node says about itself, 28 bytes and a few.

    version u8 = 1 | firmware major, minor, patch u8 | reset cause u8 | boots u16 | flags u8
    config hash 4 bytes | battery mV u16 (0 = unknown) | uptime s u32 | records waiting u16
    records dropped u16 | network failures u16 | last network failure u8 | crashes u8
    time age in hours u8 (255 = never set or older) | sensors n u8 | n state nibbles, high first

Version 2 is the same with blocks behind it, each kind u8 | length u8 | bytes; kinds that are unknown are
passed by (kind 1: wire/sound.py, 2: wire/energy.py, 3: MENDED below). A node without blocks sends version 1.

All big-endian. Counters stay at their highest value instead of wrapping.
"""

from ._compat import const
from .errors import WireError
from .record import STATE_NAMES

VERSION = const(1)
WITH_BLOCKS = const(2)
MAX_SENSORS = const(12)
_FIXED = const(28)

FLAG_CONFIG_DEFAULTS = const(1)  # a key of config.json was wrong and its default runs
FLAG_SAFE_MODE = const(2)  # crashed too often: sensors are left out
FLAG_LOG_FAULT = const(4)  # the flash refuses records
FLAG_LOG_TORN = const(8)  # the last power cut tore an entry that was never acknowledged
FLAG_BATTERY_LOW = const(16)  # near the voltage below which the radio stays off, or below it
FLAG_MENDED = const(32)  # a file was put back from its copy, or the file system made anew
FLAG_FELL_BACK = const(64)  # the application in the flash file system is left out: the one in the image runs

MENDED_BLOCK = const(3)  # a block of one byte: what was mended at this start
MENDED = {1: "config_from_new", 2: "config_from_old", 3: "config_from_copy", 4: "file_system_made_anew"}

RESET_CAUSES = {0: "unknown", 1: "power_on", 2: "hard", 3: "watchdog", 4: "deep_sleep", 5: "soft"}

NO_FAILURE = const(0)
NETWORK_FAILURES = {
    0: "none",
    1: "join_no_answer",
    2: "not_confirmed",
    3: "radio_fault",
    4: "wifi_not_found",
    5: "wifi_wrong_password",
    6: "wifi_no_address",
    7: "name_not_found",
    8: "broker_unreachable",
    9: "broker_refused",
    10: "broker_wrong_password",
    11: "broker_silent",
    12: "ntp_silent",
    13: "wifi_no_answer",
    14: "radio_spi",
    15: "radio_busy",
    16: "radio_dio0",
    17: "radio_dio1",
    18: "radio_reset",
    19: "radio_tcxo",
    20: "radio_pll",
    21: "radio_calibration",
    22: "wifi_5ghz_only",
    23: "wifi_security",
    24: "captive_portal",
    25: "dns_silent",
    26: "tls_refused",
}


class Status:
    """The fields of a status uplink, as in the layout; sensors is a list of reading states."""

    FIELDS = (
        "firmware",
        "reset_cause",
        "boots",
        "flags",
        "config_hash",
        "battery_mv",
        "uptime_s",
        "waiting",
        "dropped",
        "failures",
        "last_failure",
        "crashes",
        "time_age_h",
        "sensors",
    )
    __slots__ = FIELDS + ("blocks",)

    def __init__(self, *values):
        if len(values) != len(self.FIELDS):
            raise WireError("status", str(len(self.FIELDS)) + " fields are needed")
        for name, value in zip(self.FIELDS, values):
            setattr(self, name, value)
        self.blocks = ()  # (kind, bytes) each

    def __eq__(self, other):
        return isinstance(other, Status) and all(
            getattr(self, name) == getattr(other, name) for name in self.FIELDS + ("blocks",)
        )

    def __hash__(self):
        return self.uptime_s


def _top(field, value, size):
    """Return size bytes of a counter that stays at its highest value."""
    if not isinstance(value, int) or value < 0:
        raise WireError(field, str(value) + " is no counter")
    return min(value, (1 << (8 * size)) - 1).to_bytes(size, "big")


def encode_status(status):
    """Return the payload of a Status; WireError names a field that cannot be packed."""
    if len(status.firmware) != 3 or any(part < 0 or part > 255 for part in status.firmware):
        raise WireError("firmware", "three numbers 0..255")
    if len(status.config_hash) != 4:
        raise WireError("config_hash", "4 bytes")
    if status.reset_cause not in RESET_CAUSES:
        raise WireError("reset_cause", "unknown " + str(status.reset_cause))
    if status.last_failure not in NETWORK_FAILURES:
        raise WireError("last_failure", "unknown " + str(status.last_failure))
    if len(status.sensors) > MAX_SENSORS:
        raise WireError("sensors", "more than " + str(MAX_SENSORS))
    nibbles = list(status.sensors) + [0] * (len(status.sensors) % 2)
    if any(state not in STATE_NAMES for state in nibbles):
        raise WireError("sensors", "unknown state")
    return (
        bytes([WITH_BLOCKS if status.blocks else VERSION])
        + bytes(status.firmware)
        + bytes([status.reset_cause])
        + _top("boots", status.boots, 2)
        + _top("flags", status.flags, 1)
        + bytes(status.config_hash)
        + _top("battery_mv", status.battery_mv, 2)
        + _top("uptime_s", status.uptime_s, 4)
        + _top("waiting", status.waiting, 2)
        + _top("dropped", status.dropped, 2)
        + _top("failures", status.failures, 2)
        + bytes([status.last_failure])
        + _top("crashes", status.crashes, 1)
        + _top("time_age_h", status.time_age_h, 1)
        + bytes([len(status.sensors)])
        + bytes([nibbles[i] << 4 | nibbles[i + 1] for i in range(0, len(nibbles), 2)])
        + b"".join([_block(kind, body) for kind, body in status.blocks])
    )


def _block(kind, body):
    if not 0 < kind <= 255 or len(body) > 255:
        raise WireError("blocks", "kind 1..255 of at most 255 bytes")
    return bytes([kind, len(body)]) + bytes(body)


def _blocks(payload, at):
    """Return the blocks of a payload from a place on."""
    found = []
    while at < len(payload):
        end = at + 2 + payload[at + 1] if at + 1 < len(payload) else at + 2
        if end > len(payload) or not payload[at]:
            raise WireError("length", "payload ends inside a block")
        found.append((payload[at], bytes(payload[at + 2 : end])))
        at = end
    return tuple(found)


def decode_status(payload):
    """Return the Status of a payload; WireError for any other bytes. States are told, not judged."""
    if not payload:
        raise WireError("length", "empty payload")
    if payload[0] not in (VERSION, WITH_BLOCKS):
        raise WireError("version", "unknown status version " + str(payload[0]))
    if len(payload) < _FIXED:
        raise WireError("length", "shorter than " + str(_FIXED) + " bytes")
    n = payload[_FIXED - 1]
    end = _FIXED + (n + 1) // 2
    if n > MAX_SENSORS or len(payload) < end or (payload[0] == VERSION and len(payload) > end):
        raise WireError("length", str(n) + " sensors do not fit the length")
    if payload[4] not in RESET_CAUSES:
        raise WireError("reset_cause", "unknown " + str(payload[4]))
    if payload[24] not in NETWORK_FAILURES:
        raise WireError("last_failure", "unknown " + str(payload[24]))
    sensors = [payload[_FIXED + i // 2] >> (0 if i % 2 else 4) & 15 for i in range(n)]
    if any(state not in STATE_NAMES for state in sensors) or (n % 2 and payload[end - 1] & 15):
        raise WireError("sensors", "unknown state")
    number = int.from_bytes
    found = Status(
        (payload[1], payload[2], payload[3]),
        payload[4],
        number(payload[5:7], "big"),
        payload[7],
        bytes(payload[8:12]),
        number(payload[12:14], "big"),
        number(payload[14:18], "big"),
        number(payload[18:20], "big"),
        number(payload[20:22], "big"),
        number(payload[22:24], "big"),
        payload[24],
        payload[25],
        payload[26],
        sensors,
    )
    found.blocks = _blocks(payload, end)
    return found

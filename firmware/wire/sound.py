"""What a noise node and the gateway say to one another about the meter, beside the levels.

On FPort COMMANDS, big-endian:

    CALIBRATE     down  0x30 | token u8 | level u16 (0.01 dB) | seconds u8 | instrument, 0..24 of ASCII
    CALIBRATED    up    0x31 | token u8 | outcome u8 | level u16 (0.01 dB) | correction i16 (0.01 dB)
                        | time u32 (UTC s, 0 unknown) | instrument as it was given
    SEND_SECONDS  down  0x32 | from u32 | to u32 (UTC s, both inclusive)
    SECONDS       up    0x33 | from u32 | to u32 | n u16: so many records of LAEQ_1S follow, on FPort RECORDS

In the status uplink, block METER (status.py):

    notes u24, bit i is NOTES[i] | sensitivity i16 (0.01 dB re full scale at 94 dB, 1 kHz) | correction i16
    (0.01 dB) | calibrated at u32 (UTC s, 0 never) | calibration number u8 | self-noise u16 (0.01 dB(A),
    65535 not corrected) | response u8, of RESPONSES | octaves u8
"""

from ._compat import const
from .errors import WireError

CALIBRATE = const(0x30)
CALIBRATED = const(0x31)
SEND_SECONDS = const(0x32)
SECONDS = const(0x33)
INSTRUMENT_MAX = const(24)
EVENT_MAX_S = const(900)

DONE = const(0)
UNSTEADY = const(1)
NOT_1KHZ = const(2)
TOO_FAR = const(3)
METER_FAULT = const(4)
NOT_KEPT = const(5)
OUTCOMES = {
    0: "done",
    1: "not_steady",
    2: "not_1khz",
    3: "too_far",
    4: "meter_fault",
    5: "not_kept",
}

METER = const(1)  # kind of block in the status uplink
_METER_BYTES = const(17)
NO_SELF_NOISE = const(0xFFFF)
RESPONSES = ("", "ics43434")
NOTES = (
    "line_low",
    "line_high",
    "line_constant",
    "wrong_slot",
    "floating_line",
    "late_bit",
    "stuck_bits",
    "no_data",
    "wrong_rate",
    "clock_drift",
    "repeating_data",
    "hum",
    "gap",
    "overload",
    "below_floor",
    "wind",
    "rain",
)


def _unsigned(field, value, size):
    if not isinstance(value, int) or value < 0 or value >> (8 * size):
        raise WireError(field, str(value) + " does not fit " + str(size) + " bytes")
    return value.to_bytes(size, "big")


def _signed16(field, value):
    if not isinstance(value, int) or not -32768 <= value <= 32767:
        raise WireError(field, str(value) + " does not fit 2 bytes")
    return (value & 0xFFFF).to_bytes(2, "big")


def _signed(two):
    value = int.from_bytes(two, "big")
    return value - 65536 if value >= 32768 else value


def _instrument(text):
    data = text.encode()
    if len(data) > INSTRUMENT_MAX or any(c < 32 or c > 126 for c in data):
        raise WireError("instrument", "at most " + str(INSTRUMENT_MAX) + " characters of ASCII")
    return data


def _text(data):
    if len(data) > INSTRUMENT_MAX or any(c < 32 or c > 126 for c in data):
        raise WireError("instrument", "no ASCII")
    return bytes(data).decode()


def pack_calibrate(token, level_centidb, seconds, instrument):
    """Return a CALIBRATE: 80.00 to 124.00 dB, 3 to 30 s."""
    if not 8000 <= level_centidb <= 12400:
        raise WireError("level", "80 to 124 dB")
    if not 3 <= seconds <= 30:
        raise WireError("seconds", "3 to 30")
    head = bytes([CALIBRATE]) + _unsigned("token", token, 1) + _unsigned("level", level_centidb, 2)
    return head + bytes([seconds]) + _instrument(instrument)


def unpack_calibrate(payload):
    """Return (token, level in 0.01 dB, seconds, instrument); WireError for any other bytes."""
    if len(payload) < 5 or payload[0] != CALIBRATE:
        raise WireError("length", "no CALIBRATE")
    level = int.from_bytes(payload[2:4], "big")
    if not 8000 <= level <= 12400 or not 3 <= payload[4] <= 30:
        raise WireError("level", "level or duration out of range")
    return payload[1], level, payload[4], _text(payload[5:])


def pack_calibrated(token, outcome, level_centidb, correction_centidb, time_s, instrument):
    """Return a CALIBRATED."""
    if outcome not in OUTCOMES:
        raise WireError("outcome", "unknown " + str(outcome))
    return (
        bytes([CALIBRATED])
        + _unsigned("token", token, 1)
        + bytes([outcome])
        + _unsigned("level", level_centidb, 2)
        + _signed16("correction", correction_centidb)
        + _unsigned("time_s", time_s, 4)
        + _instrument(instrument)
    )


def unpack_calibrated(payload):
    """Return (token, outcome, level, correction, time_s, instrument); WireError for any other bytes."""
    if len(payload) < 11 or payload[0] != CALIBRATED or payload[2] not in OUTCOMES:
        raise WireError("length", "no CALIBRATED")
    number = int.from_bytes
    return (
        payload[1],
        payload[2],
        number(payload[3:5], "big"),
        _signed(payload[5:7]),
        number(payload[7:11], "big"),
        _text(payload[11:]),
    )


def pack_send_seconds(first_s, last_s):
    """Return a SEND_SECONDS of at most 15 minutes."""
    if not 0 <= last_s - first_s < EVENT_MAX_S:
        raise WireError("to", "at most " + str(EVENT_MAX_S) + " s from `from` on")
    return bytes([SEND_SECONDS]) + _unsigned("from", first_s, 4) + _unsigned("to", last_s, 4)


def unpack_send_seconds(payload):
    """Return (first_s, last_s); WireError for any other bytes."""
    if len(payload) != 9 or payload[0] != SEND_SECONDS:
        raise WireError("length", "no SEND_SECONDS")
    first_s, last_s = int.from_bytes(payload[1:5], "big"), int.from_bytes(payload[5:9], "big")
    if not 0 <= last_s - first_s < EVENT_MAX_S:
        raise WireError("to", "at most " + str(EVENT_MAX_S) + " s from `from` on")
    return first_s, last_s


def pack_seconds(first_s, last_s, n):
    """Return a SECONDS."""
    return (
        bytes([SECONDS])
        + _unsigned("from", first_s, 4)
        + _unsigned("to", last_s, 4)
        + _unsigned("n", min(n, 0xFFFF), 2)
    )


def unpack_seconds(payload):
    """Return (first_s, last_s, n); WireError for any other bytes."""
    if len(payload) != 11 or payload[0] != SECONDS:
        raise WireError("length", "no SECONDS")
    number = int.from_bytes
    return number(payload[1:5], "big"), number(payload[5:9], "big"), number(payload[9:11], "big")


def pack_meter(notes, sensitivity, correction, time_s, number, self_noise, response, octaves):
    """Return the block METER. notes: names of NOTES; self_noise: 0.01 dB(A) or None; response: its name."""
    bits = 0
    for name in notes:
        if name in NOTES:
            bits |= 1 << NOTES.index(name)
    return (
        _unsigned("notes", bits, 3)
        + _signed16("sensitivity", sensitivity)
        + _signed16("correction", correction)
        + _unsigned("time_s", time_s, 4)
        + _unsigned("number", min(number, 255), 1)
        + _unsigned("self_noise", NO_SELF_NOISE if self_noise is None else self_noise, 2)
        + bytes([RESPONSES.index(response), octaves, 0])
    )


def unpack_meter(block):
    """Return a dict of what pack_meter takes; WireError for any other bytes. Longer blocks are newer ones."""
    if len(block) < _METER_BYTES:
        raise WireError("length", "block METER is too short")
    bits = int.from_bytes(block[:3], "big")
    self_noise = int.from_bytes(block[12:14], "big")
    response = block[14]
    return {
        "notes": [NOTES[i] if i < len(NOTES) else "note " + str(i) for i in range(24) if bits >> i & 1],
        "sensitivity": _signed(block[3:5]),
        "correction": _signed(block[5:7]),
        "time_s": int.from_bytes(block[7:11], "big"),
        "number": block[11],
        "self_noise": None if self_noise == NO_SELF_NOISE else self_noise,
        "response": RESPONSES[response] if response < len(RESPONSES) else "response " + str(response),
        "octaves": block[15],
    }

"""What is wrong with a node, as codes: what its status tells, and its sentence for whoever hosts it.

Codes up to 63 are wire.status.NETWORK_FAILURES (why nothing gets out); from 64 on it is what else a status
tells. `of_status` picks the codes of a status, the one that matters most first. sentences.py has the words.
"""

from ._compat import const
from .record import CHECKSUM, FAULT, NO_ANSWER, TIMEOUT
from .sentences import ROWS
from .status import (
    FLAG_BATTERY_LOW,
    FLAG_CONFIG_DEFAULTS,
    FLAG_FELL_BACK,
    FLAG_LOG_FAULT,
    FLAG_MENDED,
    FLAG_SAFE_MODE,
)

SENSOR_DEAD = const(64)
BATTERY_LOW = const(65)
SAFE_MODE = const(66)
CONFIG_DEFAULTS = const(67)
LOG_FAULT = const(68)
RECORDS_DROPPED = const(69)
TIME_NEVER_SET = const(70)
MENDED = const(71)
FELL_BACK = const(72)
RECORDS_WAIT = const(73)

LANGUAGES = ("nl", "fr", "en")
_SENTENCE_AT = const(2)
# A value that is out of range or not ready yet passes by itself; these want a hand.
_DEAD = (NO_ANSWER, TIMEOUT, CHECKSUM, FAULT)
WIRES = (14, 15, 16, 17, 18, 19, 20, 21)  # which wire of the radio it is, is for the technician


def row(code):
    """Return the row of a code; wires of the radio have the sentence of a radio that does not work."""
    if code in WIRES:
        code = 3
    for found in ROWS:
        if found[0] == code:
            return found
    return None


def sentence(code, language="nl"):
    """Return the sentence of a code, in Dutch for a language that is none of ours; "" for no code."""
    found = row(code)
    if found is None:
        return ""
    return found[_SENTENCE_AT + (LANGUAGES.index(language) if language in LANGUAGES else 0)]


def of_status(status):
    """Return the codes that a wire.status.Status tells, what matters most first."""
    codes = []
    for flag, code in (
        (FLAG_SAFE_MODE, SAFE_MODE),
        (FLAG_LOG_FAULT, LOG_FAULT),
        (FLAG_BATTERY_LOW, BATTERY_LOW),
    ):
        if status.flags & flag:
            codes.append(code)
    if any(state in _DEAD for state in status.sensors):
        codes.append(SENSOR_DEAD)
    if status.last_failure and status.waiting:
        codes.append(status.last_failure)
    for flag, code in (
        (FLAG_FELL_BACK, FELL_BACK),
        (FLAG_CONFIG_DEFAULTS, CONFIG_DEFAULTS),
        (FLAG_MENDED, MENDED),
    ):
        if status.flags & flag:
            codes.append(code)
    if status.time_age_h == 255:
        codes.append(TIME_NEVER_SET)
    if status.dropped:
        codes.append(RECORDS_DROPPED)
    return codes

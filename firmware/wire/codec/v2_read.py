"""Bytes of a frame to its rows: the reading half of v2_rows and v2_time. A node does without."""

from .._compat import const
from ..errors import WireError
from ..record import FIRST_ERROR, OK, STATE_NAMES, TIME_NETWORK
from . import v2_time
from .v2_rows import ABSENT, MAX_RECORDS, MORE, base_of, end_share, start_raws
from .v2_time import (
    IN_STEP,
    INTERVALS,
    NO_PHASE,
    OTHER,
    OWN_INTERVAL,
    U32,
    USUAL,
    Stamps,
    signed,
    slot,
    slots_of,
)

MAX_OVERRUN = const(64)  # bytes of zeros that may follow the end


def get_profile(coder):
    """Return a frame's profile number."""
    if coder.peek(2) != 1:
        raise WireError("version", "not version 2")
    coder.take(1, 1, 2)
    number = coder.uniform(16)
    return number if number < MORE else number + coder.uniform(256)


def get_channels(coder):
    """Return the measurement ids of a frame that carries them (profile 0)."""
    return [coder.uniform(256) for _ in range(coder.uniform(32) + 1)]


def _get_choice(coder, share):
    if coder.peek(16) < share:
        coder.take(0, share, 16)
        return True
    coder.take(share, 16 - share, 16)
    return False


def _get_bit(coder, bit):
    """Return the next answer."""
    total = bit.yes + bit.no
    is_yes = coder.peek(total) < bit.yes
    if is_yes:
        coder.take(0, bit.yes, total)
    else:
        coder.take(bit.yes, bit.no, total)
    bit.learn(is_yes)
    return is_yes


def _get_number(coder):
    number = coder.uniform(1 << (4 * (coder.uniform(8) + 1)))
    return -((number + 1) >> 1) if number & 1 else number >> 1


def _get_interval(coder, table):
    if _get_choice(coder, OWN_INTERVAL):
        return table.interval_s
    k = coder.uniform(16)
    return coder.uniform(1 << 18) + 1 if k == OTHER else INTERVALS[k]


def _get_head(coder, table):
    """Return the Stamps of a frame; first_s is still within its window when is_short."""
    stamps = Stamps()
    stamps.is_usual = _get_choice(coder, USUAL)
    stamps.quality = TIME_NETWORK
    stamps.is_short = stamps.is_even = stamps.is_clean = True
    if not stamps.is_usual:
        stamps.quality = coder.uniform(4)
        stamps.is_short = coder.uniform(2) == 1
        stamps.is_even = coder.uniform(2) == 1
        stamps.is_clean = coder.uniform(2) == 1
    stamps.interval_s = _get_interval(coder, table)
    stamps.offset = 0 if _get_choice(coder, IN_STEP) else _get_number(coder)
    stamps.phase = 0
    if not stamps.is_short:
        stamps.first_s = coder.uniform(U32)
        return stamps
    if not _get_choice(coder, NO_PHASE):
        stamps.phase = coder.uniform(stamps.interval_s)
    slots = slots_of(stamps.interval_s)
    stamps.first_s = coder.uniform(slots) * stamps.interval_s + stamps.phase
    return stamps


class _Pace:
    """Times and numbers of the later records; v2_time.Pace writes them."""

    def __init__(self, stamps):
        self._stamps = stamps
        self._regular = v2_time.Bit()
        self._numbered = v2_time.Bit()
        self._same = v2_time.Bit()
        self.time_s = stamps.first_s
        self.quality = stamps.quality
        self.seq = slot(stamps.first_s, stamps.interval_s) + stamps.offset

    def get(self, coder):
        """Read when the next record was taken, and its number: (time_s, seq, quality) move on."""
        stamps = self._stamps
        time_s = self.time_s + stamps.interval_s
        if stamps.is_even:
            self.seq += 1
            self.time_s = time_s
            return
        if not _get_bit(coder, self._regular):
            time_s = self.time_s + _get_step(coder, stamps.interval_s)
        self.seq += 1
        if not _get_bit(coder, self._numbered):
            self.seq += _get_number(coder)
        if not _get_bit(coder, self._same):
            self.quality = coder.uniform(4)
        self.time_s = time_s


def _get_step(coder, interval_s):
    if coder.uniform(2) == 0:
        return interval_s + coder.uniform(256) - 128
    if coder.uniform(2) == 0:
        return interval_s * (coder.uniform(256) + 1)
    return signed(coder.uniform(U32))


def _shift_of(stamps, last_s, received_at_s):
    """Return the seconds to add to every time of a frame whose window the receive time must tell."""
    if not stamps.is_short:
        return 0
    if received_at_s is None:
        raise WireError("received_at", "this frame's times need the time of its reception")
    period_s = stamps.interval_s * slots_of(stamps.interval_s)
    # The last record lies before the reception, or after it by an eighth of the window: clocks differ.
    latest_s = received_at_s + period_s // 8
    return (latest_s - last_s) // period_s * period_s


def _get_states(coder, before, same):
    if _get_bit(coder, same):
        return before
    states = []
    for state in before:
        if coder.peek(4) < 3:
            coder.take(0, 3, 4)
        else:
            coder.take(3, 1, 4)
            state = coder.uniform(16)
            if state != ABSENT and state not in STATE_NAMES:
                raise WireError("state", "unknown state " + str(state))
        states.append(state)
    if all(state == ABSENT for state in states):
        raise WireError("readings", "a record without readings")
    return states


def decode_rows(coder, table, engine, received_at_s, size):
    """Return the rows of a frame whose profile was read: (seq, time_s, quality, values, states)."""
    stamps = _get_head(coder, table)
    pace = _Pace(stamps)
    engine.restart()
    states = [OK] * len(table.channels)
    same = v2_time.Bit()
    raws = start_raws(table)
    rows = []
    while True:
        if rows:
            pace.get(coder)
        if not stamps.is_clean:
            states = _get_states(coder, states, same)
        values = []
        for index, channel in enumerate(table.channels):
            if states[index] < FIRST_ERROR:
                raws[index] = engine.decode(coder, index, base_of(channel, raws))
                values.append(raws[index])
            else:
                values.append(None)
        rows.append((pace.seq, pace.time_s, pace.quality, values, states))
        end = end_share(8 * size - coder.bits(), table)
        if coder.peek() < end:
            coder.take(0, end)
            break
        coder.take(end, 65536 - end)
        if coder.overrun() > MAX_OVERRUN or len(rows) == MAX_RECORDS:
            raise WireError("length", "payload ends inside a record")
    shift = _shift_of(stamps, rows[-1][1], received_at_s)
    return [_placed(row, shift, stamps) for row in rows]


def _placed(row, shift, stamps):
    seq, time_s, quality, values, states = row
    if shift:
        seq += shift // stamps.interval_s
        time_s += shift
    if time_s < 0 or time_s >> 32:
        raise WireError("time_s", str(time_s) + " is no unsigned 32-bit number")
    return seq & 0xFFFFFFFF, time_s, quality, values, states

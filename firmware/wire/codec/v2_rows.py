"""Rows of raw integers to a frame's bytes and back. wire.codec.v2 makes rows of records and profiles.

A row is (seq, time_s, quality, values, is_clean, states): values and states by channel of the table; a value
is None where the state says that there is none. is_clean: every channel is there and OK.

    v2, the upper half of the first byte's range | profile | number of records | times and numbers (v2_time)

The number of records is coded against what the frame's length lets expect, in about four bits.

    then record by record: its step | its states | its values
"""

from .._compat import const
from ..errors import WireError
from ..record import FIRST_ERROR, OK, STATE_NAMES
from . import v2_time
from .v2_coder import Encoder, put_uniform
from .v2_first import decode_first, encode_first
from .v2_model import (
    NO_BASE,
    OUTPUTS,
    STATE_WORDS,
    Shape,
    advance,
    begin,
    clear,
    decode_step,
    encode_step,
)

FIRST_BYTE = const(0x80)  # a frame's first byte is this or more
MAX_RECORDS = const(512)
MAX_OVERRUN = const(64)  # bytes of zeros that may follow the end
ABSENT = const(15)
_MORE = const(15)  # profile numbers from here on take another byte
_TIERS = ((1, 32, 0, 13), (33, 64, 13, 2), (97, 416, 15, 1))  # count: from, how many, place and share of 16
_CHANNEL_BYTES = const(8)


class Engine:
    """The plain twin of the entropy coder. A chip's engine has the same methods (kernels.entropy)."""

    def __init__(self, table):
        self.table = table
        n = len(table.channels)
        self.states = [[0] * STATE_WORDS for _ in range(n)]
        most = 1
        for channel in table.channels:
            most = max(most, channel.n_features, channel.n_terms)
        self.newest = [None] * n
        self._scratch = ([0] * most, [0] * OUTPUTS)
        self._shape = Shape()

    def restart(self):
        """Begin a frame."""
        for state, channel in zip(self.states, self.table.channels):
            clear(state, channel)
        for k in range(len(self.newest)):
            self.newest[k] = None

    def encode(self, coder, index, series, raw):
        """Code the next value of a channel."""
        channel = self.table.channels[index]
        state = self.states[index]
        if not state[8]:
            encode_first(coder, channel, self.newest, series, raw)
            self.newest[index] = series
            begin(state, series)
            return
        self._shape.set(index, self.table.channels, self.states, self._scratch)
        encode_step(
            coder,
            self._shape,
            series - state[0],
            raw - channel.raw_min,
            channel.raw_max - channel.raw_min + 1,
        )
        advance(state, series)
        self.newest[index] = series

    def decode(self, coder, index, base_raw):
        """Return the next raw value of a channel; base_raw: see base_of."""
        channel = self.table.channels[index]
        state = self.states[index]
        raw = None
        if not state[8]:
            series, raw = decode_first(coder, channel, self.newest)
        else:
            self._shape.set(index, self.table.channels, self.states, self._scratch)
            difference = decode_step(coder, self._shape)
            if difference is None:
                raw = channel.raw_min + coder.uniform(channel.raw_max - channel.raw_min + 1)
            else:
                series = state[0] + difference
        if raw is None:
            raw = series - channel.zero + base_raw
            if raw < channel.raw_min or raw > channel.raw_max:
                raise WireError("value", str(raw) + " is outside its channel's range")
        else:
            series = raw - base_raw + channel.zero
        if state[8]:
            advance(state, series)
        else:
            begin(state, series)
        self.newest[index] = series
        return raw


def base_of(channel, raws):
    """Return what a channel's series is counted from: its least value, or the base channel's newest."""
    return channel.raw_min if channel.base == NO_BASE else raws[channel.base]


def _start_raws(table):
    return [channel.raw_min for channel in table.channels]


class _Writer:
    def __init__(self, number, table, engine, room):
        self.number = number
        self.table = table
        self.engine = engine
        self.coder = Encoder(room)

    def write(self, rows, n, now_s, limit, size):
        """Code the first n rows for a frame of size bytes; return how many fit into limit bytes."""
        coder, table = self.coder, self.table
        coder.restart()
        self.engine.restart()
        stamps = v2_time.plan(rows[:n], table, now_s)
        put_profile(coder, self.number)
        if self.number == 0:
            _put_channels(coder, table)
        _put_count(coder, n, table, size)
        v2_time.put_head(coder, stamps, table)
        pace = v2_time.Pace(stamps)
        states = [OK] * len(table.channels)
        same = v2_time.Bit()
        raws = _start_raws(table)
        for i in range(n):
            row = rows[i]
            if i:
                pace.put(coder, row)
            if not stamps.is_clean:
                states = _put_states(coder, states, row[5], same)
            values = row[3]
            for index, channel in enumerate(table.channels):
                raw = values[index]
                if raw is not None:
                    base = base_of(channel, raws)
                    self.engine.encode(coder, index, raw - base + channel.zero, raw)
                    raws[index] = raw
            if coder.n > limit or coder.size() > limit:
                return i
        return n


def put_profile(coder, number):
    """Code the version and the profile's number (0..270)."""
    coder.put(1, 1, 2)
    if number < _MORE:
        coder.put(number, 1, 16)
    else:
        coder.put(_MORE, 1, 16)
        coder.put(number - _MORE, 1, 256)


def get_profile(coder):
    """Return a frame's profile number."""
    if coder.peek(2) != 1:
        raise WireError("version", "not version 2")
    coder.take(1, 1, 2)
    number = coder.uniform(16)
    return number if number < _MORE else number + coder.uniform(256)


def _put_channels(coder, table):
    coder.put(len(table.channels) - 1, 1, 32)
    for channel_id in table.ids:
        coder.put(channel_id, 1, 256)


def get_channels(coder):
    """Return the measurement ids of a frame that carries them (profile 0)."""
    return [coder.uniform(256) for _ in range(coder.uniform(32) + 1)]


def _expected(table, size):
    """Return how many records a frame of size bytes lets expect, 0 for no idea."""
    if not table.later_bits_q4:
        return 0
    n = ((8 * size - table.first_bits) << 4) // table.later_bits_q4 + 1
    return n if n > 1 else 1


def _shells(expected):
    """Return the count's distances from the expected one: (from, to, place and share of 16)."""
    width = 2
    while width << 4 < expected:
        width += 1
    return (
        (0, width, 0, 6),
        (width, 2 * width, 6, 5),
        (2 * width, 4 * width, 11, 3),
        (4 * width, 8 * width, 14, 1),
    )


def _put_count(coder, n, table, size):
    expected = _expected(table, size)
    if expected:
        off = n - expected
        for least, end, place, share in _shells(expected):
            if -end < off < end:
                coder.put(place, share, 16)
                # least..end-1, then the same below; 0 is in the first shell once
                far = end - least
                symbol = off - least if off >= 0 else far - off - max(least, 1)
                put_uniform(coder, symbol, _two_sided(least, end))
                return
        coder.put(15, 1, 16)
    for least, many, place, share in _TIERS:
        if n < least + many:
            coder.put(place, share, 16)
            put_uniform(coder, n - least, many)
            return


def _two_sided(least, end):
    return 2 * (end - least) - (0 if least else 1)


def _get_count(coder, table, size):
    expected = _expected(table, size)
    place = coder.peek(16)
    if expected:
        for least, end, start, share in _shells(expected):
            if place < start + share:
                coder.take(start, share, 16)
                off = coder.uniform(_two_sided(least, end))
                far = end - least
                off = least + off if off < far else -(off - far + max(least, 1))
                n = expected + off
                if n < 1 or n > MAX_RECORDS:
                    raise WireError("length", str(n) + " records")
                return n
        coder.take(15, 1, 16)
        place = coder.peek(16)
    for least, many, start, share in _TIERS:
        if place < start + share:
            coder.take(start, share, 16)
            return least + coder.uniform(many)
    return 0


def _put_states(coder, before, states, same):
    is_same = states == before
    same.put(coder, is_same)
    if not is_same:
        for k, state in enumerate(states):
            if state == before[k]:
                coder.put(0, 3, 4)
            else:
                coder.put(3, 1, 4)
                coder.put(state, 1, 16)
    return states


def _get_states(coder, before, same):
    if same.get(coder):
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


def encode_rows(number, table, engine, rows, limit, now_s=None):
    """Return (payload, n): the first n rows in at most limit bytes."""
    n = min(len(rows), MAX_RECORDS)
    writer = _Writer(number, table, engine, max(limit, 0) + _CHANNEL_BYTES * len(table.channels) + 64)
    size = limit
    while n > 0:
        fitting = writer.write(rows, n, now_s, limit, size)
        if fitting < n:
            n = fitting
            continue
        payload = writer.coder.finish()
        if len(payload) == size or not table.later_bits_q4:
            return payload, n
        # The count was coded for another length: again for this one. It may move the length once more.
        for length in range(max(len(payload) - 1, 1), min(len(payload) + 3, limit + 1)):
            if writer.write(rows, n, now_s, limit, length) == n:
                payload = writer.coder.finish(length)
                if len(payload) == length:
                    return payload, n
        n -= 1
        size = limit
    return b"", 0


def decode_rows(coder, table, engine, received_at_s, size):
    """Return the rows of a frame whose profile was read: (seq, time_s, quality, values, states)."""
    n = _get_count(coder, table, size)
    stamps = v2_time.get_head(coder, table)
    pace = v2_time.Pace(stamps)
    engine.restart()
    states = [OK] * len(table.channels)
    same = v2_time.Bit()
    raws = _start_raws(table)
    rows = []
    for i in range(n):
        if i:
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
        if coder.overrun() > MAX_OVERRUN:
            raise WireError("length", "payload ends inside a record")
    shift = v2_time.shift_of(stamps, rows[-1][1], received_at_s)
    return [_placed(row, shift, stamps) for row in rows]


def _placed(row, shift, stamps):
    seq, time_s, quality, values, states = row
    if stamps.follows:
        seq += shift
    time_s += shift
    if time_s < 0 or time_s >> 32:
        raise WireError("time_s", str(time_s) + " is no unsigned 32-bit number")
    return seq & 0xFFFFFFFF, time_s, quality, values, states

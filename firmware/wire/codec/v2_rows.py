"""Rows of raw integers to a frame's bytes; v2_read goes back, wire.codec.v2 makes rows of records.

A row is (seq, time_s, quality, values, is_clean, states): values and states by channel of the table; a value
is None where the state says that there is none. is_clean: every channel is there and OK.

    v2, the upper half of the first byte's range | profile | times and numbers (v2_time)
    then record by record: its step | its states | its values | whether more follow

The last answer costs next to nothing before the frame's last byte, and there about half a bit.
"""

from .._compat import const
from ..record import OK
from . import v2_time
from .v2_channel import NO_BASE
from .v2_coder import Encoder

FIRST_BYTE = const(0x80)  # a frame's first byte is this or more
MAX_RECORDS = const(512)
ABSENT = const(15)
MORE = const(15)  # profile numbers from here on take another byte
# The last record ends within a frame's last byte, most of the time: P(no more) of 65536 by the bits left.
_LAST_BITS = const(8)
_NEAR_BITS = const(24)
_END_EARLY = const(24)
_END_NEAR = const(512)
_CHANNEL_BYTES = const(8)


def base_of(channel, raws):
    """Return what a channel's series is counted from: its least value, or the base channel's newest."""
    return channel.raw_min if channel.base == NO_BASE else raws[channel.base]


def start_raws(table):
    """Return what the first record's values are counted from."""
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
        v2_time.put_head(coder, stamps, table)
        pace = v2_time.Pace(stamps)
        states = [OK] * len(table.channels)
        same = v2_time.Bit()
        raws = start_raws(table)
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
            self._more(i + 1 < n, 8 * size - coder.bits())
            if coder.n > limit or coder.size() > limit:
                return i
        return n

    def _more(self, is_more, left):
        end = end_share(left, self.table)
        if is_more:
            self.coder.put(end, 65536 - end)
        else:
            self.coder.put(0, end)


def put_profile(coder, number):
    """Code the version and the profile's number (0..270)."""
    coder.put(1, 1, 2)
    if number < MORE:
        coder.put(number, 1, 16)
    else:
        coder.put(MORE, 1, 16)
        coder.put(number - MORE, 1, 256)


def _put_channels(coder, table):
    coder.put(len(table.channels) - 1, 1, 32)
    for channel_id in table.ids:
        coder.put(channel_id, 1, 256)


def end_share(left, table):
    """Return of 65536 how probable it is that nothing follows, with so many bits of the frame left."""
    if left >= _NEAR_BITS:
        return _END_EARLY
    if left >= _LAST_BITS:
        return _END_NEAR
    # Of the records of this size, so many end in the last byte without being the last.
    usual = table.later_bits_q4 >> 4
    return 65536 - 65536 // (3 + usual // 2 if left >= 0 else 40)


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
        if len(payload) == size:
            return payload, n
        # Whether more follow was told for another length: again for this one, which may move it once more.
        for length in range(max(len(payload) - 1, 1), min(len(payload) + 3, limit + 1)):
            if writer.write(rows, n, now_s, limit, length) == n:
                payload = writer.coder.finish(length)
                if len(payload) == length:
                    return payload, n
        n -= 1
        size = limit
    return b"", 0

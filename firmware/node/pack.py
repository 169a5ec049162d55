"""One record as the log's bytes, as short as what came before it allows.

Bits, MSB first, the last byte padded with zero bits:

    form 2      0 full:    seq 32, time 32, quality 2, profile 8 [profile 0: n 8, n ids 8]
                1 regular: seq + 1, time + the step before, quality and profile of the record before
                2 step:    seq + 1, step 18 (two's complement seconds), quality 2, the same profile
    plain 1     as in wire/codec/v1.py: the values of the profile's channels, or a state nibble each first

`before` is what the previous record of the same sector left: (seq, time_s, step, quality, profile,
channels), None at the start of a sector.
"""

from wire._compat import const
from wire.codec.bits import BitReader, BitWriter, width_of
from wire.codec.profiles import EXPLICIT, channels_of, choose
from wire.codec.v1 import check
from wire.errors import WireError
from wire.measurements import by_id
from wire.record import FIRST_ERROR, OK, Record

_FULL = const(0)
_REGULAR = const(1)
_STEP = const(2)
_STEP_BITS = const(18)
_HALF = const(1 << 17)
_ABSENT = const(15)


def pack(record, before):
    """Return (bytes, what the next record follows). WireError for a record that breaks its table."""
    check(record)
    profile, channels = choose([reading[0] for reading in record.readings])
    out = BitWriter()
    step = 0
    if before is None or record.seq != before[0] + 1 or profile != before[4] or channels != before[5]:
        _write_full(out, record, profile, channels)
    else:
        step = record.time_s - before[1]
        if step == before[2] and record.time_quality == before[3]:
            out.write(_REGULAR, 2)
        elif -_HALF <= step < _HALF:
            out.write(_STEP, 2)
            out.write(step & (2 * _HALF - 1), _STEP_BITS)
            out.write(record.time_quality, 2)
        else:
            step = 0
            _write_full(out, record, profile, channels)
    _write_values(out, record, channels)
    after = (record.seq, record.time_s, step, record.time_quality, profile, channels)
    return out.finish(), after


def _write_full(out, record, profile, channels):
    out.write(_FULL, 2)
    out.write(record.seq, 32)
    out.write(record.time_s, 32)
    out.write(record.time_quality, 2)
    out.write(profile, 8)
    if profile == EXPLICIT:
        out.write(len(channels), 8)
        for channel in channels:
            out.write(channel, 8)


def _write_values(out, record, channels):
    by_channel = {}
    for measurement_id, raw, state in record.readings:
        by_channel[measurement_id] = (raw, state)
    plain = len(by_channel) == len(channels) and all(by_channel[c][1] == OK for c in channels)
    out.write(1 if plain else 0, 1)
    if not plain:
        for channel in channels:
            out.write(by_channel[channel][1] if channel in by_channel else _ABSENT, 4)
    for channel in channels:
        raw, state = by_channel.get(channel, (0, _ABSENT))
        if state < FIRST_ERROR:
            row = by_id(channel)
            out.write(raw - row[4], width_of(row[5] - row[4]))


def place(body, before):
    """Return (reader behind the place, after): the cheap half of unpacking, for who looks for a seq."""
    reader = BitReader(body)
    form = reader.read(2)
    if form == _FULL:
        seq, time_s, quality = reader.read(32), reader.read(32), reader.read(2)
        profile = reader.read(8)
        channels = channels_of(profile)
        if profile == EXPLICIT:
            channels = tuple([reader.read(8) for _ in range(reader.read(8))])
        if not channels or any(by_id(c) is None for c in channels):
            raise WireError("profile", "unknown profile " + str(profile))
        return reader, (seq, time_s, 0, quality, profile, channels)
    if before is None or form > _STEP:
        raise WireError("form", "nothing before this record")
    seq, time_s, step, quality, profile, channels = before
    if form == _STEP:
        step = reader.read(_STEP_BITS)
        if step >= _HALF:
            step -= 2 * _HALF
        quality = reader.read(2)
    return reader, (seq + 1, time_s + step, step, quality, profile, channels)


def values(reader, after):
    """Return the Record of what `place` returned."""
    channels = after[5]
    plain = reader.read(1)
    states = [OK if plain else reader.read(4) for _ in channels]
    readings = []
    for channel, state in zip(channels, states):
        if state == _ABSENT:
            continue
        raw = 0
        if state < FIRST_ERROR:
            row = by_id(channel)
            raw = row[4] + reader.read(width_of(row[5] - row[4]))
        readings.append((channel, raw, state))
    return Record(after[0], after[1], after[3], readings)

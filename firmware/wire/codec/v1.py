"""Codec version 1: simple packing, driven by the measurement table.

Bytes (big-endian):     version u8 = 1 | profile u8 | [profile 0: n u8, n ids u8] | seq u32 | time_s u32
then bits, MSB first, records one after another, the last byte padded with zero bits:

    first record        quality 2
    each later record   regular 1;   1: seq + 1, time + the step of the record before, same quality
                                     0: dseq 8 (seq - previous - 1), step 18 (two's complement
                                        seconds since the record before), quality 2
    every record        plain 1;     1: every channel of the profile is there and OK: its values
                                     0: a state nibble for each channel (15 = not in this record),
                                        then the values of those below FIRST_ERROR
                        more 1       1: another record follows

The step before the first explicit one is 0. A value is raw - raw_min in as many bits as
raw_max - raw_min needs. Readings come back in the order of the profile.
"""

from .._compat import const
from ..errors import WireError
from ..measurements import by_id
from ..record import FIRST_ERROR, OK, STATE_NAMES, Record
from .bits import BitReader, BitWriter, width_of
from .profiles import EXPLICIT, channels_of, choose

VERSION = const(1)
MAX_PAYLOAD = const(4096)  # more than any transport carries; bounds the decoder's work

_ABSENT = const(15)
_STEP_BITS = const(18)
_MAX_CHANNELS = const(32)


def _row(measurement_id):
    row = by_id(measurement_id)
    if row is None:
        raise WireError("measurement", "unknown id " + str(measurement_id))
    return row


def _u32(field, value):
    if not isinstance(value, int) or value < 0 or value >> 32:
        raise WireError(field, str(value) + " is no unsigned 32-bit number")
    return value


def _quality(value):
    if not isinstance(value, int) or value < 0 or value > 3:
        raise WireError("time_quality", str(value) + " is none of 0..3")
    return value


def check(record):
    """Raise WireError unless every field of the record can be packed."""
    _u32("seq", record.seq)
    _u32("time_s", record.time_s)
    _quality(record.time_quality)
    if not record.readings or len(record.readings) > _MAX_CHANNELS:
        raise WireError(
            "readings", "1.." + str(_MAX_CHANNELS) + " readings, not " + str(len(record.readings))
        )
    seen = set()
    for measurement_id, raw, state in record.readings:
        row = _row(measurement_id)
        if measurement_id in seen:
            raise WireError(row[1], "twice in one record")
        seen.add(measurement_id)
        if state not in STATE_NAMES:
            raise WireError("state", row[1] + " has unknown state " + str(state))
        if state < FIRST_ERROR and (not isinstance(raw, int) or raw < row[4] or raw > row[5]):
            raise WireError(row[1], str(raw) + " is outside " + str(row[4]) + ".." + str(row[5]))


def _place(record, before, step):
    """Return the fields that say how a record follows the one before, or None when it cannot."""
    same = record.time_quality == before.time_quality
    if same and record.seq == before.seq + 1 and record.time_s == before.time_s + step:
        return [(1, 1)]
    dseq = record.seq - before.seq - 1
    new_step = record.time_s - before.time_s
    half = 1 << (_STEP_BITS - 1)
    if dseq < 0 or dseq > 255 or new_step < -half or new_step >= half:
        return None
    return [(0, 1), (dseq, 8), (new_step & (2 * half - 1), _STEP_BITS), (record.time_quality, 2)]


def _values(record, channels):
    """Return the fields of a record's readings, or None when the channels do not hold them all."""
    by_channel = {}
    plain = len(record.readings) == len(channels)
    for measurement_id, raw, state in record.readings:
        if measurement_id not in channels:
            return None
        by_channel[measurement_id] = (raw, state)
        plain = plain and state == OK
    fields = [(1 if plain else 0, 1)]
    if not plain:
        for channel in channels:
            fields.append((by_channel[channel][1] if channel in by_channel else _ABSENT, 4))
    for channel in channels:
        raw, state = by_channel.get(channel, (0, _ABSENT))
        if state < FIRST_ERROR:
            row = _row(channel)
            fields.append((raw - row[4], width_of(row[5] - row[4])))
    return fields


def _head(record):
    """Return (header bytes, channels) of a frame that starts with this record."""
    profile, channels = choose([reading[0] for reading in record.readings])
    head = bytes([VERSION, profile])
    if profile == EXPLICIT:
        head += bytes([len(channels)]) + bytes(channels)
    return head + record.seq.to_bytes(4, "big") + record.time_s.to_bytes(4, "big"), channels


def _next_fields(record, before, step, channels):
    """Return the fields of a record that follows another in the same frame, or None."""
    try:
        check(record)
    except WireError:
        return None  # it raises when it is the first of its own frame
    place = _place(record, before, step)
    values = _values(record, channels)
    return None if place is None or values is None else place + values


def encode(records, limit):
    """Return (payload, n) with the first n records in at most limit bytes; see wire.codec.encode."""
    if not records:
        return b"", 0
    first = records[0]
    check(first)
    head, channels = _head(first)
    fields = [(first.time_quality, 2)] + _values(first, channels)
    room = 8 * (min(limit, MAX_PAYLOAD) - len(head))
    writer = BitWriter()
    n = 0
    step = 0
    while fields is not None:
        room -= sum([width for _value, width in fields]) + 1  # and its `more` bit
        if room < 0:
            break
        if n:
            writer.write(1, 1)
        for value, width in fields:
            writer.write(value, width)
        if n:
            step = records[n].time_s - records[n - 1].time_s
        n += 1
        fields = None if n == len(records) else _next_fields(records[n], records[n - 1], step, channels)
    if not n:
        return b"", 0
    writer.write(0, 1)
    return head + writer.finish(), n


def _channels(reader):
    profile = reader.read(8)
    if profile != EXPLICIT:
        channels = channels_of(profile)
        if channels is None:
            raise WireError("profile", "unknown profile " + str(profile))
        return channels
    n = reader.read(8)
    if n < 1 or n > _MAX_CHANNELS:
        raise WireError("profile", "1.." + str(_MAX_CHANNELS) + " channels, not " + str(n))
    channels = []
    for _ in range(n):
        channel = reader.read(8)
        _row(channel)
        if channel in channels:
            raise WireError("profile", "channel " + str(channel) + " twice")
        channels.append(channel)
    return channels


def _readings(reader, channels):
    plain = reader.read(1)
    states = [OK if plain else reader.read(4) for _ in channels]
    readings = []
    for channel, state in zip(channels, states):
        if state == _ABSENT:
            continue
        if state not in STATE_NAMES:
            raise WireError("state", "unknown state " + str(state))
        raw = 0
        if state < FIRST_ERROR:
            row = _row(channel)
            raw = row[4] + reader.read(width_of(row[5] - row[4]))
            if raw > row[5]:
                raise WireError(row[1], str(raw) + " is above " + str(row[5]))
        readings.append((channel, raw, state))
    if not readings:
        raise WireError("readings", "a record without readings")
    return readings


def decode(payload):
    """Return the records of a version 1 payload; WireError for any other bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise WireError("length", "payload above " + str(MAX_PAYLOAD) + " bytes")
    reader = BitReader(payload)
    if reader.read(8) != VERSION:
        raise WireError("version", "not version 1")
    channels = _channels(reader)
    seq = reader.read(32)
    time_s = reader.read(32)
    quality = reader.read(2)
    step = 0
    records = [Record(seq, time_s, quality, _readings(reader, channels))]
    while reader.read(1):
        if reader.read(1):
            dseq = 0
        else:
            dseq = reader.read(8)
            step = reader.read(_STEP_BITS)
            if step >> (_STEP_BITS - 1):
                step -= 1 << _STEP_BITS
            quality = reader.read(2)
        seq = _u32("seq", seq + dseq + 1)
        time_s = _u32("time_s", time_s + step)
        records.append(Record(seq, time_s, quality, _readings(reader, channels)))
    padding = reader.left()
    if padding > 7 or reader.read(padding):
        raise WireError("length", "bytes after the last record")
    return records

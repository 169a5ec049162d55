"""Codec version 2: records near their entropy, each frame on its own.

A small trained network per channel says what the next value will probably be (v2_model), a range coder spends
accordingly (v2_coder), times cost next to nothing where they are regular (v2_time). What the tables
do not fit is never worse than version 1: where that packs more records, or the same in fewer bytes, its
frame is sent.
"""

from .._compat import const
from ..errors import WireError
from ..measurements import by_id
from ..record import FIRST_ERROR, OK, Record
from . import v1, v2_profiles
from .bits import width_of
from .v2_rows import ABSENT, FIRST_BYTE, encode_rows

VERSION = const(2)
MAX_PAYLOAD = const(4096)
_V1_HEAD_BITS = const(82)

_engines = {}  # profile number -> (ids, engine); the last one explicit
_make_engine = [None]  # None: the plain one


def use(make_engine):
    """Let make_engine(table) do the entropy coding: a chip has it in machine code (kernels.entropy)."""
    _make_engine[0] = make_engine
    _engines.clear()


def _plain_engine():
    from .v2_plain import Engine

    return Engine


def _engine_of(number, ids):
    found = _engines.get(number)
    if found is None or found[0] != ids:
        _engines.clear()  # one at a time: a chip has little memory
        if _make_engine[0] is not None:
            v2_profiles.forget()
        table = (
            v2_profiles.explicit_table(ids)
            if number == v2_profiles.EXPLICIT
            else v2_profiles.table_of(number)[1]
        )
        found = (ids, (_make_engine[0] or _plain_engine())(table))
        _engines[number] = found
    return found[1]


def _row(record, ids):
    """Return a record as a row of the channels, or None when they do not hold it."""
    n = len(ids)
    values = [None] * n
    states = [ABSENT] * n
    for measurement_id, raw, state in record.readings:
        if measurement_id not in ids:
            return None
        at = ids.index(measurement_id)
        states[at] = state
        if state < FIRST_ERROR:
            values[at] = raw
    is_clean = all(state == OK for state in states)
    return record.seq, record.time_s, record.time_quality, values, is_clean, states


def _rows(records, ids):
    rows = []
    for record in records:
        try:
            v1.check(record)
        except WireError:
            break  # it raises when it is the first of its own frame
        row = _row(record, ids)
        if row is None:
            break
        rows.append(row)
    return rows


def _least_v1_bits(rows, ids):
    """Return bits below which version 1 certainly does not carry the rows."""
    widths = []
    for measurement_id in ids:
        row = by_id(measurement_id)
        widths.append(width_of(row[5] - row[4]))
    bits = _V1_HEAD_BITS
    for row in rows:
        bits += 2
        for value, width in zip(row[3], widths):
            if value is not None:
                bits += width
    return bits


def encode(records, limit, now_s=None):
    """Return (payload, n) with the first n records in at most limit bytes; see wire.codec.encode.

    now_s: the time as the node knows it (UTC seconds), when the frame goes out at once to a receiver that
    stamps it; then a regular frame carries five bits of time instead of 32.
    """
    if not records:
        return b"", 0
    limit = min(limit, MAX_PAYLOAD)
    v1.check(records[0])
    number, ids = v2_profiles.choose([reading[0] for reading in records[0].readings])
    if number == v2_profiles.EXPLICIT and any(high - low > 65535 for low, high in v2_profiles.ranges_of(ids)):
        return v1.encode(records, limit)  # more than the coder's 16 bits
    rows = _rows(records, ids)
    engine = _engine_of(number, ids)
    payload, n = encode_rows(number, engine.table, engine, rows, limit, now_s)
    if (
        n
        and 8 * len(payload) <= _least_v1_bits(rows[:n], ids)
        and (n == len(rows) or _least_v1_bits(rows[: n + 1], ids) > 8 * limit)
    ):
        return payload, n
    plain, n_plain = v1.encode(records, limit)
    if n_plain > n or (n_plain == n and len(plain) < len(payload)):
        return plain, n_plain
    return payload, n


def decode(payload, received_at_s=None):
    """Return the records of a version 2 payload; WireError for any other bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise WireError("length", "payload above " + str(MAX_PAYLOAD) + " bytes")
    if not payload or payload[0] < FIRST_BYTE:
        raise WireError("version", "not version 2")
    from .v2_decoder import Decoder
    from .v2_read import decode_rows, get_channels, get_profile

    coder = Decoder(payload)
    number = get_profile(coder)
    if number == v2_profiles.EXPLICIT:
        ids = tuple(get_channels(coder))
        engine = _plain_engine()(v2_profiles.explicit_table(ids))
    else:
        ids, table = v2_profiles.table_of(number)
        engine = _plain_engine()(table)
    records = []
    for seq, time_s, quality, values, states in decode_rows(
        coder, engine.table, engine, received_at_s, len(payload)
    ):
        readings = []
        for measurement_id, value, state in zip(ids, values, states):
            if state != ABSENT:
                readings.append((measurement_id, 0 if value is None else value, state))
        records.append(Record(seq, time_s, quality, readings))
    return records

"""The codec's vectors: encode, decode, refuse."""

from wire.codec import decode, encode
from wire.errors import WireError
from wire.record import Record


def _record(row):
    return Record(row[0], row[1], row[2], [tuple(reading) for reading in row[3]])


def _row(record):
    return [record.seq, record.time_s, record.time_quality, [list(reading) for reading in record.readings]]


def run(data):
    out = []
    for case in data["cases"]:
        records = [_record(row) for row in case["records"]]
        payload, n = encode(records, 255)
        out.append([payload.hex(), n, [_row(r) for r in decode(bytes.fromhex(case["hex"]))]])
    fields = []
    for case in data["refused"]:
        try:
            decode(bytes.fromhex(case["hex"]))
            fields.append("accepted")
        except WireError as error:
            fields.append(error.field)
    return [out, fields]

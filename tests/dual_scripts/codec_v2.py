"""Version 2 on this Python: the plain coder, on the chip's Python the machine code too."""

import sys

from wire.codec import decode, encode, v2
from wire.errors import WireError
from wire.record import Record


def _rows(records):
    return [[r.seq, r.time_s, r.time_quality, [list(reading) for reading in r.readings]] for r in records]


def run(data):
    out = []
    for case in data["cases"]:
        records = [Record(row[0], row[1], row[2], [tuple(x) for x in row[3]]) for row in case["records"]]
        v2.use(None)
        payload, n = encode(records, case["limit"], 2, case["now_s"])
        if sys.implementation.name == "micropython":
            from kernels import entropy

            v2.use(entropy.Engine)
            if encode(records, case["limit"], 2, case["now_s"]) != (payload, n):
                raise AssertionError("machine code writes other bytes")
            v2.use(None)
        if n and _rows(decode(payload, case["now_s"])) != _rows(records[:n]):
            raise AssertionError("a frame came back changed")
        out.append([payload.hex(), n])
    answers = []
    for text in data["junk"]:
        try:
            answers.append(_rows(decode(bytes.fromhex(text), 1760000000)))
        except WireError as error:
            answers.append(error.field)
    return [out, answers]

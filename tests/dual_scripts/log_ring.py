"""The record log on raw flash with power cuts: both Pythons must leave the same bytes and read the same."""

import hashlib

from node.log import RecordLog
from wire.record import TIME_NETWORK, Record

try:
    from tests.dual_scripts import nor_flash
except ImportError:  # in the unix port, where this folder itself is on the path
    import nor_flash


class _Lot:
    """random, the same in both Pythons."""

    def __init__(self):
        self.state = 1

    def getrandbits(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return self.state >> (31 - n)


def run(data):
    nor_flash.random = _Lot()
    flash = nor_flash.NorFlash(6, 512)
    log = RecordLog(flash)
    cuts = 0
    while log.next_seq < data["records"]:
        flash.cut = data["cut_every"] * (3 + cuts % 7)
        try:
            while log.next_seq < data["records"]:
                seq = log.next_seq
                readings = [(5, seq % 4000, 0), (17, 4000 if seq % 9 else 0, 0 if seq % 9 else 8)]
                log.append(Record(seq, 1767225600 + 300 * seq, TIME_NETWORK, readings))
        except nor_flash.PowerCut:
            cuts += 1
        flash.cut = None
        log = RecordLog(flash)
    seqs = [r.seq for r in log.read(0, 1000)]
    return {
        "first": log.first_seq,
        "seqs": seqs,
        "cuts": cuts,
        "torn": log.torn,
        "sha256": hashlib.sha256(bytes(flash.data)).digest().hex(),
    }

"""What a simulated node has in its record log, read from the files that stand for its flash."""

from __future__ import annotations

from node.flash import PartitionFlash
from node.log import RecordLog
from simulator.node import SimNode
from wire.record import Record

_SECTOR = 4096


class _Copy:
    """A copy of a raw partition: opening a log writes to it, and the node's own must stay as it is."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)

    def ioctl(self, op: int, arg: int) -> int:
        if op == 6:
            self._data[arg * _SECTOR : (arg + 1) * _SECTOR] = b"\xff" * _SECTOR
        return {4: len(self._data) // _SECTOR, 5: _SECTOR}.get(op, 0)

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        at = block * _SECTOR + offset
        buf[:] = self._data[at : at + len(buf)]

    def writeblocks(self, block: int, buf: bytes, offset: int = 0) -> None:
        at = block * _SECTOR + offset
        for i, value in enumerate(buf):
            self._data[at + i] &= value


def records_of(node: SimNode) -> list[Record]:
    """Return the records in the log of a node, with their true times."""
    data = (node.folder / "partition-log.bin").read_bytes()
    return RecordLog(PartitionFlash(_Copy(data))).read(0, 1_000_000)

"""The record log on the real littlefs of the MicroPython unix port, on a block device whose power goes.

run(seeds) cuts the power after a number of programmed bytes, in the middle of a block write, mounts
again and compares: every record whose append returned is there, in order. Only on MicroPython.
"""

import random

import vfs

from node.flash import FileFlash
from node.log import RecordLog
from node.outbox import Outbox
from wire.record import TIME_NETWORK, Record

BLOCK = 512
BLOCKS = 64


class Flash:
    """NOR flash: programming clears bits, erasing a block sets them. left: bytes until the power goes.

    Files that a life left open are closed by the garbage collector at some later time; after the power
    is gone nothing of that may reach the flash, so each life has an object of its own.
    """

    def __init__(self, data):
        self.data = data
        self.left = None
        self.dead = False

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        at = block * BLOCK + offset
        buf[:] = self.data[at : at + len(buf)]
        return None

    def writeblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        at = block * BLOCK + offset
        for i in range(len(buf)):
            if not self._spend(1):
                return -5
            self.data[at + i] &= buf[i]
        return None

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if op == 6:
            if self.dead or not self._spend(16):
                return -5
            at = arg * BLOCK
            self.data[at : at + BLOCK] = b"\xff" * BLOCK
        return 0

    def _spend(self, n):
        if self.left is not None:
            self.left -= n
            self.dead = self.left < 0
        return not self.dead


class Store:
    def __init__(self):
        self.values = {}

    def load(self, name):
        return self.values.get(name)

    def save(self, name, value):
        self.values[name] = bytes(value)


def _mount(flash):
    vfs.mount(vfs.VfsLfs2(flash), "/chip")


def _unmount():
    vfs.umount("/chip")


def _live(flash, store, finished):
    """One life: append until the power goes, or thirty records are written."""
    outbox = Outbox(RecordLog(FileFlash("/chip/log", 16, 1024)), store)
    for _ in range(30):
        seq = outbox.take_seq()
        outbox.add(Record(seq, 1767225600 + seq, TIME_NETWORK, [(5, 2000, 0), (17, 4000, 0)]))
        if flash.dead:
            return
        finished.append(seq)
        if random.getrandbits(2) == 0:
            frame = outbox.frame(51)
            if frame is not None:
                outbox.left(frame[1])


def run(seeds):
    lost = cuts = records = 0
    for seed in seeds:
        random.seed(seed)
        data = bytearray(b"\xff" * (BLOCK * BLOCKS))
        vfs.VfsLfs2.mkfs(Flash(data))
        store = Store()
        finished = []
        for boot in range(1, 6):
            flash = Flash(bytearray(data))
            _mount(flash)
            flash.left = 200 + random.getrandbits(13) if boot < 5 else None
            _live(flash, store, finished)
            cuts += flash.dead
            data = bytearray(flash.data)
            flash.dead = True
            _unmount()
        _mount(Flash(data))
        there = [record.seq for record in RecordLog(FileFlash("/chip/log", 16, 1024)).read(0, 10000)]
        _unmount()
        lost += len([seq for seq in finished if seq not in there])
        records += len(finished)
        assert there == sorted(there) and len(set(there)) == len(there), "order"
    return {"lost": lost, "cuts": cuts, "records": records}

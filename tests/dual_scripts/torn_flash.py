"""A block device of NOR flash whose power goes in the middle of things, for the littlefs of the unix port.

Programming only clears bits, erasing sets a block. `left` counts what happens until the power goes: a byte
programmed costs 1, an erasure 16. The byte under way then has some of its bits cleared; an erasure under way
leaves some bytes erased, some as they were, some in between.

Files that a life left open are closed by the garbage collector at some later time; after the power is gone
nothing of that may reach the flash, so each life has an object of its own.
"""

import random


class TornFlash:
    def __init__(self, data, block=512):
        self.data = data
        self.block = block
        self.left = None
        self.dead = False

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        at = block * self.block + offset
        buf[:] = self.data[at : at + len(buf)]
        return None

    def writeblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        at = block * self.block + offset
        data = self.data
        done = len(buf) if self.left is None else min(self.left, len(buf))
        for i in range(done):
            data[at + i] &= buf[i]
        if self.left is not None:
            self.left -= done
        if done < len(buf):
            data[at + done] &= buf[done] | random.getrandbits(8)
            self.dead = True
            return -5
        return None

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.block
        if op == 5:
            return self.block
        if op == 6:
            return self._erase(arg * self.block)
        return 0

    def _erase(self, at):
        if self.dead:
            return -5
        if self.left is not None:
            if self.left < 16:
                for k in range(at, at + self.block):
                    lot = random.getrandbits(2)
                    if lot:
                        self.data[k] |= 0xFF if lot == 1 else random.getrandbits(8)
                self.dead = True
                return -5
            self.left -= 16
        self.data[at : at + self.block] = b"\xff" * self.block
        return 0

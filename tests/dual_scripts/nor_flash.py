"""NOR flash as node.flash offers it, with a power that goes in the middle of things. For both Pythons.

Programming clears bits and never sets one; erasing sets a whole sector. `cut` counts what is left until the
power goes: a byte programmed costs 1, an erasure 16. A byte under way when it goes has some of its bits
cleared; an erasure under way leaves some bytes erased, some as they were, some in between.
"""

import random


class PowerCut(BaseException):
    """The power is gone: nothing of this life runs any more."""


class NorFlash:
    def __init__(self, sectors=8, sector_bytes=256):
        self.sectors = sectors
        self.sector_bytes = sector_bytes
        self.data = bytearray(b"\xff" * (sectors * sector_bytes))
        self.cut = None
        self.full = False  # takes nothing
        self.erased = [0] * sectors
        self.programmed = 0
        self.bad = ()  # sectors that do not keep what is programmed

    def _spend(self, n):
        """Return how much of n happens before the power goes."""
        if self.cut is None:
            return n
        done = min(n, self.cut)
        self.cut -= done
        return done

    def erase(self, i):
        if self.full:
            raise OSError(5)
        at = i * self.sector_bytes
        if self._spend(16) < 16:
            for k in range(at, at + self.sector_bytes):
                lot = random.getrandbits(2)
                if lot:
                    self.data[k] |= 0xFF if lot == 1 else random.getrandbits(8)
            raise PowerCut()
        self.erased[i] += 1
        self.data[at : at + self.sector_bytes] = b"\xff" * self.sector_bytes

    def program(self, i, offset, data):
        if self.full:
            raise OSError(5)
        at = i * self.sector_bytes + offset
        assert offset + len(data) <= self.sector_bytes
        done = self._spend(len(data))
        for k in range(done):
            self.data[at + k] &= data[k] if i not in self.bad else data[k] & 0x7F
        self.programmed += done
        if done < len(data):
            self.data[at + done] &= data[done] | random.getrandbits(8)
            raise PowerCut()

    def read(self, i, offset, n, page=None):
        at = i * self.sector_bytes + offset
        page = bytearray(n) if page is None else page
        page[:] = self.data[at : at + n]
        return page

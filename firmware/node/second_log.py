"""Seconds in flash: a ring of sectors, a minute an entry, so that last night can still be told in detail.

Sector:  "MS" | layout u8 = 1 | 0 | number u32 | crc32, then entries.
Entry:   UTC s of the first second's end u32 | n u8 | n words u16 (seconds.py) | crc32 salted with the number.

Sector n lies at n % sectors, so all wear alike: a minute takes 129 bytes, a sector holds 31, and 256 KiB hold
32 hours at one erasure of each in that time. A power cut loses the minute that was not written yet, and tears
at most one entry, which its sum shows.
"""

import binascii
from array import array

from wire._compat import const

from .flash import ring_flash
from .ranges import Ranges

_GIVEN = const(16)
_TRIES = const(4)
_RECORD = "noise_given"
_HEAD = const(12)
_ENTRY = const(9)  # beside its words
MINUTE = const(60)
_MASK = const(0x7FF)
_BITS = const(11)


def _crc(data, salt=0):
    return binascii.crc32(data, salt).to_bytes(4, "big")


class SecondLog:
    """flash: see node/flash.py. refused counts what the flash did not take."""

    def __init__(self, flash):
        self._flash = flash
        self.refused = 0
        self._numbers = array("I", [0] * flash.sectors)
        self._firsts = array("I", [0] * flash.sectors)  # UTC s of the first entry
        for i in range(flash.sectors):
            head = self._read(i, 0, _HEAD + 4)
            number = int.from_bytes(head[4:8], "big")
            if head[:3] == b"MS\x01" and _crc(head[:8]) == head[8:12] and number % flash.sectors == i:
                self._numbers[i] = number
                self._firsts[i] = int.from_bytes(head[12:16], "big")
        self._last = max(self._numbers)
        self._at = self._end(self._last) if self._last else flash.sector_bytes

    def _read(self, i, offset, n):
        try:
            return bytes(self._flash.read(i, offset, n))
        except OSError:
            return b""

    def _end(self, number):
        """Return where to go on in a sector; one with a torn entry is left."""
        data = self._read(number % self._flash.sectors, 0, self._flash.sector_bytes)
        whole = _HEAD
        for at, n in self._entries(data, number):
            whole = at + _ENTRY + 2 * n
        end = len(data)
        while end and data[end - 1] == 0xFF:
            end -= 1
        return whole if end <= whole else self._flash.sector_bytes

    def append(self, first_s, words):
        """Keep a run of at most a minute: UTC s at the end of its first second, array("H") of words."""
        body = first_s.to_bytes(4, "big") + bytes([len(words)])
        for word in words:
            body += word.to_bytes(2, "big")
        for _ in range(_TRIES):
            if self._at + len(body) + 4 > self._flash.sector_bytes and not self._next_sector(first_s):
                continue
            if self._program(self._at, body + _crc(body, self._last)):
                self._at += len(body) + 4
                return
            self._at = self._flash.sector_bytes  # what does not keep what it is given is left

    def _program(self, at, out):
        i = self._last % self._flash.sectors
        try:
            self._flash.program(i, at, out)
            good = self._read(i, at, len(out)) == out
        except OSError:
            good = False
        self.refused += not good
        return good

    def _next_sector(self, first_s):
        number = self._last + 1
        i = number % self._flash.sectors
        head = b"MS\x01\x00" + number.to_bytes(4, "big")
        self._last = number
        self._numbers[i] = 0
        try:
            self._flash.erase(i)
        except OSError:
            self.refused += 1
            return False
        if not self._program(0, head + _crc(head)):
            return False
        self._numbers[i] = number
        self._firsts[i] = first_s
        self._at = _HEAD
        return True

    def _entries(self, data, number):
        """Yield (place, n) of the whole entries; one that is torn ends a sector."""
        at = _HEAD
        while at + _ENTRY <= len(data):
            n = data[at + 4]
            end = at + _ENTRY + 2 * n
            if (
                not 0 < n <= MINUTE
                or end > len(data)
                or _crc(data[at : end - 4], number) != data[end - 4 : end]
            ):
                return
            yield at, n
            at = end

    def between(self, first_s, last_s):
        """Yield (UTC s at its end, raw, state) of the seconds in between that have a level, oldest first."""
        numbers = sorted([number for number in self._numbers if number])
        for k in range(len(numbers)):
            number = numbers[k]
            i = number % self._flash.sectors
            following = numbers[k + 1] % self._flash.sectors if k + 1 < len(numbers) else None
            if self._firsts[i] > last_s or (following is not None and self._firsts[following] <= first_s):
                continue
            data = self._read(i, 0, self._flash.sector_bytes)
            for at, n in self._entries(data, number):
                began_s = int.from_bytes(data[at : at + 4], "big")
                for j in range(max(0, first_s - began_s), min(n, last_s - began_s + 1)):
                    word = int.from_bytes(data[at + 5 + 2 * j : at + 7 + 2 * j], "big")
                    if word & _MASK:
                        yield began_s + j, word & _MASK, word >> _BITS & 15


class SecondBook:
    """Which seconds go to flash, and which were given already. store: NVS, where the latter are remembered.

    A range that was given stays given, 16 of them: asked for once more, its seconds are not sent twice.
    """

    def __init__(self, kib, store):
        self._log = SecondLog(ring_flash("seconds", kib))
        self._store = store
        self._kept = 0  # number of the first second that is not in flash
        self._given = Ranges(_GIVEN + 1, False)
        record = store.load(_RECORD) or b""
        for at in range(0, len(record) - 7, 8):
            first, end = record[at : at + 4], record[at + 4 : at + 8]
            self._given.add(int.from_bytes(first, "big"), int.from_bytes(end, "big"))

    def keep(self, seconds, offset_s):
        """Write whole minutes that are not in flash yet; offset_s: UTC less uptime."""
        while seconds.n - self._kept >= MINUTE:
            end_s, words, first = seconds.run(self._kept, MINUTE)
            self._log.append(end_s + offset_s, words)
            self._kept = first + len(words)

    def more(self, first_s, last_s, found, offset_s, now_s):
        """Return [(uptime in s, raw, state)] beside those that memory found; all up to now_s is given."""
        here = [row[0] for row in found]
        rows = []
        for at_s, raw, state in self._log.between(first_s, last_s):
            if at_s - offset_s not in here and not self._was_given(at_s):
                rows.append((at_s - offset_s, raw, state))
        self._given.add(first_s, min(last_s + 1, now_s))
        while len(self._given.rows) > _GIVEN:
            self._given.rows.pop(0)
        record = b""
        for first, end in self._given.rows:
            record += first.to_bytes(4, "big") + end.to_bytes(4, "big")
        self._store.save(_RECORD, record)
        return rows

    def _was_given(self, at_s):
        return any(first <= at_s < end for first, end in self._given.rows)

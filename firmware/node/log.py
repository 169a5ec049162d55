"""The record log: an append-only ring of flash sectors. A record is named by its seq, which only rises.

Sector:  "ML" | layout u8 = 1 | 0 | number u32 | first seq u32 | boot u16 | 0 u16 | crc32, then entries.
Entry:   length u8 | body | crc32, both CRCs big-endian and over all before them, an entry's salted with
         the sector's number. Lengths: below 0xF0 a record (node/pack.py); 0xF1 a time mark: boot u16,
         time quality u8, UTC minus uptime in ms u64; 0xF2 a boot: its number u16; 0xFF nothing yet.

Sector number n lies at n % sectors, so all wear alike, and the oldest makes way for the newest. A power
cut tears at most the entry or the header or the erasure under way: none of them was acknowledged. Behind
a torn entry writing goes on at the next multiple of 4, with a record that gives its whole place. What was
programmed is read back; a sector that does not hold it is left for the next one.
"""

import binascii
from array import array

from wire._compat import const
from wire.errors import WireError
from wire.record import TIME_NEVER_SET, Record

from . import pack

_packed = pack.pack

_HEADER = const(20)
_MARK = const(0xF1)
_BOOT = const(0xF2)
_MARK_BYTES = const(11)
_FREE = const(0xFF)
_LEAST_ENTRY = const(6)
_TRIES = const(4)  # sectors that may refuse before the record is given back
_MARKS_KEPT = const(8)


def _crc(data, salt=0):
    return binascii.crc32(data, salt).to_bytes(4, "big")


def _body_bytes(length):
    if length == _MARK:
        return _MARK_BYTES
    return 2 if length == _BOOT else length


def header(number, first_seq, boot):
    """Return the bytes that open a sector."""
    head = b"ML\x01\x00" + number.to_bytes(4, "big") + first_seq.to_bytes(4, "big")
    head += boot.to_bytes(2, "big") + b"\x00\x00"
    return head + _crc(head)


def entry(length, body, number):
    """Return the bytes of an entry in the sector of this number."""
    out = bytes([length]) + body
    return out + _crc(out, number)


def _entry_at(data, at, number):
    """Return the end of the whole entry at data[at:], or 0."""
    length = data[at]
    if length == _FREE or (length >= 0xF0 and length not in (_MARK, _BOOT)):
        return 0
    end = at + 5 + _body_bytes(length)
    if end > len(data) or _crc(bytes(data[at : end - 4]), number) != bytes(data[end - 4 : end]):
        return 0
    return end


def _used(data):
    """Return the end of what was ever programmed in data."""
    end = len(data)
    while end and data[end - 1] == _FREE:
        end -= 1
    return end


class RecordLog:
    """The ring over a flash (see node/flash.py). Each opening of it is a boot of its own.

    first_seq..next_seq - 1 is what it may hold; torn counts places that a power cut tore, refused
    those that the flash did not take. on_drop(seq) is told the new first_seq when the oldest go.
    """

    def __init__(self, flash):
        self._flash = flash
        self._boot = 1
        self._firsts = array("I", [0] * flash.sectors)
        self._marks = {}  # boot -> (quality, offset_ms), or None where it never had one
        self._guesses = {}  # boot -> UTC minus uptime in ms, by what came after it
        self.torn = 0
        self.refused = 0
        self.on_drop = None
        self.newest = None  # the newest record
        self._before = None
        # A sector is read there: a life later the memory may have no piece that large.
        self._page = bytearray(flash.sector_bytes)
        self._open()

    # -- opening -------------------------------------------------------------------------------

    def _open(self):
        n = self._flash.sectors
        numbers = array("I", [0] * n)
        for i in range(n):
            found = self._read_header(i)
            if found is not None and found[0] % n == i:
                numbers[i], self._firsts[i] = found[0], found[1]
        self._last = max(numbers)
        self._oldest = min([number or self._last for number in numbers])
        self._present = numbers
        self._at = self._flash.sector_bytes
        self.next_seq = 0
        if self._last:
            self._resume()

    def _read_header(self, i):
        try:
            head = bytes(self._flash.read(i, 0, _HEADER))
        except OSError:
            return None
        if head[:3] != b"ML\x01" or _crc(head[:-4]) != head[-4:]:
            return None
        return int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")

    def _resume(self):
        """Go on in the last sector, behind whatever is there."""
        data = self._sector(self._last, self._page)
        self.next_seq = self._firsts[self._last % self._flash.sectors]
        boot = int.from_bytes(data[12:14], "big")
        whole = _HEADER
        unknown = 0  # records behind a worn place: their numbers are taken, whatever they were
        for at, end, after in self._walk(data, self._last):
            if after is None and data[at] < 0xF0:
                unknown += 1 + (at - whole) // _LEAST_ENTRY
            if at > whole:
                self._before = None  # as for who reads: behind a tear nothing is known
            whole = end
            if data[at] == _BOOT:
                boot = int.from_bytes(data[at + 1 : at + 3], "big")
            if after is not None:
                self._before = after
                self.next_seq = after[0] + 1
                unknown = 0
                self.newest = self._record(data, at, end, after)
        if unknown:
            self.next_seq += unknown
            self._before = None
        self._boot = (boot + 1) & 0xFFFF
        used = _used(data)
        self._at = whole
        if used > whole:
            self.torn += 1
            self._before = None  # who reads cannot tell a torn place from a worn one, which held a record
            self._at = (used + 3) & ~3
        if self.newest is None and self.next_seq:
            found = self.read(self.next_seq - 1, 1) or self._newest_before()
            self.newest = found[-1] if found else None
        try:
            self._put(_BOOT, self._boot.to_bytes(2, "big"))
        except OSError:
            pass  # the first record will say so

    def _newest_before(self):
        number = self._last - 1
        if number < self._oldest or not self._has(number):
            return []
        return self.read(self._firsts[number % self._flash.sectors], self.next_seq)

    # -- writing -------------------------------------------------------------------------------

    @property
    def first_seq(self):
        """Return the seq below which nothing is left."""
        if not self._last:
            return self.next_seq
        return self._firsts[self._oldest % self._flash.sectors]

    def append(self, record):
        """Make a record durable, the oldest ones making way. OSError when the flash takes nothing."""
        for _ in range(_TRIES):
            body, after = _packed(record, self._before)
            if len(body) >= 0xF0:
                raise WireError("readings", "a record that fits no log entry")
            if self._at + len(body) + 5 > self._flash.sector_bytes:
                if self._next_sector(record.seq):
                    body, after = _packed(record, None)
                else:
                    continue
            if self._program(len(body), body):
                self._before = after
                self.newest = record
                self.next_seq = record.seq + 1
                return
        raise OSError(5)

    def mark_time(self, quality, offset_ms):
        """Remember for this boot that its uptime lies offset_ms before UTC; durable for the first answer."""
        known = self._marks.get(self._boot)
        self._marks[self._boot] = (quality, offset_ms)
        if known is None:
            self._put(_MARK, self._boot.to_bytes(2, "big") + bytes([quality]) + offset_ms.to_bytes(8, "big"))

    @property
    def timed(self):
        """Tell whether this boot has had its time."""
        return self._marks.get(self._boot) is not None

    def _put(self, length, body):
        for _ in range(_TRIES):
            if self._at + len(body) + 5 > self._flash.sector_bytes and not self._next_sector(self.next_seq):
                continue
            if self._program(length, body):
                return
        raise OSError(5)

    def _program(self, length, body):
        """Program an entry and read it back; where that fails the rest of the sector is left alone."""
        out = entry(length, body, self._last)
        i = self._last % self._flash.sectors
        try:
            self._flash.program(i, self._at, out)
            good = bytes(self._flash.read(i, self._at, len(out))) == out
        except OSError:
            good = False
        self._at += len(out)
        if not good:
            self.refused += 1
            self._at = self._flash.sector_bytes
        return good

    def _next_sector(self, first_seq):
        """Erase the oldest sector and open it as the newest; tell whether it took its header."""
        number = self._last + 1
        i = number % self._flash.sectors
        self._drop(number - self._flash.sectors)
        self._present[i] = 0
        head = header(number, first_seq, self._boot)
        try:
            self._flash.erase(i)
            self._flash.program(i, 0, head)
            good = bytes(self._flash.read(i, 0, _HEADER)) == head
        except OSError:
            good = False
        self._last = number
        self._before = None
        self._firsts[i] = first_seq
        self._at = _HEADER if good else self._flash.sector_bytes
        if good:
            self._present[i] = number
            if not self._oldest:
                self._oldest = number
        else:
            self.refused += 1
        return good

    def _drop(self, number):
        """The sector of this number goes, if there is one."""
        if number < 1 or not self._oldest or self._oldest > number:
            return
        self._oldest = number + 1
        while self._oldest < self._last and not self._has(self._oldest):
            self._oldest += 1
        if self.on_drop is not None:
            self.on_drop(self.first_seq)

    def _has(self, number):
        return self._present[number % self._flash.sectors] == number

    # -- reading -------------------------------------------------------------------------------

    def read(self, first_seq, limit, end_seq=0x100000000):
        """Return up to limit records with first_seq <= seq < end_seq, by seq, with their true times."""
        out = []
        number = self._sector_of(first_seq)
        while number <= self._last and len(out) < limit:
            if self._has(number):
                if self._firsts[number % self._flash.sectors] >= end_seq:
                    break
                self._read_sector(number, first_seq, limit, end_seq, out)
            number += 1
        return out

    def _sector_of(self, seq):
        """Return the number of the newest sector that begins at or below seq."""
        number = self._last
        while number > self._oldest:
            if self._has(number) and self._firsts[number % self._flash.sectors] <= seq:
                break
            number -= 1
        return max(number, 1)

    def _read_sector(self, number, first_seq, limit, end_seq, out):
        data = self._sector(number, self._page)
        boot = int.from_bytes(data[12:14], "big")
        for at, end, after in self._walk(data, number):
            if data[at] == _BOOT:
                boot = int.from_bytes(data[at + 1 : at + 3], "big")
            if after is None or not first_seq <= after[0] < end_seq:
                continue
            record = self._record(data, at, end, after)
            if record is not None:
                out.append(self._timed_record(record, boot, number))
                if len(out) >= limit:
                    return

    def _sector(self, number, page=None):
        try:
            return self._flash.read(number % self._flash.sectors, 0, self._flash.sector_bytes, page)
        except OSError:
            return b""

    def _walk(self, data, number):
        """Yield (start, end, place) of the whole entries; place is None for what is no record."""
        at = _HEADER
        before = None
        used = _used(data)
        while at < used:
            end = _entry_at(data, at, number)
            if not end:
                at += 1  # behind a torn entry, or a worn one whose length may be wrong
                before = None  # and nobody knows any more what the next record follows
                continue
            after = None
            if data[at] < 0xF0:
                try:
                    after = pack.place(bytes(data[at + 1 : end - 4]), before)[1]
                    before = after
                except WireError:
                    pass
            elif data[at] == _MARK:
                self._learn(data, at)
            yield at, end, after
            at = end

    def _learn(self, data, at):
        boot = int.from_bytes(data[at + 1 : at + 3], "big")
        if boot != self._boot or boot not in self._marks:
            self._know(boot, (data[at + 3], int.from_bytes(data[at + 4 : at + 12], "big")))

    def _know(self, boot, mark):
        if len(self._marks) >= _MARKS_KEPT and boot not in self._marks:
            for old in list(self._marks):
                if old != self._boot:
                    del self._marks[old]
        self._marks[boot] = mark

    def _record(self, data, at, end, after):
        body = bytes(data[at + 1 : end - 4])
        # `after` knows what came before: only the values are read here, behind the place.
        try:
            reader, _ = pack.place(body, after)
            return pack.values(reader, after)
        except WireError:
            return None

    def timed_record(self, record):
        """Return a record of this boot with its true time, where that is known by now."""
        return self._timed_record(record, self._boot, self._last)

    def _timed_record(self, record, boot, number):
        if record.time_quality != TIME_NEVER_SET:
            return record
        mark = self._mark(boot, number)
        if mark is None:
            guess = self._guess(boot, number) if boot != self._boot else None
            if guess is None:
                return record
            time_s = (record.time_s * 1000 + guess) // 1000
            return Record(record.seq, time_s, TIME_NEVER_SET, record.readings)
        # The log keeps whole seconds of uptime: half a second more is the middle of what they can mean.
        return Record(record.seq, (record.time_s * 1000 + 500 + mark[1]) // 1000, mark[0], record.readings)

    def _mark(self, boot, number):
        """Return the time mark of a boot; it lies in this sector or a later one of the same life."""
        if boot in self._marks or boot == self._boot:
            return self._marks.get(boot)
        while number <= self._last and boot not in self._marks:
            if self._has(number):
                data = self._sector(number)
                opened_by = int.from_bytes(data[12:14], "big")
                for _ in self._walk(data, number):
                    pass
                if (opened_by - boot) & 0xFFFF < 0x8000 and opened_by != boot:
                    break  # a later life opened this sector
            number += 1
        if boot not in self._marks:
            self._know(boot, None)
        return self._marks[boot]

    def _guess(self, boot, number):
        """Return UTC minus uptime in ms of a life that was never told the time, as late as it can be.

        It had ended when the next life began that knows the time; how long the power was away
        between them nobody knows, so the quality stays "never set".
        """
        if boot in self._guesses:
            return self._guesses[boot]
        last_s = 0
        while number <= self._last:
            data = self._sector(number) if self._has(number) else b""
            life = int.from_bytes(data[12:14], "big")
            for at, _end, after in self._walk(data, number):
                if data[at] == _BOOT:
                    life = int.from_bytes(data[at + 1 : at + 3], "big")
                began_ms = None
                if life == boot:
                    last_s = after[1] if after is not None else last_s
                elif (life - boot) & 0xFFFF >= 0x8000:
                    continue  # an earlier one, in the same sector
                elif data[at] == _MARK:
                    began_ms = int.from_bytes(data[at + 4 : at + 12], "big")
                elif after is not None and after[3] != TIME_NEVER_SET:
                    began_ms = after[1] * 1000
                if began_ms is not None:
                    if len(self._guesses) >= _MARKS_KEPT:
                        self._guesses = {}
                    self._guesses[boot] = began_ms - last_s * 1000
                    return self._guesses[boot]
            number += 1
        return None

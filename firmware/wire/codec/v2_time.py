"""When records were taken, and their numbers: near nothing where a node keeps the clock's rhythm.

A node measures at whole multiples of its interval. Then a frame needs the place of its first record among
the slots of two hours (4.6 bits at five minutes); the receive time says which two hours. What differs costs
what it needs: another interval, a phase, single records off the rhythm, gaps; and a frame sent late, with a
clock that was never set, or without a known age carries 32 bits of time.

Sequence numbers count; the first of a frame takes 3 bits and 4 for each of its hexadecimal digits (23 bits
up to a million, ten years of five minutes), as nothing that the receiver is sure to know tells it. Where they
are the seconds of the clock instead they take no bits.
"""

from .._compat import const
from ..errors import WireError
from ..record import TIME_NETWORK, TIME_NEVER_SET
from .v2_coder import put_uniform

_U32 = 1 << 32
_INTERVALS = (1, 10, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 21600, 86400)
_OTHER = const(15)
_WINDOW_S = const(7200)
_LEAST_SLOTS = const(6)
# Of 16: a usual frame whose numbers follow the clock, one whose numbers count, anything else.
_FOLLOWING = const(12)
_COUNTING = const(3)
_RARE = const(1)


def slots_of(interval_s):
    """Return how many slots a frame tells apart."""
    slots = (_WINDOW_S + interval_s - 1) // interval_s
    return slots if slots > _LEAST_SLOTS else _LEAST_SLOTS


class Bit:
    """A yes or no whose probability follows what came before in this frame; it starts at 15 to 1 for yes."""

    __slots__ = ("no", "yes")

    def __init__(self):
        self.yes = 15
        self.no = 1

    def put(self, coder, is_yes):
        """Code an answer."""
        total = self.yes + self.no
        if is_yes:
            coder.put(0, self.yes, total)
        else:
            coder.put(self.yes, self.no, total)
        self._learn(is_yes)

    def get(self, coder):
        """Return the next answer."""
        total = self.yes + self.no
        is_yes = coder.peek(total) < self.yes
        if is_yes:
            coder.take(0, self.yes, total)
        else:
            coder.take(self.yes, self.no, total)
        self._learn(is_yes)
        return is_yes

    def _learn(self, is_yes):
        if is_yes:
            self.yes += 1
        else:
            self.no += 3


class Stamps:
    """How a frame says when: the header's choice and the running place. `kind` of one frame."""

    __slots__ = (
        "first_s",
        "follows",
        "interval_s",
        "is_clean",
        "is_even",
        "is_short",
        "is_usual",
        "phase",
        "quality",
        "seq",
    )


def plan(rows, table, now_s):
    """Return the Stamps of a frame of rows (seq, time_s, quality, ...)."""
    stamps = Stamps()
    seq, first_s, quality = rows[0][:3]
    interval_s = rows[1][1] - first_s if len(rows) > 1 else table.interval_s
    if interval_s <= 0 or interval_s > 1 << 18:
        interval_s = table.interval_s
    stamps.seq = seq
    stamps.first_s = first_s
    stamps.quality = quality
    stamps.interval_s = interval_s
    stamps.phase = first_s % interval_s
    follows = seq == first_s
    is_even = True
    is_clean = True
    before = None
    for row in rows:
        if before is not None:
            expected = row[1] if follows else before[0] + 1
            if row[1] != before[1] + interval_s or row[0] != expected or row[2] != quality:
                is_even = False
        if not row[4]:
            is_clean = False
        before = row
    stamps.follows = follows
    stamps.is_even = is_even
    stamps.is_clean = is_clean
    last_s = before[1]
    half = interval_s * slots_of(interval_s) // 2
    stamps.is_short = (
        now_s is not None
        and quality != TIME_NEVER_SET
        and last_s >= first_s
        and last_s - 60 <= now_s <= last_s + half
        and all(row[2] != TIME_NEVER_SET for row in rows)
    )
    stamps.is_usual = (
        quality == TIME_NETWORK
        and interval_s == table.interval_s
        and stamps.is_short
        and is_even
        and is_clean
    )
    return stamps


def put_head(coder, stamps, table):
    """Code what a frame's header says of times and numbers."""
    if stamps.is_usual and stamps.follows:
        coder.put(0, _FOLLOWING, 16)
    elif stamps.is_usual:
        coder.put(_FOLLOWING, _COUNTING, 16)
        _put_number(coder, stamps.seq)
    else:
        coder.put(_FOLLOWING + _COUNTING, _RARE, 16)
        coder.put(stamps.quality, 1, 4)
        _put_interval(coder, stamps.interval_s, table)
        coder.put(1 if stamps.is_short else 0, 1, 2)
        coder.put(1 if stamps.follows else 0, 1, 2)
        coder.put(1 if stamps.is_even else 0, 1, 2)
        coder.put(1 if stamps.is_clean else 0, 1, 2)
        if not stamps.follows:
            _put_number(coder, stamps.seq)
        if not stamps.is_short:
            put_uniform(coder, stamps.first_s, _U32)
            return
    if stamps.phase:
        coder.put(3, 1, 4)
        put_uniform(coder, stamps.phase, stamps.interval_s)
    else:
        coder.put(0, 3, 4)
    slots = slots_of(stamps.interval_s)
    put_uniform(coder, stamps.first_s // stamps.interval_s % slots, slots)


def _put_number(coder, number):
    """Code a 32-bit number in as few hexadecimal digits as it has."""
    digits = 1
    while number >> (4 * digits):
        digits += 1
    coder.put(digits - 1, 1, 8)
    put_uniform(coder, number, 1 << (4 * digits))


def _get_number(coder):
    return coder.uniform(1 << (4 * (coder.uniform(8) + 1)))


def _put_interval(coder, interval_s, table):
    if interval_s == table.interval_s:
        coder.put(0, 1, 2)
        return
    coder.put(1, 1, 2)
    for k, known_s in enumerate(_INTERVALS):
        if known_s == interval_s:
            coder.put(k, 1, 16)
            return
    coder.put(_OTHER, 1, 16)
    put_uniform(coder, interval_s - 1, 1 << 18)


def get_head(coder, table):
    """Return the Stamps of a frame; first_s is still within its window when is_short."""
    stamps = Stamps()
    kind = coder.peek(16)
    stamps.is_usual = kind < _FOLLOWING + _COUNTING
    if stamps.is_usual:
        if kind < _FOLLOWING:
            coder.take(0, _FOLLOWING, 16)
        else:
            coder.take(_FOLLOWING, _COUNTING, 16)
            stamps.seq = _get_number(coder)
        stamps.quality = TIME_NETWORK
        stamps.interval_s = table.interval_s
        stamps.is_short = stamps.is_even = stamps.is_clean = True
        stamps.follows = kind < _FOLLOWING
    else:
        coder.take(_FOLLOWING + _COUNTING, _RARE, 16)
        stamps.quality = coder.uniform(4)
        stamps.interval_s = table.interval_s
        if coder.uniform(2):
            k = coder.uniform(16)
            stamps.interval_s = coder.uniform(1 << 18) + 1 if k == _OTHER else _INTERVALS[k]
        stamps.is_short = coder.uniform(2) == 1
        stamps.follows = coder.uniform(2) == 1
        stamps.is_even = coder.uniform(2) == 1
        stamps.is_clean = coder.uniform(2) == 1
        if not stamps.follows:
            stamps.seq = _get_number(coder)
        if not stamps.is_short:
            stamps.first_s = coder.uniform(_U32)
            return stamps
    stamps.phase = 0
    if coder.peek(4) < 3:
        coder.take(0, 3, 4)
    else:
        coder.take(3, 1, 4)
        stamps.phase = coder.uniform(stamps.interval_s)
    slots = slots_of(stamps.interval_s)
    stamps.first_s = coder.uniform(slots) * stamps.interval_s + stamps.phase
    return stamps


class Pace:
    """Times and numbers of the later records, relative to the first; the same steps at both ends."""

    def __init__(self, stamps):
        self._stamps = stamps
        self._regular = Bit()
        self._numbered = Bit()
        self._same = Bit()
        self.time_s = stamps.first_s
        self.quality = stamps.quality
        self.seq = stamps.first_s if stamps.follows else stamps.seq

    def put(self, coder, row):
        """Code when a later record was taken, and its number."""
        stamps = self._stamps
        seq, time_s, quality = row[:3]
        step = time_s - self.time_s
        if not stamps.is_even:
            is_regular = step == stamps.interval_s
            self._regular.put(coder, is_regular)
            if not is_regular:
                _put_step(coder, step, stamps.interval_s)
            expected = self._expected(time_s)
            is_expected = (seq - expected) % _U32 == 0
            self._numbered.put(coder, is_expected)
            if is_expected:
                seq = expected
            else:
                # Against the first record's time, which the other end may learn last.
                zero = stamps.first_s if stamps.follows else 0
                put_uniform(coder, (seq - zero) % _U32, _U32)
                seq = _signed((seq - zero) % _U32) + zero
            self._same.put(coder, quality == self.quality)
            if quality != self.quality:
                coder.put(quality, 1, 4)
        self.time_s = time_s
        self.seq = seq
        self.quality = quality

    def _expected(self, time_s):
        return time_s if self._stamps.follows and time_s > self.seq else self.seq + 1

    def get(self, coder):
        """Read when the next record was taken, and its number: (time_s, seq, quality) move on."""
        stamps = self._stamps
        time_s = self.time_s + stamps.interval_s
        if stamps.is_even:
            self.seq = time_s if stamps.follows else self.seq + 1
            self.time_s = time_s
            return
        if not self._regular.get(coder):
            time_s = self.time_s + _get_step(coder, stamps.interval_s)
        expected = self._expected(time_s)
        if self._numbered.get(coder):
            self.seq = expected
        else:
            self.seq = _signed(coder.uniform(_U32)) + (stamps.first_s if stamps.follows else 0)
        if not self._same.get(coder):
            self.quality = coder.uniform(4)
        self.time_s = time_s


def _put_step(coder, step, interval_s):
    """Code an irregular step: a little off, whole intervals missing, or anything."""
    off = step - interval_s
    if -128 <= off < 128:
        coder.put(0, 1, 2)
        coder.put(off + 128, 1, 256)
    elif step % interval_s == 0 and 0 < step // interval_s <= 256:
        coder.put(1, 1, 2)
        coder.put(0, 1, 2)
        coder.put(step // interval_s - 1, 1, 256)
    else:
        coder.put(1, 1, 2)
        coder.put(1, 1, 2)
        put_uniform(coder, step % _U32, _U32)


def _get_step(coder, interval_s):
    if coder.uniform(2) == 0:
        return interval_s + coder.uniform(256) - 128
    if coder.uniform(2) == 0:
        return interval_s * (coder.uniform(256) + 1)
    return _signed(coder.uniform(_U32))


def _signed(value):
    """Return the number between -2^31 and 2^31 that 32 bits stand for."""
    return value if value < _U32 >> 1 else value - _U32


def shift_of(stamps, last_s, received_at_s):
    """Return the seconds to add to every time of a frame whose window the receive time must tell."""
    if not stamps.is_short:
        return 0
    if received_at_s is None:
        raise WireError("received_at", "this frame's times need the time of its reception")
    period_s = stamps.interval_s * slots_of(stamps.interval_s)
    # The last record lies before the reception, or after it by an eighth of the window: clocks differ.
    latest_s = received_at_s + period_s // 8
    return (latest_s - last_s) // period_s * period_s

"""When records were taken, and their numbers: near nothing where a node keeps the clock's rhythm.

A node measures at whole multiples of its interval. Then a frame needs the place of its first record among
the slots of two hours (4.6 bits at five minutes); the receive time says which two hours. What differs costs
what it needs: another interval, a phase, single records off the rhythm, gaps; and a frame sent late, with a
clock that was never set, or without a known age carries 32 bits of time.

Numbers count, one a record. A node that knows the time lets them begin at the number of the interval since
1970 (outbox.take_seq), so the time tells them: a tenth of a bit. A node that counts beside the clock, for it
was off or had records between its intervals, adds the distance: 7 bits and 4 for each hexadecimal digit.
"""

from .._compat import const
from ..record import TIME_NETWORK, TIME_NEVER_SET
from .v2_coder import put_uniform

U32 = 1 << 32
INTERVALS = (1, 10, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 21600, 86400)
OTHER = const(15)
_WINDOW_S = const(7200)
_LEAST_SLOTS = const(6)
# Of 16: what is usual; the rest is for what is not.
USUAL = const(15)
OWN_INTERVAL = const(13)
IN_STEP = const(15)
NO_PHASE = const(14)


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
        self.learn(is_yes)

    def learn(self, is_yes):
        """Take an answer that was put or read."""
        if is_yes:
            self.yes += 1
        else:
            self.no += 3


class Stamps:
    """How a frame says when: the header's choice and the running place. `kind` of one frame."""

    __slots__ = (
        "first_s",
        "interval_s",
        "is_clean",
        "is_even",
        "is_short",
        "is_usual",
        "offset",
        "phase",
        "quality",
    )


def plan(rows, table, now_s):
    """Return the Stamps of a frame of rows (seq, time_s, quality, ...)."""
    stamps = Stamps()
    seq, first_s, quality = rows[0][:3]
    interval_s = rows[1][1] - first_s if len(rows) > 1 else table.interval_s
    if interval_s <= 0 or interval_s > 1 << 18:
        interval_s = table.interval_s
    stamps.first_s = first_s
    stamps.offset = signed((seq - slot(first_s, interval_s)) % U32)
    stamps.quality = quality
    stamps.interval_s = interval_s
    stamps.phase = first_s % interval_s
    is_even = True
    is_clean = True
    before = None
    for row in rows:
        if before is not None and (
            row[1] != before[1] + interval_s or row[0] != before[0] + 1 or row[2] != quality
        ):
            is_even = False
        if not row[4]:
            is_clean = False
        before = row
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
    stamps.is_usual = quality == TIME_NETWORK and stamps.is_short and is_even and is_clean
    return stamps


def slot(time_s, interval_s):
    """Return the number of the interval whose turn is nearest."""
    return (time_s + interval_s // 2) // interval_s


def _put_choice(coder, is_usual, share):
    if is_usual:
        coder.put(0, share, 16)
    else:
        coder.put(share, 16 - share, 16)


def put_head(coder, stamps, table):
    """Code what a frame's header says of times and numbers."""
    _put_choice(coder, stamps.is_usual, USUAL)
    if not stamps.is_usual:
        coder.put(stamps.quality, 1, 4)
        coder.put(1 if stamps.is_short else 0, 1, 2)
        coder.put(1 if stamps.is_even else 0, 1, 2)
        coder.put(1 if stamps.is_clean else 0, 1, 2)
    _put_interval(coder, stamps.interval_s, table)
    _put_choice(coder, stamps.offset == 0, IN_STEP)
    if stamps.offset:
        _put_number(coder, stamps.offset)
    if not stamps.is_short:
        put_uniform(coder, stamps.first_s, U32)
        return
    _put_choice(coder, stamps.phase == 0, NO_PHASE)
    if stamps.phase:
        put_uniform(coder, stamps.phase, stamps.interval_s)
    slots = slots_of(stamps.interval_s)
    put_uniform(coder, stamps.first_s // stamps.interval_s % slots, slots)


def _put_number(coder, number):
    """Code a signed 32-bit number in as few hexadecimal digits as it has."""
    number = 2 * number if number >= 0 else -2 * number - 1
    digits = 1
    while number >> (4 * digits):
        digits += 1
    coder.put(digits - 1, 1, 8)
    put_uniform(coder, number, 1 << (4 * digits))


def _put_interval(coder, interval_s, table):
    _put_choice(coder, interval_s == table.interval_s, OWN_INTERVAL)
    if interval_s == table.interval_s:
        return
    for k, known_s in enumerate(INTERVALS):
        if known_s == interval_s:
            coder.put(k, 1, 16)
            return
    coder.put(OTHER, 1, 16)
    put_uniform(coder, interval_s - 1, 1 << 18)


class Pace:
    """Times and numbers of the later records, relative to the first; the same steps at both ends."""

    def __init__(self, stamps):
        self._stamps = stamps
        self._regular = Bit()
        self._numbered = Bit()
        self._same = Bit()
        self.time_s = stamps.first_s
        self.quality = stamps.quality
        self.seq = slot(stamps.first_s, stamps.interval_s) + stamps.offset

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
            skipped = signed((seq - self.seq - 1) % U32)
            self._numbered.put(coder, skipped == 0)
            if skipped:
                _put_number(coder, skipped)
            self._same.put(coder, quality == self.quality)
            if quality != self.quality:
                coder.put(quality, 1, 4)
        self.time_s = time_s
        self.seq = seq
        self.quality = quality


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
        put_uniform(coder, step % U32, U32)


def signed(value):
    """Return the number between -2^31 and 2^31 that 32 bits stand for."""
    return value if value < U32 >> 1 else value - U32

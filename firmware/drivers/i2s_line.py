"""What the bits on an I2S data line say about the wiring, before anyone believes a level.

A wrong slot, a loose wire or a word read one clock late still gives numbers, often plausible ones (a street
of 75 dB(A) in a quiet room). A millisecond of each block is looked at bit by bit, in both slots.
"""

from array import array

from wire._compat import const
from wire.record import FAULT, NO_ANSWER

_WORDS = const(48)  # looked at in each block
_ENOUGH = const(8 * 48)  # words before bits may be judged
_ALL = const(0xFFFFFFFF)

# name -> (state of the readings, what to look at)
FAULTS = {
    "line_low": (
        NO_ANSWER,
        "the data line is always low: microphone not powered, or its SD wire not connected",
    ),
    "line_high": (NO_ANSWER, "the data line is always high: SD shorted to the supply, or on a wrong pin"),
    "line_constant": (NO_ANSWER, "every word is the same: the microphone gets no clock (SCK, WS)"),
    "wrong_slot": (FAULT, "the sound is in the other slot: turn the L/R pin over, or set the slot"),
    "floating_line": (FAULT, "both slots carry random bits: the SD wire is loose"),
    "late_bit": (FAULT, "words begin one clock late: the part needs another I2S format (SPH0645)"),
    "stuck_bits": (FAULT, "bits in the middle of the word never change: damaged part or wrong word length"),
}


class LineCheck:
    """Collects evidence over an interval. engine: the kernels (kernels.noise.kernels)."""

    def __init__(self, engine, slot):
        self._engine = engine
        self._slot = slot
        self._ctx = (array("i", bytes(24)), array("i", bytes(24)))
        self.restart()

    def restart(self):
        """Forget the evidence."""
        self._words = 0
        for ctx in self._ctx:
            for i in range(6):
                ctx[i] = 0
            ctx[1] = -1

    def block(self, frames):
        """Look at the first millisecond of a block."""
        first = not self._words
        for slot in (0, 1):
            ctx = self._ctx[slot]
            self._engine.inspect(frames, slot, _WORDS, ctx)
            if first and ctx[3] == 1:
                ctx[3] = 0  # the change was from the nothing before
        self._words += _WORDS

    def fault(self):
        """Return the name of what is wrong, a key of FAULTS, or None."""
        mine, other = self._ctx[self._slot], self._ctx[1 - self._slot]
        if not mine[3]:
            if other[3]:
                return "wrong_slot"
            word = mine[2] & _ALL
            return "line_low" if word == 0 else "line_high" if word == _ALL else "line_constant"
        if self._words < _ENOUGH:
            return None
        if _is_random(mine, self._words) and _is_random(other, self._words):
            return "floating_line"
        # One clock late, the sign bit is the last bit of the word before: half of the words jump to an end
        # of the range, and none lies between. Loud sound always passes between.
        if not mine[5] and self._words // 5 < mine[4] < self._words * 4 // 5:
            return "late_bit"
        return "stuck_bits" if _stuck(mine) else None

    def stuck_bits(self):
        """Return the mask of bits that never changed between bits that did."""
        return _stuck(self._ctx[self._slot])


def _is_random(ctx, words):
    """Tell bits of no meaning: loud in three of four words, every bit alive down to the last."""
    return ctx[4] + ctx[5] > words // 2 and ctx[0] & 0xFF == 0xFF and ctx[1] & 0xFF == 0


def _stuck(ctx):
    alive = ctx[0] & ~ctx[1] & _ALL
    if not alive:
        return 0
    low = alive & -alive
    mask = low
    while mask <= alive >> 1:
        mask = mask << 1 | low
    return mask & ~alive

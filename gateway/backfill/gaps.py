"""Which records of one device are missing, by sequence number, in a few ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from wire import backfill

Range = tuple[int, int]  # first, end: the end is not in it

MAX_GAPS = 64
NEW_COUNT = int(backfill.NEW_COUNT)
FIRST_COUNT = int(backfill.FIRST_COUNT)
_NONE: list[Range] = []  # of every device that misses nothing; never changed
LOOK_BACK = 32_000  # more than the ring of a node holds: 512 KiB of the shortest records


class Gaps:
    """Everything below `top` has arrived, is given up, or is in `missing`: sorted ranges, never adjacent.

    A step of more than NEW_COUNT is a node that took up the clock's count (wire/backfill.py): of what it
    counted before a few records may be missing.

    There are at most MAX_GAPS of them; where there would be more, the two nearest become one, so some records
    come twice rather than one not at all. `missing` is never changed in place. is_risen: `top` is higher than
    on the disk.
    """

    __slots__ = ("is_risen", "missing", "top")  # there is one for each device

    def __init__(self, top: int = 0, missing: Sequence[Range] = ()) -> None:
        self.top = top
        self.missing = list(missing) or _NONE
        self.is_risen = False

    @property
    def count(self) -> int:
        """How many numbers are missing (at most: some of them may never have existed)."""
        return sum(end - first for first, end in self.missing)

    def arrived(self, seqs: Iterable[int]) -> int:
        """Take numbers that arrived; return how many of them were missing."""
        filled = 0
        for seq in seqs:
            if seq < self.top:
                filled += self.close(seq, seq + 1)
                continue
            if seq > self.top:
                is_new = seq > self.top + NEW_COUNT
                self.missing = [*self.missing, (self.top, self.top + FIRST_COUNT if is_new else seq)]
                self._bound()
            self.top = seq + 1
        return filled

    def close(self, first: int, end: int) -> int:
        """Take a range out; return how many numbers of it were missing."""
        left: list[Range] = []
        closed = 0
        for a, b in self.missing:
            low, high = max(a, first), min(b, end)
            if low >= high:
                left.append((a, b))
                continue
            closed += high - low
            left += [piece for piece in ((a, low), (high, b)) if piece[0] < piece[1]]
        if closed:
            self.missing = left or _NONE
            self._bound()
        return closed

    def _bound(self) -> None:
        """Give up the oldest, where more is missing than a node can hold."""
        missing = list(self.missing)
        excess = self.count - LOOK_BACK
        while excess > 0:
            first, end = missing[0]
            missing[:1] = [(first + excess, end)] if end - first > excess else []
            excess -= end - first
        while len(missing) > MAX_GAPS:
            holes = [after[0] - before[1] for before, after in pairwise(missing)]
            i = holes.index(min(holes))
            missing[i : i + 2] = [(missing[i][0], missing[i + 1][1])]
        self.missing = missing or _NONE


def gaps_of(seqs: Sequence[int], first: int) -> Gaps:
    """Return the gaps of a device from a number on, given the sorted numbers that are there."""
    gaps = Gaps(first)
    if first > NEW_COUNT:  # what it said before it knew the time
        gaps.missing = [(0, FIRST_COUNT)]
    gaps.arrived(seqs)
    return gaps

"""What the sensors saw, kept where they stand: the independent side of "none lost, none twice"."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from simulator.chips.base import Source

_KEEP = 50_000
_AGAIN_US = 1_000_000
_APART_US = 5_000_000  # between two acquisitions


@dataclass(frozen=True, slots=True)
class Seen:
    """One value that a chip model took from the world."""

    at_us: int
    quantity: str
    value: float


class Ledger:
    """A `Source` that passes on what another says and remembers the last 50,000 values.

    The same value within a second is remembered once: a microphone asks for every block of samples.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last: dict[str, Seen] = {}
        self.seen: deque[Seen] = deque(maxlen=_KEEP)
        self.asked_us = array("q")
        """When it was asked for anything, to the second: for ever, where `seen` forgets."""
        self.acquired: Counter[str] = Counter()
        """How often each quantity was asked for, 5 s apart or more."""
        self.on_seen: Callable[[Seen, Seen | None], None] | None = None
        """Told of each value and the one before it of the same quantity."""

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return the source's value; a quantity that it lacks (KeyError) is not remembered."""
        value = self._source(quantity, now_us)
        last = self._last.get(quantity)
        if last is None or last.value != value or now_us - last.at_us >= _AGAIN_US:
            self._last[quantity] = seen = Seen(now_us, quantity, value)
            self.seen.append(seen)
            if last is None or now_us - last.at_us > _APART_US:
                self.acquired[quantity] += 1
            if not self.asked_us or abs(now_us - self.asked_us[-1]) >= _AGAIN_US:
                self.asked_us.append(now_us)
            if self.on_seen is not None:
                self.on_seen(seen, last)
        return value

    def acquisitions(self, quantity: str, gap_s: float = 30.0) -> list[list[Seen]]:
        """Return what was seen of a quantity, cut where for gap_s nobody asked: one list an acquisition."""
        groups: list[list[Seen]] = []
        for seen in self.seen:
            if seen.quantity != quantity:
                continue
            if not groups or seen.at_us - groups[-1][-1].at_us > gap_s * 1e6:
                groups.append([])
            groups[-1].append(seen)
        return groups

"""What there is to measure at a site, with what faults put over it."""

from __future__ import annotations

from simulator.chips.base import Source


class Overlay:
    """A `Source`: `now` where it has the quantity, else what is below."""

    def __init__(self, below: Source) -> None:
        self._below = below
        self.now: dict[str, float] = {}

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return the value of `quantity` at world time."""
        found = self.now.get(quantity)
        return self._below(quantity, now_us) if found is None else found

"""A detector that gives a pulse for each passage in front of it."""

from __future__ import annotations

from .base import Constants, Source


class Detector:
    """Quantity: passages, since any fixed moment.

    Faults: nak (cut wire), stuck, bounce (two pulses a passage).
    """

    def __init__(self, source: Source | None = None) -> None:
        self.source: Source = source or Constants(passages=0.0)
        self.faults: set[str] = set()
        self._seen: int | None = None
        self._count = 0

    def count(self, now_us: int) -> int:
        """Return the pulses so far."""
        try:
            passages = int(self.source("passages", now_us))
        except KeyError:
            passages = 0
        new = 0 if self._seen is None else max(0, passages - self._seen)
        self._seen = passages
        if not self.faults & {"nak", "stuck", "brown_out"}:
            self._count += new * (2 if "bounce" in self.faults else 1)
        return self._count

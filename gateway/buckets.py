"""A series of buckets as columns: a year of hours is six arrays, and no 8,760 objects that nobody looks at.

Whoever goes through it meets `Bucket` after `Bucket`, as in a list; whoever computes takes the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from gateway.model import Bucket

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


class Buckets(Sequence[Bucket]):
    """Buckets by time. Each column is as long as the series; what they mean stands at `Bucket`."""

    __slots__ = ("flagged", "high", "low", "mean", "n", "start_ms")

    def __init__(
        self, start_ms: Whole, low: Floats, mean: Floats, high: Floats, n: Whole, flagged: Whole
    ) -> None:
        self.start_ms, self.low, self.mean, self.high = start_ms, low, mean, high
        self.n, self.flagged = n, flagged

    @classmethod
    def of(cls, rows: Sequence[Bucket]) -> Buckets:
        """Return what a reader gave as columns."""
        if isinstance(rows, Buckets):
            return rows
        whole = np.array([(row.start_ms, row.n, row.flagged) for row in rows], np.int64).reshape(-1, 3).T
        values = np.array([(row.low, row.mean, row.high) for row in rows], np.float64).reshape(-1, 3).T
        return cls(whole[0], values[0], values[1], values[2], whole[1], whole[2])

    @property
    def good(self) -> Buckets:
        """Return those that hold a value which no check flagged."""
        mask = self.flagged < self.n
        return self if mask.all() else self._some(mask)

    def _some(self, which: NDArray[np.bool_] | slice) -> Buckets:
        return Buckets(*(column[which] for column in self._columns()))  # type: ignore[arg-type]

    def _columns(self) -> tuple[Whole | Floats, ...]:
        return self.start_ms, self.low, self.mean, self.high, self.n, self.flagged

    def __len__(self) -> int:
        return len(self.start_ms)

    @overload
    def __getitem__(self, at: int) -> Bucket: ...
    @overload
    def __getitem__(self, at: slice) -> Buckets: ...
    def __getitem__(self, at: int | slice) -> Bucket | Buckets:
        if isinstance(at, slice):
            return self._some(at)
        return Bucket(*(column[at].item() for column in self._columns()))

    def __iter__(self) -> Iterator[Bucket]:
        return map(Bucket, *(column.tolist() for column in self._columns()))

    def __reversed__(self) -> Iterator[Bucket]:
        return iter(self._some(slice(None, None, -1)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence):
            return list(self) == list(other)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return f"Buckets({list(self)!r})"

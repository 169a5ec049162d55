"""The gateway's side of wire.codec.parity: elimination over a kept window brings lost frames back.

One Recovery a device. Unknowns are the data symbols of frames that did not arrive; each parity symbol that
arrives is an equation. Rows are kept reduced, so an unknown is found with the equation that determines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from wire.codec import parity

Bytes = NDArray[np.uint8]
KEPT = 4 * parity.WINDOW  # frames for which a lost one is waited for
_EXP = np.frombuffer(parity.EXP, np.uint8)
_LOG = np.frombuffer(parity.LOG, np.uint8).astype(np.int64)
_SILENCE = 100  # usual distances of two frames after which the 8-bit counter may have gone round


def multiply(row: Bytes, factor: int) -> Bytes:
    """Return a row times a factor in GF(256)."""
    if not factor:
        return np.zeros_like(row)
    return np.where(row == 0, 0, _EXP[_LOG[row] + _LOG[factor]]).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Frame:
    """The data of a frame: received, or found; `received_at_s` is an estimate for found ones."""

    number: int
    data: bytes
    received_at_s: float
    is_recovered: bool


class Recovery:
    """What arrived of one device, and what follows from it."""

    def __init__(self) -> None:
        self._restart(0)

    def _restart(self, rate: int) -> None:
        self._rate = rate
        self._n = parity.RATES[rate][0]
        self._newest = -1
        self._data: dict[int, Bytes] = {}  # frame -> symbols x bytes
        self._at_s: dict[int, float] = {}
        self._unknown: list[int] = []  # frames that did not arrive, in order; their symbols are the columns
        self._rows: Bytes = np.zeros((0, 0), np.uint8)
        self._values: Bytes = np.zeros((0, 0), np.uint8)
        self._pivots: list[int] = []

    def receive(self, payload: bytes, received_at_s: float) -> list[Frame]:
        """Take a protected frame; return its data and the frames that it brings back, or raise WireError."""
        rate, reach, counter, data, symbols = cast("Any", parity.split(payload))
        if rate != self._rate or self._is_long_ago(received_at_s):
            self._restart(rate)
        number = counter if self._newest < 0 else self._newest + ((counter - self._newest) & 255)
        if number == self._newest and self._data[number].tobytes() == data:
            return [Frame(number, data, received_at_s, False)]  # the same frame again teaches nothing
        if number == self._newest or (self._newest >= 0 and number - self._newest > KEPT // 2):
            self._restart(rate)  # a counter that began anew
            number = counter
        if self._newest >= 0:
            self._lose(range(max(self._newest + 1, number - KEPT), number))
        self._newest = number
        self._data[number] = np.frombuffer(data, np.uint8).reshape(self._n, -1)
        self._at_s[number] = received_at_s
        found = [Frame(number, data, received_at_s, False)]
        for k, symbol in enumerate(symbols):
            self._learn(number, counter, k, reach, np.frombuffer(symbol, np.uint8))
        found += self._solved()
        self._forget()
        return found

    def _is_long_ago(self, now_s: float) -> bool:
        if len(self._at_s) < 3:
            return False
        steps = np.diff(sorted(self._at_s.values())[-16:])
        return now_s - max(self._at_s.values()) > _SILENCE * float(np.median(steps)) + 60

    @property
    def newest(self) -> int:
        """Number of the newest frame that arrived."""
        return self._newest

    def _lose(self, frames: range) -> None:
        added = len(frames) * self._n
        self._unknown += frames
        self._rows = np.hstack([self._rows, np.zeros((len(self._rows), added), np.uint8)])

    def _learn(self, number: int, counter: int, k: int, reach: int, value: Bytes) -> None:
        """Take an equation: move what is known to its right side, reduce the rest."""
        state = cast("Any", parity).seed(counter, k)
        right = value.copy()
        row = np.zeros(len(self._unknown) * self._n, np.uint8)
        place = {frame: i for i, frame in enumerate(self._unknown)}
        for frame in range(number - reach, number):
            known = self._data.get(frame)
            at = place.get(frame)
            if known is None and at is None:
                return  # from before we listened, or given up
            for s in range(self._n):
                coefficient, state = cast("Any", parity).following(state)
                if known is not None:
                    right ^= multiply(known[s], coefficient)
                else:
                    assert at is not None
                    row[at * self._n + s] = coefficient
        if not row.any():
            return
        if not len(self._values):
            self._values = np.zeros((0, len(right)), np.uint8)
        for i, pivot in enumerate(self._pivots):
            factor = int(row[pivot])
            if factor:
                row ^= multiply(self._rows[i], factor)
                right ^= multiply(self._values[i], factor)
        nonzero = np.flatnonzero(row)
        if not len(nonzero):
            return
        pivot = int(nonzero[-1])
        inverse = int(_EXP[255 - _LOG[row[pivot]]])
        row, right = multiply(row, inverse), multiply(right, inverse)
        for i in np.flatnonzero(self._rows[:, pivot]):
            factor = int(self._rows[i, pivot])
            self._rows[i] ^= multiply(row, factor)
            self._values[i] ^= multiply(right, factor)
        self._rows = np.vstack([self._rows, row[None]])
        self._values = np.vstack([self._values, right[None]])
        self._pivots.append(pivot)

    def _solved(self) -> list[Frame]:
        """Return the frames all of whose symbols are determined, and keep them as known."""
        if not self._pivots:
            return []
        alone = np.count_nonzero(self._rows, axis=1) == 1
        by_column = {pivot: i for i, pivot in enumerate(self._pivots) if alone[i]}
        found: list[Frame] = []
        for at, frame in enumerate(self._unknown):
            rows = [by_column.get(at * self._n + s) for s in range(self._n)]
            if all(i is not None for i in rows):
                data = np.stack([self._values[i] for i in rows if i is not None])
                self._data[frame] = data
                found.append(Frame(frame, data.tobytes(), self._estimate(frame), True))
        self._drop([frame.number for frame in found])
        return found

    def _estimate(self, frame: int) -> float:
        """Return when a lost frame would have arrived: between its neighbours, by their numbers."""
        before = max((n for n in self._at_s if n < frame), default=None)
        after = min(n for n in self._at_s if n > frame)
        if before is None:
            return self._at_s[after]
        share = (frame - before) / (after - before)
        return self._at_s[before] + share * (self._at_s[after] - self._at_s[before])

    def _drop(self, frames: list[int]) -> None:
        """Take unknowns out: the found ones, or those that are given up with every row that needs them."""
        if not frames:
            return
        gone = [self._unknown.index(frame) * self._n + s for frame in frames for s in range(self._n)]
        stays = np.flatnonzero(~np.any(self._rows[:, gone], axis=1))
        missing = set(gone)
        left = [column for column in range(self._rows.shape[1]) if column not in missing]
        place = {column: i for i, column in enumerate(left)}
        self._pivots = [place[self._pivots[int(i)]] for i in stays]
        self._rows = self._rows[stays][:, left]
        self._values = self._values[stays]
        self._unknown = [frame for frame in self._unknown if frame not in frames]

    def _forget(self) -> None:
        oldest = self._newest - KEPT
        self._drop([frame for frame in self._unknown if frame < oldest])
        for frame in [n for n in self._data if n < oldest - parity.WINDOW]:
            del self._data[frame]
            self._at_s.pop(frame, None)

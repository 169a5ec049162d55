"""The gateway's side of wire.codec.parity: elimination over a kept window brings lost frames back.

One Recovery a device. Unknowns are the data symbols of frames that did not arrive; each parity symbol that
arrives is an equation. Rows are kept reduced, so an unknown is found with the equation that determines it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from wire.codec import parity

Bytes = NDArray[np.uint8]
KEPT = 4 * parity.WINDOW  # frames for which a lost one is waited for
_reach_of = cast("Callable[[int], int]", parity.reach_of)
_LATE = 16  # frames that may overtake one
_SILENCE = 100  # usual distances of two frames after which the 8-bit counter may have gone round


def _products() -> Bytes:
    exp = np.frombuffer(parity.EXP, np.uint8)
    log = np.frombuffer(parity.LOG, np.uint8).astype(np.int64)
    table = np.zeros((256, 256), np.uint8)
    table[1:, 1:] = exp[log[1:, None] + log[1:]]
    return table


_PRODUCTS = _products()  # of GF(256)


def _powers() -> NDArray[np.int64]:
    found = [1]
    for _ in range(parity.WINDOW * max(row[1] for row in parity.RATES)):
        found.append(found[-1] * 75 % 65537)
    return np.array(found, np.int64)


_POWERS = _powers()


def multiply(row: Bytes, factor: int) -> Bytes:
    """Return a row times a factor in GF(256)."""
    return _PRODUCTS[factor, row]


def coefficients_of(counter: int, k: int, n: int) -> Bytes:
    """Return the n coefficients of a frame's parity symbol, as parity.following gives them one by one."""
    return coefficients_from(cast("Any", parity).seed(counter, k), n)


def coefficients_from(state: int, n: int) -> Bytes:
    """Return the n coefficients behind a state of the generator."""
    states = state * _POWERS[1 : n + 1] % 65537
    return (1 + states % 255).astype(np.uint8)


def add_sum(ring: bytearray, start: int, symbols: int, width: int, state: int, total: bytearray) -> None:
    """Do what wire.codec.parity.add_sum does, faster."""
    at = (start + np.arange(symbols * width)) % len(ring)
    data = np.frombuffer(ring, np.uint8)[at].reshape(symbols, width)
    found = np.bitwise_xor.reduce(_PRODUCTS[coefficients_from(state, symbols)[:, None], data])
    total[:] = (np.frombuffer(total, np.uint8) ^ found).tobytes()


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
        self._n = parity.RATES[rate][1]
        self._reach = 0  # how far the newest frame looked back
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
        if rate != self._rate or self._is_another_time(received_at_s):
            self._restart(rate)
        behind = (self._newest - counter) & 255
        if self._newest >= 0 and behind <= _LATE:
            number = self._newest - behind
            known = self._data.get(number)
            if known is not None and known.tobytes() == data:
                return [Frame(number, data, received_at_s, False)]  # the same frame again teaches nothing
            if number in self._unknown and reach <= self._reach:
                return self._late(number, data, received_at_s)
            self._restart(rate)
        ahead = (counter - self._newest) & 255
        if self._newest >= 0 and reach < _reach_of(self._reach + ahead):
            self._restart(rate)  # the node's window began anew
        number = counter if self._newest < 0 else self._newest + ahead
        if self._newest >= 0:
            self._lose(range(max(self._newest + 1, number - KEPT), number))
        self._newest = number
        self._reach = reach
        self._data[number] = np.frombuffer(data, np.uint8).reshape(self._n, -1)
        self._at_s[number] = received_at_s
        found = [Frame(number, data, received_at_s, False)]
        for k, symbol in enumerate(symbols):
            self._learn(number, counter, k, reach, np.frombuffer(symbol, np.uint8))
        found += self._solved()
        self._forget()
        return found

    def _late(self, number: int, data: bytes, received_at_s: float) -> list[Frame]:
        """Take a frame that comes after younger ones: it is known now, and so may others be."""
        symbols = np.frombuffer(data, np.uint8).reshape(self._n, -1)
        for s, symbol in enumerate(symbols):
            row = np.zeros(len(self._unknown) * self._n, np.uint8)
            row[self._unknown.index(number) * self._n + s] = 1
            self._add(row, symbol.copy())
        found = [frame for frame in self._solved() if frame.number != number]
        self._at_s[number] = received_at_s
        return [Frame(number, data, received_at_s, False), *found]

    def _is_another_time(self, now_s: float) -> bool:
        """Tell whether the counter may have gone round meanwhile, or old frames are decoded once more."""
        if len(self._at_s) < 3:
            return False
        usual_s = float(np.median(np.diff(sorted(self._at_s.values())[-16:])))
        newest_s = max(self._at_s.values())
        return not newest_s - _LATE * usual_s - 60 <= now_s <= newest_s + _SILENCE * usual_s + 60

    def __contains__(self, number: int) -> bool:
        """Tell whether a frame's data is known."""
        return number in self._data

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
        coefficients = coefficients_of(counter, k, reach * self._n).reshape(reach, self._n)
        right = value.copy()
        row = np.zeros(len(self._unknown) * self._n, np.uint8)
        place = {frame: i for i, frame in enumerate(self._unknown)}
        for frame, of_frame in zip(range(number - reach, number), coefficients, strict=True):
            known = self._data.get(frame)
            at = place.get(frame)
            if known is not None:
                right ^= np.bitwise_xor.reduce(_PRODUCTS[of_frame[:, None], known])
            elif at is None:
                return  # from before we listened, or given up
            else:
                row[at * self._n : (at + 1) * self._n] = of_frame
        self._add(row, right)

    def _add(self, row: Bytes, right: Bytes) -> None:
        """Take an equation in unknowns alone."""
        if not len(self._values):
            self._values = np.zeros((0, len(right)), np.uint8)
        if self._pivots:  # the rows are reduced: none holds the pivot of another
            factors = row[self._pivots]
            used = np.flatnonzero(factors)
            of_rows = factors[used][:, None]
            row = row ^ np.bitwise_xor.reduce(_PRODUCTS[of_rows, self._rows[used]])
            right = right ^ np.bitwise_xor.reduce(_PRODUCTS[of_rows, self._values[used]])
        nonzero = np.flatnonzero(row)
        if not len(nonzero):
            return
        pivot = int(nonzero[-1])
        inverse = int(np.flatnonzero(_PRODUCTS[row[pivot]] == 1)[0])
        row, right = multiply(row, inverse), multiply(right, inverse)
        touched = np.flatnonzero(self._rows[:, pivot])
        of_rows = self._rows[touched, pivot][:, None]
        self._rows[touched] ^= _PRODUCTS[of_rows, row]
        self._values[touched] ^= _PRODUCTS[of_rows, right]
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
            times = [self._at_s[n] for n in sorted(self._at_s)]
            return self._at_s[after] - (after - frame) * (
                float(np.median(np.diff(times))) if times[1:] else 0
            )
        share = (frame - before) / (after - before)
        return self._at_s[before] + share * (self._at_s[after] - self._at_s[before])

    def waiting(self) -> list[int]:
        """Return the lost frames that parity may still bring back; of frames lost in a row all or none."""
        hopes: list[int] = []
        n_parity = parity.RATES[self._rate][3]
        is_hopeful = False
        for i, frame in enumerate(self._unknown):
            if not i or frame != self._unknown[i - 1] + 1:
                later = frame + parity.WINDOW - self._newest  # frames to come that look back on it
                equations = later * n_parity + len(self._rows)
                is_hopeful = later > 0 and (len(self._unknown) - i) * self._n <= equations
            if is_hopeful:
                hopes.append(frame)
        return hopes

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

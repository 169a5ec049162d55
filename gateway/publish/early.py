"""What goes out before it is stored: it is durable in the log, judged, and the next that the platform lacks.

The position of a follower moves with the store only. So whatever is sent early is sent once more when the
process is killed before the store had it, and never left out. Uplinks have the numbers of the log here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

POSITIONS_A_RECORD = 64  # at most
MOST = 2000  # records that wait; when there are more, they go the usual way

Piece = tuple[
    int, int, Sequence[Any]
]  # first and last uplink, their records: the reader knows what those are


class Early:
    """The book of one follower; belongs to the loop."""

    def __init__(self) -> None:
        self._queue: list[Piece] = []
        self._parked: list[Piece] = []  # not to be sent before what is in the store has gone out
        self._covered = -1  # the last uplink of which all is sent or in the queue; -1: not known
        self._sent = -1
        self._stored: deque[tuple[int, int, int]] = deque()  # last uplink; position before and after it
        self._newest = (-1, -1)  # the last uplink that is stored, and the position of the store with it

    @property
    def waits(self) -> bool:
        """Tell whether there is anything to be sent now."""
        return bool(self._queue)

    def judged(self, first: int, last: int, records: Sequence[Any]) -> None:
        """Take what was judged and is not stored yet."""
        piece = first, last, records
        if self._covered == first - 1 and self._room(self._queue):
            self._queue.append(piece)
            self._covered = last
            return
        if not self._parked or self._parked[-1][1] != first - 1 or not self._room(self._parked):
            self._parked.clear()
        self._parked.append(piece)

    def stored(self, last: int, before: int, newest: int) -> None:
        """Note that the store has everything up to an uplink; before, newest: its position before and now."""
        self._newest = last, newest
        if self._covered >= last:
            self._stored.append((last, before, newest))
        self._parked = [piece for piece in self._parked if piece[1] > last]

    def take(self) -> tuple[int, list[Any]]:
        """Return the last uplink and the records of all that is to be sent now."""
        queue, self._queue = self._queue, []
        return queue[-1][1], [record for _, _, records in queue for record in records]

    def was_sent(self, last: int) -> None:
        """Note that all up to an uplink is confirmed."""
        self._sent = last

    def lost(self) -> None:
        """Go back to the usual way: something was not taken, or will be stored otherwise."""
        self._queue.clear()
        self._parked.clear()
        self._stored.clear()
        self._covered = self._sent = -1

    def moved(self, position: int) -> int:
        """Return where a follower that stands at a position has come with what was sent early."""
        while self._stored and self._stored[0][0] <= self._sent:
            _, before, newest = self._stored.popleft()
            if _record(position) < _record(before):
                self.lost()  # somebody else stored, too
                break
            position = max(position, newest)
        return position

    def holds(self, position: int) -> bool:
        """Tell whether everything in the store that the platform lacks goes out early."""
        return self._covered >= self._newest[0] >= 0 and (
            _record(position) >= _record(self._newest[1]) or bool(self._stored)
        )

    def came(self, position: int) -> None:
        """Note how far the usual way has come: what follows that can go early."""
        last, newest = self._newest
        # Further on than we know of: the store has more by now, and what that was will be told in a moment.
        if self._covered >= last or _record(position) != _record(newest):
            return
        self._queue.clear()  # what was in it has gone out with the rest
        self._stored.clear()
        self._covered = self._sent = last
        parked, self._parked = self._parked, []
        for first, end, records in parked:
            self.judged(first, end, records)

    @staticmethod
    def _room(pieces: Sequence[Piece]) -> bool:
        return sum(len(records) for _, _, records in pieces) < MOST


def _record(position: int) -> int:
    return position // POSITIONS_A_RECORD

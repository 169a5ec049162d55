"""What each gateway hears and sends: whether it is free at a time, and what a transmission would cost.

A gateway hears nothing while it sends. Where many devices speak at once, as when a street is switched on
together, an answer of two seconds in the slow second window drowns dozens of uplinks and the answers to
them; those devices then ask again, more slowly. So an answer is dropped where it would drown more than
itself: its device asks again a moment later, when there is room.
"""

from __future__ import annotations

from collections import defaultdict, deque

LOOK_S = 10.0  # how long back what was heard tells of what will be
_GAP_S = 0.005  # packet forwarders want 2.5 ms between two transmissions (sx1302_hal, jitqueue.c)
_KEPT = 512


class Traffic:
    """Of all gateways; times are loop time."""

    def __init__(self) -> None:
        self._heard: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._sending: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)

    def heard(self, gateway_id: str, now_s: float) -> None:
        """Note a frame that a gateway received."""
        self._heard[gateway_id].append(now_s)

    def sends(self, gateway_id: str, start_s: float, end_s: float, now_s: float) -> None:
        """Note a transmission that a gateway took."""
        ahead = [row for row in self._sending[gateway_id] if row[1] > now_s]
        self._sending[gateway_id] = [*ahead, (start_s, end_s)]

    def is_free(self, gateway_id: str, start_s: float, end_s: float) -> bool:
        """Tell whether a gateway sends nothing else then."""
        return all(
            row[1] + _GAP_S <= start_s or end_s + _GAP_S <= row[0] for row in self._sending[gateway_id]
        )

    def drowned(self, gateway_id: str, airtime_s: float, now_s: float) -> float:
        """Return how many uplinks a transmission of that length is expected to drown."""
        times = self._heard[gateway_id]
        while times and times[0] <= now_s - LOOK_S:
            times.popleft()
        return len(times) / LOOK_S * airtime_s

"""The ideal radio channel: everybody hears everybody, nothing collides, nothing fades.

`loses` may say of a frame, either way, that nobody hears it: a gateway that is away, interference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .frame import Frame, Listener, Tuning

_REMEMBER_US = 60_000_000  # longer than any frame and any receive window


class IdealChannel:
    """Frames in world time. Each link has the same RSSI and SNR."""

    def __init__(self, rssi_dbm: float = -80.0, snr_db: float = 9.0) -> None:
        self.rssi_dbm = rssi_dbm
        self.snr_db = snr_db
        self.frames_sent = 0
        self.loses: Callable[[Frame], bool] | None = None
        self._frames: deque[Frame] = deque()
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Tell a gateway of each frame from now on."""
        self._listeners.append(listener)

    def transmit(self, frame: Frame) -> None:
        """Put a frame on the air; its start may lie ahead of now."""
        self.frames_sent += 1
        if self.loses is not None and self.loses(frame):
            return
        while self._frames and self._frames[0].end_us < frame.start_us - _REMEMBER_US:
            self._frames.popleft()
        self._frames.append(frame)
        for listener in self._listeners:
            listener(frame)

    def audible(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """Return the frames that a receiver could demodulate and that overlap the interval, by start."""
        found = [
            frame
            for frame in self._frames
            if frame.start_us <= until_us
            and frame.end_us > since_us
            and frame.sender is not receiver
            and tuning.matches(frame)
        ]
        found.sort(key=lambda frame: frame.start_us)
        return found

    def received(self, frame: Frame, receiver: object) -> bool:
        """Everybody gets whole what is on the air."""
        return True

    def link(self, frame: Frame, receiver: object) -> tuple[float, float]:
        """Return (RSSI in dBm, SNR in dB): the same for all."""
        return self.rssi_dbm, self.snr_db

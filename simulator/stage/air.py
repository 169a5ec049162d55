"""The air of a stage and the gateway on its roof, both keeping count of what they carried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from simulator.channel import semtech
from simulator.channel.forwarder import Forwarder
from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel
from simulator.channel.radio import RadioChannel
from simulator.places import Place

_KEEP = 20_000
_BEFORE_US = 60_000_000  # then the gateway, which looks at the multiple, finds everybody there
_STRANGER = Place("stranger")


class AirFaults:
    """Takes frames from a channel: seeded losses, a roof that is deaf; and sends those of strangers."""

    def __init__(
        self,
        channel: IdealChannel | RadioChannel,
        loss_percent: float,
        seed: int,
        on_frame: Callable[[Frame, bool], None],
    ) -> None:
        """on_frame: told of each frame and whether it was taken."""
        self.loss_percent = loss_percent
        self.jam_percent = 0.0
        self.deaf = 0
        self.uplinks: list[Frame] = []
        self._channel = channel
        self._seed = seed
        self._on_frame = on_frame
        self._injecting = False
        channel.loses = self._lost

    def inject(self, frame: Frame) -> None:
        """Send a stranger's frame, from the middle of the city."""
        air = self._channel.at(_STRANGER) if isinstance(self._channel, RadioChannel) else self._channel
        self._injecting = True
        try:
            air.transmit(frame)
        finally:
            self._injecting = False

    def _lost(self, frame: Frame) -> bool:
        lost = self.deaf > 0 or self._drawn(frame) < max(self.loss_percent, self.jam_percent)
        if frame.inverted is False and not self._injecting:
            self.uplinks.append(frame)
            del self.uplinks[:-_KEEP]
        self._on_frame(frame, lost)
        return lost

    def _drawn(self, frame: Frame) -> float:
        """Return 0 to below 100, by seed, time and bytes alone: not by the order of calls."""
        if not self.loss_percent and not self.jam_percent:
            return 100.0
        text = b"%d %d %d " % (self._seed, frame.start_us, frame.freq_hz) + frame.payload
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest()) / (1 << 48) * 100


class StageForwarder(Forwarder):
    """Counts what the server acknowledged: that much it may never lose."""

    def __init__(self, *args: Any, slack_us: int = 0, **options: Any) -> None:
        """slack_us: not 0: keep-alive and statistics wait for the minute before each multiple of it."""
        super().__init__(*args, **options)
        self.on_sent: Callable[[], None] = lambda: None
        self.on_acked: Callable[[bytes], None] = lambda _payload: None
        self.cut = False
        self._slack_us = slack_us
        self._pending: dict[int, bytes] = {}
        self._payload = b""

    def _received(self, frame: Frame) -> None:
        self._payload = frame.payload
        super()._received(frame)
        self._payload = b""

    def _after(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        if self._slack_us and action in (self._keepalive, self._stat):
            before_us = self.now_us() + _BEFORE_US
            delay_s = (self._slack_us - before_us % self._slack_us) / 1e6
        super()._after(delay_s, action, *args)

    def _send(self, kind: int, body: bytes = b"", token: int | None = None) -> None:
        if self.cut:
            return
        super()._send(kind, body, token)
        if kind == semtech.PUSH_DATA and self._payload:
            self._pending[self._token] = self._payload
        self.on_sent()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take what the server says, unless the line is cut."""
        if self.cut:
            return
        if len(data) >= 4 and data[3] == semtech.PUSH_ACK:
            payload = self._pending.pop(int.from_bytes(data[1:3], "big"), None)
            if payload is not None:
                self.on_acked(payload)
        super().datagram_received(data, addr)

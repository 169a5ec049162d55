"""One frame, many gateways: copies are gathered for a moment and judged as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.model import LoraFrame, Reception

_NOTHING = -1000.0


@dataclass(slots=True)
class Heard:
    """A frame as all gateways heard it. arrived_at_s is loop time at the first copy."""

    phy: bytes
    arrived_at_s: float
    copies: list[LoraFrame] = field(default_factory=list[LoraFrame])

    @property
    def received_at_ms(self) -> int:
        """When the end of the frame arrived, by the gateway that was first."""
        return min(copy.received_at_ms for copy in self.copies)

    def best_first(self) -> list[LoraFrame]:
        """Return one copy a gateway, the strongest of each, strongest gateway first."""
        best: dict[str, LoraFrame] = {}
        for copy in self.copies:
            known = best.get(copy.gateway_id)
            if known is None or _strength(copy) > _strength(known):
                best[copy.gateway_id] = copy
        return sorted(best.values(), key=_strength, reverse=True)

    def receptions(self) -> tuple[Reception, ...]:
        """Return how each gateway heard it, strongest first."""
        return tuple(
            Reception(
                gateway_id=copy.gateway_id,
                rssi_dbm=copy.rssi_dbm,
                snr_db=copy.snr_db,
                frequency_hz=copy.frequency_hz,
                data_rate=f"SF{copy.spreading_factor}BW{copy.bandwidth_khz}",
            )
            for copy in self.best_first()
        )


def _strength(copy: LoraFrame) -> tuple[float, float, str]:
    """Order by SNR, then RSSI; the id makes the order total, so that a run can be repeated."""
    snr = _NOTHING if copy.snr_db is None else copy.snr_db
    rssi = _NOTHING if copy.rssi_dbm is None else copy.rssi_dbm
    return snr, rssi, copy.gateway_id


class Gathering:
    """Collects copies of equal bytes for `window_s`, then calls `ready` with them."""

    def __init__(self, window_s: float, limit: int, ready: Callable[[Heard], None]) -> None:
        self._window_s = window_s
        self._limit = limit
        self._ready = ready
        self._open: dict[bytes, tuple[Heard, asyncio.TimerHandle]] = {}

    def add(self, frame: LoraFrame) -> bool:
        """Take a copy; False when too many different frames are open: it is dropped."""
        entry = self._open.get(frame.phy)
        if entry is not None:
            entry[0].copies.append(frame)
            return True
        if len(self._open) >= self._limit:
            return False
        loop = asyncio.get_running_loop()
        heard = Heard(frame.phy, loop.time(), [frame])
        self._open[frame.phy] = (heard, loop.call_later(self._window_s, self._close_one, frame.phy))
        return True

    def _close_one(self, phy: bytes) -> None:
        heard, _ = self._open.pop(phy)
        self._ready(heard)

    def close(self) -> None:
        """Drop what is open."""
        for _, timer in self._open.values():
            timer.cancel()
        self._open.clear()

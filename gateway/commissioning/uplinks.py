"""The last uplinks of each device with how they were received, and its usual pauses: what checks look at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from gateway.model import Uplink
from gateway.silence import SILENT_INTERVALS, SILENT_LEAST_MS

KEPT = 8
DEVICES = 5000
_HOUR_MS = 3_600_000
_FORGOTTEN_MS = 24 * _HOUR_MS  # in this time a pause counts for half as long
_NEW_MS = 3 * _HOUR_MS  # so long every pause of a device is its own way; later a long one is an outage


@dataclass(slots=True)
class _Heard:
    """One device. pause_ms: the longest after which it was heard again lately, outages aside."""

    first_ms: int
    uplinks: tuple[Uplink, ...] = ()
    pause_ms: float = 0.0

    def take(self, uplink: Uplink) -> None:
        """Take an uplink, and the pause before it."""
        at_ms = uplink.received_at_ms
        if self.uplinks:
            pause_ms = max(0, at_ms - self.uplinks[-1].received_at_ms)
            longest_ms = self.pause_ms
            usual = pause_ms <= SILENT_LEAST_MS or pause_ms <= SILENT_INTERVALS * longest_ms
            longest_ms *= 0.5 ** (pause_ms / _FORGOTTEN_MS)
            if pause_ms > longest_ms and (usual or at_ms - self.first_ms <= _NEW_MS):
                longest_ms = pause_ms
            self.pause_ms = longest_ms
        self.uplinks = (*self.uplinks[1 - KEPT :], uplink)


class RecentUplinks:
    """In memory: a visit at the pole takes minutes. Fed by the pipeline, read by pages, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, _Heard] = OrderedDict()

    def heard(self, *uplinks: Uplink) -> None:
        """Keep uplinks."""
        known = self._of
        with self._lock:
            for uplink in uplinks:
                found = known.get(uplink.dev_eui)
                if found is None:
                    found = known[uplink.dev_eui] = _Heard(uplink.received_at_ms)
                else:
                    known.move_to_end(uplink.dev_eui)
                found.take(uplink)
            while len(known) > DEVICES:
                known.popitem(last=False)

    def of(self, dev_eui: str, since_ms: int = 0) -> list[Uplink]:
        """Return the last uplinks of a device that were received since a time, oldest first."""
        with self._lock:
            found = self._of.get(dev_eui)
            uplinks = found.uplinks if found is not None else ()
            return [uplink for uplink in uplinks if uplink.received_at_ms >= since_ms]

    def pause_ms(self, dev_eui: str) -> int:
        """Return the longest pause of a device lately, outages aside; 0 while there was none.

        Who sends between its usual times, as a rain gauge in a shower, is not to be heard more often.
        """
        with self._lock:
            found = self._of.get(dev_eui)
            return round(found.pause_ms) if found is not None else 0

"""The last uplinks of each device with how they were received: what a signal check looks at."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from gateway.model import Uplink

KEPT = 8
DEVICES = 5000


class RecentUplinks:
    """In memory: a visit at the pole takes minutes. Fed by the pipeline, read by pages, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, deque[Uplink]] = OrderedDict()

    def heard(self, uplink: Uplink) -> None:
        """Keep an uplink."""
        with self._lock:
            self._of.setdefault(uplink.dev_eui, deque(maxlen=KEPT)).append(uplink)
            self._of.move_to_end(uplink.dev_eui)
            while len(self._of) > DEVICES:
                self._of.popitem(last=False)

    def of(self, dev_eui: str, since_ms: int = 0) -> list[Uplink]:
        """Return the last uplinks of a device that were received since a time, oldest first."""
        with self._lock:
            return [uplink for uplink in self._of.get(dev_eui, ()) if uplink.received_at_ms >= since_ms]

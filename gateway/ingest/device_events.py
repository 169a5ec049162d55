"""What a network server says of its devices beside their uplinks, kept for the status page.

Nothing of it is a measurement and nothing of it is stored: after a restart it comes again. The table is
bounded, and of each device only the newest of each event is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

MAX_DEVICES = 20_000


class DeviceEvents:
    """The newest join, status, acknowledgement, log and location of each device."""

    def __init__(self) -> None:
        self._devices: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def note(self, dev_eui: str, event: str, at_ms: int, **facts: Any) -> None:
        """Keep the newest event of a kind; of too many devices the one that was silent longest goes."""
        device = self._devices.setdefault(dev_eui, {})
        self._devices.move_to_end(dev_eui)
        device[event] = {"at_ms": at_ms, **facts}
        if len(self._devices) > MAX_DEVICES:
            self._devices.popitem(last=False)

    def of(self, dev_eui: str) -> dict[str, Any]:
        """Return {event: {at_ms, ...}} of a device, empty when nothing was heard."""
        return self._devices.get(dev_eui, {})

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the events of every device."""
        return dict(self._devices)

"""Where devices are now, small enough to be kept of 100,000 of them, for who asks with every record."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Spot(msgspec.Struct, gc=False):
    """A device at a site from a time on, with what quality control needs of the site. to_ms None: still."""

    dev_eui: str
    id: str  # of the site
    empty_mm: float | None
    full_mm: float | None
    rain_mm_per_tip: float | None
    from_ms: int
    to_ms: int | None

    def holds(self, at_ms: int) -> bool:
        """Tell whether the device was there at a time."""
        return self.from_ms <= at_ms and (self.to_ms is None or at_ms < self.to_ms)


class Spots:
    """The newest deployment of each device that was asked for. `known`: the devices that have one."""

    def __init__(self, find: Callable[[str], Spot | None]) -> None:
        self._find = find
        self.known: dict[str, Spot] = {}
        self._before: dict[str, Spot] = {}

    def of(self, dev_eui: str) -> Spot | None:
        """Return where a device is, or was last; None when it is nowhere."""
        found = self.known.get(dev_eui)
        if found is None:
            found = self._find(dev_eui)
            if found is not None:
                before = self._before.pop(dev_eui, None)
                if before is not None and before == found:
                    found = before  # the same texts need no second place in memory
                self.known[found.dev_eui] = found
        return found

    def forget(self) -> None:
        """Ask again for each: the registry has changed."""
        if self.known:
            self._before = self.known | self._before
            self.known = {}

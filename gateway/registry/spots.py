"""Where devices are now, small enough to be kept of 100,000 of them, for who asks with every record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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

    def __init__(
        self,
        find: Callable[[str], Spot | None],
        find_many: Callable[[Sequence[str]], Iterable[Spot]] = lambda _: (),
    ) -> None:
        self._find = find
        self._find_many = find_many
        self.known: dict[str, Spot] = {}
        self._before: dict[str, Spot] = {}

    def of(self, dev_eui: str) -> Spot | None:
        """Return where a device is, or was last; None when it is nowhere."""
        found = self.known.get(dev_eui)
        if found is None:
            found = self._find(dev_eui)
            if found is not None:
                self._keep(found)
        return found

    def meet(self, dev_euis: Iterable[str]) -> None:
        """Look up many at once: a tenth of the work of asking one by one."""
        known = self.known
        missing = {dev_eui: dev_eui for dev_eui in dev_euis if dev_eui not in known}
        if len(missing) > 1:
            for found in self._find_many(list(missing)):
                found.dev_eui = missing.get(found.dev_eui, found.dev_eui)  # a text that others keep, too
                self._keep(found)

    def _keep(self, found: Spot) -> None:
        before = self._before.pop(found.dev_eui, None)
        # the same texts need no second place in memory
        self.known[found.dev_eui] = before if before == found and before is not None else found

    def forget(self) -> None:
        """Ask again for each: the registry has changed."""
        if self.known:
            self._before = self.known | self._before
            self.known = {}

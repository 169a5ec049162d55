"""Which sites a recipient may see and since when, kept for a moment: the same sites are asked for again.

What is kept is thrown away at any change of the register, in whatever process, and every second, because
agreements begin and end by the clock, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from gateway.model import PublicSite

KEPT_S = 1.0
MOST = 4000
Agreed = Mapping[str, tuple[PublicSite, int]]


class Agreements:
    """The agreements of one recipient; safe to ask from any thread."""

    def __init__(
        self, find: Callable[[Sequence[str]], Agreed], version: Callable[[], object] | None = None
    ) -> None:
        """find: looks sites up. version: what differs after a change; without it nothing is kept."""
        self._find = find
        self._version = version
        self._lock = threading.Lock()
        self._seen: object = None
        self._until_s = 0.0
        self._kept: dict[str, tuple[PublicSite, int] | None] = {}

    def of(self, site_ids: Sequence[str]) -> Agreed:
        """Return those of some sites that agreed, with the observed time from which on."""
        if self._version is None:
            return self._find(site_ids)
        with self._lock:
            version, now_s = self._version(), time.monotonic()
            if version != self._seen or now_s >= self._until_s:
                self._kept.clear()
                self._seen, self._until_s = version, now_s + KEPT_S
            kept = self._kept
            missing = [site_id for site_id in site_ids if site_id not in kept]
            if missing:
                if len(kept) + len(missing) > MOST:
                    kept.clear()
                    missing = list(site_ids)
                kept.update(dict.fromkeys(missing))
                kept.update(self._find(missing))
            found: dict[str, tuple[PublicSite, int]] = {}
            for site_id in site_ids:
                one = kept[site_id]
                if one is not None:
                    found[site_id] = one
            return found

"""What is public at this moment, read and put into words once for all who ask within a moment.

`version` tells what an answer depends on: (the register, the newest position). A change of the register is
seen at once: somebody who withdrew is in no answer made after that. New values are shown at most two seconds
later, and ages in words grow old by at most five. Without `version` nothing is remembered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.web.languages import Tongue
from gateway.web.settings import WebSettings
from gateway.web.view import SiteView, site_views

Version = tuple[Hashable, Hashable]
NEW_AFTER_S = 2.0  # when values have come in since
SAME_FOR_S = 5.0  # when none have: ages go on


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something was made, and of what."""

    version: Version
    made_s: float

    def holds(self, version: Version, same_for_s: float = SAME_FOR_S) -> bool:
        """Tell whether what was made then may still be shown."""
        age_s = time.monotonic() - self.made_s
        if self.version[0] != version[0]:
            return False
        return age_s < (same_for_s if self.version == version else min(NEW_AFTER_S, same_for_s))


def stamp(version: Version) -> Stamp:
    """Return a stamp of this moment; take it before reading, so that nothing newer passes for old."""
    return Stamp(version, time.monotonic())


@dataclass(slots=True)
class Snapshot:
    """Public sites and newest values; views: the same in words, by language."""

    stamp: Stamp | None
    now_ms: int
    sites: Sequence[PublicSite]
    latest: Sequence[PublicObservation]
    _views: dict[str, list[SiteView]] = field(default_factory=dict[str, list[SiteView]])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _measured: frozenset[str] | None = None

    @property
    def measured(self) -> frozenset[str]:
        """Return every quantity that has a newest value."""
        if self._measured is None:
            self._measured = frozenset(row.quantity for row in self.latest)
        return self._measured

    def views(self, tongue: Tongue, settings: WebSettings) -> list[SiteView]:
        """Return the sites in words."""
        with self._lock:
            found = self._views.get(tongue.language)
            if found is None:
                found = site_views(self.sites, self.latest, tongue, settings, self.now_ms)
                self._views[tongue.language] = found
            return found


class NowBook:
    """Gives snapshots. Safe to call from several threads; all calls block."""

    def __init__(
        self, reader: PublicReader, clock: Clock, settings: WebSettings, version: Callable[[], Version] | None
    ) -> None:
        self._reader, self._clock, self._settings = reader, clock, settings
        self._version = version
        self._lock = threading.Lock()
        self._last: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """Return what is public now."""
        if self._version is None:
            return self._read(None)
        with self._lock:
            version = self._version()
            last = self._last
            if last is None or last.stamp is None or not last.stamp.holds(version):
                last = self._last = self._read(stamp(version))
            return last

    def views(self, tongue: Tongue) -> list[SiteView]:
        """Return the public sites in words; the caller changes nothing of them."""
        return self.snapshot().views(tongue, self._settings)

    def _read(self, made: Stamp | None) -> Snapshot:
        now_ms = self._clock.now_ms()
        return Snapshot(made, now_ms, self._reader.sites(), self._reader.latest())

"""What a publisher is: it packs observations into parcels and sends one parcel at a time.

The follower (`gateway.publish.follower`) does the rest: reading from the store, waiting, positions, the
side list. A publisher keeps no state of its own about what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.model import PublicObservation, PublicReader
from gateway.publish.sitebook import News


@dataclass(frozen=True, slots=True)
class Rejection:
    """One observation that the platform (or its model) will never take, and why."""

    row: PublicObservation
    reason: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes out in one piece: the observations that it carries, and the publisher's own content."""

    rows: tuple[PublicObservation, ...]
    content: Any


@dataclass(frozen=True, slots=True)
class Packed:
    """A chunk made ready: parcels in the order of sending, and what cannot be sent at all.

    Rows that are in neither are not for this platform and count as done.
    """

    parcels: Sequence[Parcel]
    rejections: Sequence[Rejection] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel.

    rejections: refused for good. remaining: what must be tried again, None when nothing must; then `reason`
    says why, and after_s is the platform's own wish (Retry-After).
    """

    rejections: Sequence[Rejection] = ()
    remaining: Parcel | None = None
    reason: str = ""
    after_s: float | None = None


class Publisher(Protocol):
    """One platform."""

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        ...

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make parcels of a chunk in store order. Runs beside the loop; must not touch the network."""
        ...

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one parcel; attempt counts from 0. Faults of the platform are outcomes, not exceptions."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Announcer(Protocol):
    """What a publisher also has whose platform keeps something of sites that would go stale.

    Values tell of their site; this is for what changes between two of them.
    """

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Make parcels without rows that tell the news. Runs beside the loop; must not touch the network.

        Telling it twice must do no harm: after a kill it comes again.
        """
        ...

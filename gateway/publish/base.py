"""What a publisher is: it packs observations into parcels and sends one parcel at a time.

The follower (`gateway.publish.follower`) does the rest: reading from the store, waiting, positions, the
side list. A publisher keeps no state of its own about what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload, runtime_checkable

from gateway.model import PublicObservation, PublicReader, PublicRecord, RecordReader
from gateway.publish.sitebook import News


@dataclass(frozen=True, slots=True)
class Rejection:
    """One observation that the platform (or its model) will never take, and why."""

    row: PublicObservation
    reason: str


class Selection(Protocol):
    """Which observations of a record go out: their indexes, and what they are."""

    @property
    def indexes(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def sent(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Chosen:
    """A Selection that is no more than that."""

    indexes: Sequence[int]
    sent: tuple[str, ...]


class RecordRows(Sequence[PublicObservation]):
    """The observations that a parcel carries of whole records: made only where somebody looks at one."""

    __slots__ = ("_length", "parts")

    def __init__(self, parts: Sequence[tuple[PublicRecord, Selection]]) -> None:
        """parts: records, each with what of it goes out."""
        self.parts = parts
        self._length = sum([len(selection.sent) for _, selection in parts])

    @property
    def first_position(self) -> int:
        """Return the lowest position."""
        return min([record.position for record, _ in self.parts])

    def quantities(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield site and quantities of each record."""
        for record, selection in self.parts:
            yield record.site_id, selection.sent

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[PublicObservation]:
        for record, selection in self.parts:
            rows = record.rows()
            yield from [rows[at] for at in selection.indexes]

    @overload
    def __getitem__(self, at: int) -> PublicObservation: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[PublicObservation]: ...
    def __getitem__(self, at: int | slice) -> PublicObservation | Sequence[PublicObservation]:
        return list(self)[at]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes out in one piece: the observations that it carries, and the publisher's own content."""

    rows: Sequence[PublicObservation]
    content: Any

    @property
    def first_position(self) -> int | None:
        """Return the lowest position in it, None when it carries no observation."""
        if isinstance(self.rows, RecordRows):
            return self.rows.first_position
        return min([row.position for row in self.rows], default=None)

    def quantities(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return site and quantities of what it carries."""
        if isinstance(self.rows, RecordRows):
            return self.rows.quantities()
        return [(row.site_id, (row.quantity,)) for row in self.rows]


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


@runtime_checkable
class RecordPublisher(Protocol):
    """A publisher that takes whole records, which costs a tenth of taking their observations one by one."""

    chunk_records: int

    def pack_records(self, records: Sequence[PublicRecord], reader: RecordReader) -> Packed:
        """Make parcels of records in store order, as `pack` does of observations."""
        ...

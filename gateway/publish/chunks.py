"""What is in the store after a position, as one publisher sends it: read and packed in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from gateway.model import PublicObservation, PublicReader, PublicRecord, PublicSite, RecordReader
from gateway.publish.base import Packed, Parcel, Publisher, RecordPublisher, Rejection
from gateway.publish.sitebook import SiteBook, Told


@dataclass(frozen=True, slots=True)
class Chunk:
    """Observations that follow one another. seen: the store's newest position before it was read.

    count: how many there are; last: the position of the last one. learned: what the platform learns of sites.
    """

    seen: int
    count: int = 0
    last: int = 0
    packed: Packed = field(default_factory=lambda: Packed(()))
    learned: Mapping[str, Told] = field(default_factory=dict[str, Told])

    def done_after(self) -> list[int]:
        """Return up to which position everything is done once each parcel is."""
        found: list[int] = []
        following = self.last
        for parcel in reversed(self.packed.parcels):
            found.append(following)
            first = parcel.first_position
            if first is not None:
                following = min(following, first - 1)
        return found[::-1]


class Chunks:
    """Blocking: runs beside the loop. Whatever it raises, nothing has changed."""

    def __init__(
        self,
        publisher: Publisher,
        reader: PublicReader,
        book: SiteBook | None,
        newest: Callable[[], int] | None,
        chunk_rows: int | None,
    ) -> None:
        """book: what the platform knows of sites, where it is told. newest: the store's, over all sites."""
        self._publisher, self._reader, self._book, self._newest = publisher, reader, book, newest
        # A publisher whose requests hold more says so.
        self._chunk_rows: int = chunk_rows or getattr(publisher, "chunk_rows", 500)

    def after(self, position: int) -> Chunk:
        """Return what follows a position."""
        seen = self._newest() if self._newest else position
        reader, publisher = self._reader, self._publisher
        if isinstance(reader, RecordReader) and isinstance(publisher, RecordPublisher):
            records = reader.records_after(position, publisher.chunk_records)
            if not records:
                return Chunk(seen)
            count = sum([len(record.forms) for record in records])
            last = records[-1].position + len(records[-1].forms) - 1
            packed = self._pack_records(records, publisher, reader)
        else:
            rows = reader.after(position, self._chunk_rows)
            if not rows:
                return Chunk(seen)
            count, last, packed = len(rows), rows[-1].position, self.pack(rows)
        return Chunk(seen, count, last, packed, self.learned([one for one in packed.parcels if one.rows]))

    def pack(self, rows: Sequence[PublicObservation]) -> Packed:
        """Return observations packed; those on which the publisher itself fails are rejections."""
        if not rows:
            return Packed(())
        try:
            return self._publisher.pack(rows, self._reader)
        except Exception as error:
            if len(rows) == 1:
                return Packed((), (Rejection(rows[0], f"cannot be packed: {type(error).__name__}: {error}"),))
        parts = [self.pack([row]) for row in rows]
        return Packed(
            [parcel for part in parts for parcel in part.parcels],
            [rejection for part in parts for rejection in part.rejections],
        )

    def learned(self, parcels: Sequence[Parcel]) -> Mapping[str, Told]:
        """Return what a platform learns of sites by these parcels."""
        if self._book is None:
            return {}
        return self._book.learned(chain.from_iterable(one.quantities() for one in parcels), self.places)

    def places(self, site_ids: Sequence[str]) -> Mapping[str, PublicSite]:
        """Return some sites by their id."""
        if isinstance(self._reader, RecordReader):
            return self._reader.places_of(site_ids)
        return {site.site_id: site for site in self.all_places() if site.site_id in site_ids}

    def all_places(self) -> Sequence[PublicSite]:
        """Return all sites."""
        # Quick: the sites without what was measured there.
        places: Callable[[], Sequence[PublicSite]] | None = getattr(self._reader, "places", None)
        return self._reader.sites() if places is None else places()

    def _pack_records(
        self, records: Sequence[PublicRecord], publisher: RecordPublisher, reader: RecordReader
    ) -> Packed:
        try:
            return publisher.pack_records(records, reader)
        except Exception:
            return self.pack([row for record in records for row in record.rows()])

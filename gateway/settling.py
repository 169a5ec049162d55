"""Judging before storing: what is durable in the log can be shown at once, and the database follows.

At a low rate nearly every uplink is the next record of a device that stands where it stood. Such uplinks are
decoded and judged on the loop as soon as they are on the disk, a few at a time, and handed to the publishers;
a while later the store takes what has gathered in one transaction, as it was judged. Anything else (a number
that came before, a new device, a frame with parity, a command's answer) is left to the pipeline, with all
behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.backfill import Heard
from gateway.decode.protected import is_protected
from gateway.decode.records import decode_records
from gateway.errors import IngestError, StoreError
from gateway.model import Decoded, Uplink
from gateway.quality import Judge
from gateway.registry import Registry, Spot
from gateway.store import Outcome
from gateway.store.kept import Kept
from gateway.store.rows import Record
from wire import ports

MOST = 64  # uplinks at a time: more are worth a turn of the pipeline
_FIRST_NUMBER = 1 << 40  # of records that have none yet; they only stand in order


class Settled(msgspec.Struct, gc=False):
    """Uplinks from `first` to `last` of the log, judged. memories: of their sites, after them."""

    first: int
    last: int
    outcomes: list[Outcome]
    memories: dict[str, bytes]
    heard: list[Heard]
    records: list[Record]


class Settler:
    """Judges what is plain. Belongs to the loop; the pipeline sees to it that nobody judges meanwhile."""

    def __init__(self, registry: Registry, judge: Judge, kept: Kept) -> None:
        """kept: what the writer remembers; here it is only read."""
        self._registry = registry
        self._judge = judge
        self._kept = kept
        self._top_seq: dict[str, int] = {}  # of what is judged and not stored yet
        self._site_ms: dict[str, int] = {}
        self._number = _FIRST_NUMBER

    def stored(self, left: Sequence[Settled]) -> None:
        """Forget what is in the store by now. left: what is not."""
        self._top_seq.clear()
        self._site_ms.clear()
        for one in left:
            for outcome in one.outcomes:
                for record, site_id, _ in outcome.records:
                    self._top_seq[record.dev_eui] = record.seq
                    self._site_ms[site_id] = max(self._site_ms.get(site_id, 0), record.observed_at_ms)

    def settle(self, entries: Sequence[tuple[int, Uplink | StoreError]]) -> Settled | None:
        """Return uplinks of the log as they were judged; None, and nothing is done, when one is not plain."""
        spots = self._registry.spots().known
        tops: dict[str, int] = {}
        outcomes: list[Outcome] = []
        heard: list[Heard] = []
        new: list[tuple[Outcome, Decoded, Spot]] = []
        for sequence, uplink in entries:
            if not isinstance(uplink, Uplink) or uplink.f_port != ports.RECORDS or is_protected(uplink):
                return None
            dev_eui = uplink.dev_eui
            spot = spots.get(dev_eui)
            if spot is None or self._registry.profile_of(dev_eui) or not self._is_met(spot):
                return None
            try:
                records = decode_records(uplink)
            except IngestError:
                return None
            top = tops.get(dev_eui)
            if top is None:
                top = self._newest_seq(dev_eui)
            outcome = Outcome(sequence, uplink)
            for record in records:
                if record.seq <= top or not spot.holds(record.observed_at_ms):
                    return None
                top = record.seq
                new.append((outcome, record, spot))
            tops[dev_eui] = top
            outcomes.append(outcome)
            heard.append(Heard(dev_eui, tuple([record.seq for record in records]), (), uplink))
        self._top_seq |= tops
        found = self._judge.judge([(record, spot) for _, record, spot in new])
        made: list[Record] = []
        for (outcome, record, spot), judged in zip(new, found, strict=True):
            outcome.records.append((record, spot.id, judged))
            if judged.raws:
                at_ms = record.observed_at_ms
                self._number += 1
                made.append(
                    Record(
                        self._number, spot.id, at_ms, record.received_at_ms, judged.shape, judged.raws,
                        judged.values, self._is_late(spot.id, at_ms),
                    )
                )  # fmt: skip
        memory = self._judge.memory
        sites = list({spot.id for _, _, spot in new})
        memories = dict(zip(sites, memory.dumps([memory.row(one) for one in sites]), strict=True))
        return Settled(entries[0][0], entries[-1][0], outcomes, memories, heard, made)

    def _is_met(self, spot: Spot) -> bool:
        """Tell whether all is known of a device and its site that storing needs."""
        kept = self._kept
        return spot.dev_eui in kept.devices and spot.id in kept.sites and spot.id in self._judge.memory

    def _newest_seq(self, dev_eui: str) -> int:
        kept = self._kept
        return max(self._top_seq.get(dev_eui, -1), kept.top_seq[kept.devices[dev_eui]])

    def _is_late(self, site_id: str, at_ms: int) -> bool:
        kept = self._kept
        before_ms = max(self._site_ms.get(site_id, 0), kept.site_ms[kept.sites[site_id]])
        self._site_ms[site_id] = max(before_ms, at_ms)
        return before_ms > at_ms

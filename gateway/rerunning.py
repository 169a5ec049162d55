"""History judged again, or decoded and judged again, after a change of codec, quality method or calibration.

What would change is shown before anything does. Then both results are kept, with their methods and versions,
and the newer one speaks; publishers hear of it as of any new record, and treat it by their own rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import nlargest

from gateway.decode import Decoder
from gateway.errors import IngestError
from gateway.model import Decoded, Uplink
from gateway.quality import HISTORY_MS, Judge
from gateway.registry import Registry, Site, Spot
from gateway.shapes import Judged, Readings, Shape, head
from gateway.store import Store
from gateway.store.history.chunk import Stored
from gateway.store.history.replacing import Span, read_span, replace
from gateway.store.rows import values_of

DAY_MS = 86_400_000
EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Example:
    """One value as it was and as it would be."""

    site_id: str
    quantity: str
    observed_at_ms: int
    before: float | None
    after: float | None
    flags_before: tuple[str, ...]
    flags_after: tuple[str, ...]
    method_before: str
    method_after: str

    @property
    def difference(self) -> float:
        """How far the shown value moves; without bound where it comes or goes."""
        if self.before is None or self.after is None:
            return 0.0 if self.before is self.after else float("inf")
        return abs(self.after - self.before)


@dataclass(slots=True)
class Changes:
    """What a run found. Counts are of values but `seen` and `changed`, which are of records."""

    seen: int = 0
    changed: int = 0
    added: int = 0
    values: dict[str, int] = field(default_factory=dict[str, int])  # by quantity
    flags: dict[str, int] = field(default_factory=dict[str, int])  # "+range", "-stuck"
    methods: dict[str, int] = field(default_factory=dict[str, int])  # "none 0 -> linear 1"
    largest: dict[str, float] = field(default_factory=dict[str, float])  # by quantity
    examples: list[Example] = field(default_factory=list[Example])

    def note(self, found: Iterable[Example]) -> None:
        """Count differences, and remember the largest."""
        found = list(found)
        for one in found:
            if one.difference:
                _count(self.values, one.quantity)
                self.largest[one.quantity] = max(self.largest.get(one.quantity, 0.0), one.difference)
            for flag in set(one.flags_after) - set(one.flags_before):
                _count(self.flags, f"+{flag}")
            for flag in set(one.flags_before) - set(one.flags_after):
                _count(self.flags, f"-{flag}")
            if one.method_before != one.method_after:
                _count(self.methods, f"{one.method_before} -> {one.method_after}")
        self.examples = nlargest(EXAMPLES, [*self.examples, *found], key=lambda one: one.difference)


class Rerun:
    """A run over a time. Nothing is changed before `apply` is asked for."""

    def __init__(self, store: Store, registry: Registry, start_ms: int, end_ms: int) -> None:
        self._store, self._registry = store, registry
        self._start_ms, self._end_ms = start_ms, end_ms
        self._decoded: dict[tuple[str, int], Decoded] = {}
        self._names = dict(store.database.query("SELECT id, dev_eui FROM devices"))
        self._sites = {site.id: site for site in registry.sites()}
        self.changes = Changes()

    def decode(self, frames: Iterable[Uplink], decoder: Decoder) -> int:
        """Decode frames again; their readings stand in for those that are stored. Return how many records."""
        for uplink in frames:
            if uplink.received_at_ms < self._start_ms:
                continue
            with suppress(IngestError):  # it could not be used then, and cannot now
                for record in decoder.decode(uplink).records:
                    if self._start_ms <= record.observed_at_ms < self._end_ms:
                        self._decoded.setdefault((record.dev_eui, record.seq), record)
        return len(self._decoded)

    def run(
        self, sites: Sequence[str], *, apply: bool, told: Callable[[str], None] = lambda _site: None
    ) -> Changes:
        """Judge the records of sites again; with apply, keep the new results. Raise StoreError."""
        for site_id in sites:
            site = self._sites.get(site_id)
            if site is not None:
                self._site(site, apply)
            told(site_id)
        if self._decoded:
            self._add(sites, apply)
        return self.changes

    def _site(self, site: Site, apply: bool) -> None:
        judge = self._judge(site.id)
        first = self._start_ms
        while first < self._end_ms:
            end = min(first - first % DAY_MS + DAY_MS, self._end_ms)
            span = read_span(self._store, site.id, first, end)
            if span is None:
                return
            results = dict(self._span(judge, site, span))
            if apply:
                replace(self._store, span, results)
            first = end

    def _judge(self, site_id: str) -> Judge:
        start_ms = self._start_ms

        def history(_site_id: str) -> list[tuple[str, int, float | None]]:
            rows = self._store.between(start_ms - HISTORY_MS, start_ms, 10**7, [site_id])
            return [(row.form.quantity, row.observed_at_ms, row.raw) for row in rows]

        judge = Judge(history, self._registry.correction, self._registry.corrected_devices)
        judge.meet(site_id, None)
        return judge

    def _span(self, judge: Judge, site: Site, span: Span) -> Iterator[tuple[int, Judged]]:
        """Yield the new results of those records of a span that come out otherwise, by id."""
        for row in span.rows:
            shape = self._store.shape_of(row[6])
            decoded = self._decoded.pop((self._names[row[1]], row[2]), None) or self._as_decoded(row, shape)
            spot = Spot(decoded.dev_eui, site.id, site.empty_mm, site.full_mm, site.rain_mm_per_tip, 0, None)
            judged = judge.judge([(decoded, spot)])[0]
            self.changes.seen += 1
            raws, values = values_of(len(shape), row[7])
            if not _alike(judged.shape, shape) or judged.raws != raws or judged.values != values:
                self.changes.changed += 1
                self.changes.note(_differences(site.id, row[3], Judged(shape, raws, values), judged))
                yield row[0], judged

    def _as_decoded(self, row: Stored, shape: Shape) -> Decoded:
        raws, _ = values_of(len(shape), row[7])
        own = shape.forms[: shape.n_readings]
        form = head(
            tuple(one.quantity for one in own),
            tuple(one.unit for one in own),
            tuple(one.state for one in own),
        )
        return Decoded(
            self._names[row[1]], row[2], row[3], shape.time_quality, row[4],
            Readings(form, raws[: shape.n_readings]),
        )  # fmt: skip

    def _add(self, sites: Sequence[str], apply: bool) -> None:
        """Store records that could not be used when they came."""
        new: list[tuple[Decoded, str, Judged]] = []
        judges: dict[str, Judge] = {}
        wanted = set(sites)
        for decoded in sorted(self._decoded.values(), key=lambda one: one.observed_at_ms):
            site = self._registry.site_of(decoded.dev_eui, decoded.observed_at_ms)
            if (
                site is None
                or site.id not in wanted
                or self._store.known(decoded.dev_eui, decoded.seq) is not None
            ):
                continue
            judge = judges.get(site.id)
            if judge is None:
                judge = judges[site.id] = self._judge(site.id)
            spot = Spot(decoded.dev_eui, site.id, site.empty_mm, site.full_mm, site.rain_mm_per_tip, 0, None)
            new.append((decoded, site.id, judge.judge([(decoded, spot)])[0]))
        self.changes.added = len(new)
        if apply:
            self._store.put_imported(new)


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _alike(one: Shape, other: Shape) -> bool:
    return one is other or (one.forms, one.n_readings, one.time_quality) == (
        other.forms,
        other.n_readings,
        other.time_quality,
    )


def _differences(site_id: str, at_ms: int, old: Judged, new: Judged) -> Iterator[Example]:
    before = _by_quantity(old)
    after = _by_quantity(new)
    for quantity in dict.fromkeys((*before, *after)):
        value, flags, method = before.get(quantity, (None, (), "-"))
        now, flags_now, method_now = after.get(quantity, (None, (), "-"))
        if (value, flags, method) != (now, flags_now, method_now):
            yield Example(site_id, quantity, at_ms, value, now, flags, flags_now, method, method_now)


def _by_quantity(judged: Judged) -> Mapping[str, tuple[float | None, tuple[str, ...], str]]:
    return {
        form.quantity: (value, form.flags, f"{form.method} {form.method_version}")
        for form, value in zip(judged.shape.forms, judged.values, strict=True)
    }

"""Both kinds of entities behind one door: ours (made from the public reader) and those that others wrote.

Observations are read by index, forwards or backwards in time from any point, so an answer costs what it holds
and not what the store holds. A filter that hits seldom examines at most BUDGET rows, then answers with what
it has and a nextLink from where it stopped.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.clock import Clock
from gateway.exports import iso_utc
from gateway.model import PublicObservation
from gateway.publish.sensorthings.vocabulary import Stream, parameters, quality, results
from gateway.publish.sensorthings_server.catalogue import Catalogue, house_catalogue, link
from gateway.publish.sensorthings_server.evaluate import Evaluator, sort_key
from gateway.publish.sensorthings_server.grammar import Call, Literal, Node, Path
from gateway.publish.sensorthings_server.model import OBSERVATIONS, Entity, Refused
from gateway.publish.sensorthings_server.options import Options
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings
from gateway.publish.sensorthings_server.values import Time, time_of
from gateway.publish.sensorthings_server.written import FIRST_OBSERVATION, Written

BUDGET = 200_000
SORTED_MOST = 100_000
AT_ONCE = 64 * 200_000  # positions (64 a record) that are counted while somebody waits
PATIENCE_S = 3.0
CATALOGUE_MS = 1000  # a withdrawn consent is away this soon
EARLIEST, LATEST = -(1 << 52), 1 << 52


@dataclass(slots=True)
class Page:
    """Part of a collection. next: options that replace those of the request in nextLink, None at the end."""

    entities: list[Entity]
    count: int | None = None
    next: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Which observations: of Datastreams, of a FeatureOfInterest, or all."""

    datastreams: tuple[int, ...] | None = None
    feature: int | None = None


class Service:
    """Reads. All methods block: call them beside the loop."""

    def __init__(
        self, reader: Any, clock: Clock, settings: SensorThingsServerSettings, written: Written | None
    ) -> None:
        """reader: a PublicReader with `scan`, `at` and `newest_position` (SqlitePublicReader)."""
        self._reader = reader
        self._clock = clock
        self.settings = settings
        self.written = written
        self._lock = threading.Lock()
        self._cached: Catalogue | None = None
        self._cached_ms = 0
        self._first: dict[Stream, int] = {}
        self._counts = _Counts(reader)

    def catalogue(self) -> Catalogue:
        """Return all entities but observations as they are now."""
        with self._lock:
            now_ms = self._clock.now_ms()
            if self._cached is None or not 0 <= now_ms - self._cached_ms < CATALOGUE_MS:
                found = house_catalogue(
                    self._reader, self._first_ms, self.settings.encoding, self.settings.attribution
                )
                if self.written is not None:
                    _merge(found, self.written)
                self._cached, self._cached_ms = found, now_ms
            return self._cached

    def changed(self) -> None:
        """Say that something was written."""
        with self._lock:
            self._cached = None

    def evaluator(self, catalogue: Catalogue) -> Evaluator:
        """Return an evaluator over a catalogue."""
        return Evaluator(lambda entity, name: self.related(catalogue, entity, name), self._clock.now_ms())

    def related(self, catalogue: Catalogue, entity: Entity, name: str) -> Iterable[Entity]:
        """Return the entities behind a navigation property."""
        relation = entity.type.relations[name]
        if relation.type == "Observations":
            return self.observations(catalogue, source_of(entity), EARLIEST, LATEST, False)
        found = catalogue.entities[relation.type]
        return [found[one] for one in entity.links.get(name, ()) if one in found]

    def observation(self, catalogue: Catalogue, entity_id: int) -> Entity | None:
        """Return an observation by id, or None."""
        if entity_id >= FIRST_OBSERVATION:
            return self.written.observation(entity_id) if self.written else None
        row: PublicObservation | None = self._reader.at(entity_id // 2)
        found = [] if row is None else observations_of(row, catalogue)
        return next((one for one in found if one.id == entity_id), None)

    # -- collections

    def page(self, catalogue: Catalogue, entities: Iterable[Entity], options: Options, top: int) -> Page:
        """Return a page of entities other than observations."""
        evaluator = self.evaluator(catalogue)
        found = [one for one in entities if options.filter is None or evaluator.holds(options.filter, one)]
        found.sort(key=lambda one: one.id)
        _sort(found, options, evaluator)
        count = len(found) if options.count else None
        shown = found[options.skip : options.skip + top]
        more = options.skip + top < len(found)
        return Page(shown, count, {"$skip": str(options.skip + top)} if more else None)

    def observation_page(self, catalogue: Catalogue, source: Source, options: Options, top: int) -> Page:
        """Return a page of observations."""
        descending = _by_time(options, self.written is None)
        count = self._count(catalogue, source, options) if options.count else None
        if descending is None:
            return self._sorted_page(catalogue, source, options, top, count)
        evaluator = self.evaluator(catalogue)
        start_ms, end_ms = time_bounds(options.filter)
        edge = _edge(options.skip_token)
        if edge is not None and descending:
            end_ms = min(end_ms, edge[0] + 1)
        elif edge is not None:
            start_ms = max(start_ms, edge[0])
        page = Page([], count)
        skip, examined, last = (0 if edge else options.skip), 0, edge
        for one in self.observations(catalogue, source, start_ms, end_ms, descending):
            key = _key(one)
            if edge is not None and (key >= edge if descending else key <= edge):
                continue
            if len(page.entities) >= top or examined >= BUDGET:
                assert last is not None or top == 0
                page.next = {"$skiptoken": f"{last[0]}.{last[1]}"} if last else None
                break
            examined += 1
            last = key
            if options.filter is not None and not evaluator.holds(options.filter, one):
                continue
            if skip > 0:
                skip -= 1
                continue
            page.entities.append(one)
        return page

    def _sorted_page(
        self, catalogue: Catalogue, source: Source, options: Options, top: int, count: int | None
    ) -> Page:
        evaluator = self.evaluator(catalogue)
        found: list[Entity] = []
        for number, one in enumerate(
            self.observations(catalogue, source, *time_bounds(options.filter), False)
        ):
            if number >= SORTED_MOST:
                raise Refused(
                    400,
                    f"$orderby: more than {SORTED_MOST} to sort; order by phenomenonTime, or narrow "
                    "phenomenonTime in $filter",
                )
            if options.filter is None or evaluator.holds(options.filter, one):
                found.append(one)
        _sort(found, options, evaluator)
        more = options.skip + top < len(found)
        shown = found[options.skip : options.skip + top]
        return Page(shown, count, {"$skip": str(options.skip + top)} if more else None)

    def _count(self, catalogue: Catalogue, source: Source, options: Options) -> int | None:
        start_ms, end_ms = time_bounds(options.filter)
        if options.filter is None:
            ours = self._counts.of(catalogue, source)
            if self.written is None or ours is None:
                return ours
            return ours + self.written.count(source.datastreams, source.feature)
        evaluator = self.evaluator(catalogue)
        count = 0
        for examined, one in enumerate(self.observations(catalogue, source, start_ms, end_ms, False)):
            if examined >= BUDGET:
                return None  # too many to be counted now: no number is better than a wrong one
            count += evaluator.holds(options.filter, one)
        return count

    def observations(
        self, catalogue: Catalogue, source: Source, start_ms: int, end_ms: int, descending: bool
    ) -> Iterator[Entity]:
        """Yield observations in [start_ms, end_ms) by (time, id)."""
        ours = self._ours(catalogue, source, start_ms, end_ms, descending)
        if self.written is None:
            return ours
        streams = list(source.datastreams) if source.datastreams is not None else None
        theirs = self.written.scan(streams, source.feature, start_ms, end_ms, descending)
        return heapq.merge(ours, theirs, key=_key, reverse=descending)

    def _ours(
        self, catalogue: Catalogue, source: Source, start_ms: int, end_ms: int, descending: bool
    ) -> Iterator[Entity]:
        site_id: str | None = None
        wanted: set[int] | None = None
        if source.datastreams is not None:
            streams = [catalogue.streams[one] for one in source.datastreams if one in catalogue.streams]
            if not streams:
                return
            wanted = set(source.datastreams)
            sites = {stream.site_id for stream in streams}
            site_id = sites.pop() if len(sites) == 1 else None
            end_ms = min(end_ms, 1 + max(catalogue.last_ms[stream] for stream in streams))
        elif source.feature is not None:
            site_id = next((site for site, one in catalogue.features.items() if one == source.feature), None)
            if site_id is None:
                return
        for row in self._reader.scan(start_ms, end_ms, site_id, descending=descending):
            found = observations_of(row, catalogue)
            for one in reversed(found) if descending else found:
                if wanted is None or one.links["Datastream"][0] in wanted:
                    yield one

    def _first_ms(self, stream: Stream, last_ms: int) -> int | None:
        first = self._first.get(stream)
        if first is None:
            rows = self._reader.scan(EARLIEST, last_ms + 1, stream.site_id)
            fits = (row for row in rows if any(stream == one for one, _ in results(row)))
            row = next(fits, None)
            if row is None:
                return None
            first = self._first[stream] = row.observed_at_ms
        return first


class _Counts:
    """Numbers of observations a Datastream, kept up by reading what is new only."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._worker: threading.Thread | None = None
        self._position = 0
        self._sites: frozenset[str] = frozenset()
        self._numbers: Counter[Stream] = Counter()

    def of(self, catalogue: Catalogue, source: Source) -> int | None:
        """Return a number; None while a large store is read for the first time, which goes on meanwhile."""
        if self._reader.newest_position() - self._position > AT_ONCE:
            with self._starting:
                if self._worker is None or not self._worker.is_alive():
                    self._worker = threading.Thread(target=self._catch_up, args=(catalogue,), daemon=True)
                    self._worker.start()
            self._worker.join(PATIENCE_S)
            if self._worker.is_alive():
                return None
        with self._lock:
            self._catch_up_locked(catalogue)
            if source.datastreams is not None:
                streams = [catalogue.streams[one] for one in source.datastreams if one in catalogue.streams]
                return sum(self._numbers[stream] for stream in streams)
            if source.feature is not None:
                at = {site for site, feature in catalogue.features.items() if feature == source.feature}
                return sum(number for stream, number in self._numbers.items() if stream.site_id in at)
            return self._numbers.total()

    def _catch_up(self, catalogue: Catalogue) -> None:
        with self._lock:
            self._catch_up_locked(catalogue)

    def _catch_up_locked(self, catalogue: Catalogue) -> None:
        sites = frozenset(catalogue.features)
        if sites != self._sites:
            self._position, self._sites = 0, sites
            self._numbers.clear()
        while rows := self._reader.after(self._position, 20_000):
            self._numbers.update(stream for row in rows for stream, _ in results(row))
            self._position = rows[-1].position


def source_of(entity: Entity) -> Source:
    """Return the observations of a Datastream or FeatureOfInterest."""
    if entity.type.name == "Datastreams":
        return Source((entity.id,))
    return Source(None, entity.id)


def time_bounds(node: Node | None) -> tuple[int, int]:
    """Return [start, end) in ms outside of which a filter on phenomenonTime cannot hold."""
    start_ms, end_ms = EARLIEST, LATEST
    if not isinstance(node, Call):
        return start_ms, end_ms
    if node.name == "and":
        for one in node.arguments:
            first, last = time_bounds(one)
            start_ms, end_ms = max(start_ms, first), min(end_ms, last)
        return start_ms, end_ms
    if len(node.arguments) != 2:
        return start_ms, end_ms
    left, right = node.arguments
    name = node.name
    if isinstance(left, Literal):
        left, right = right, left
        name = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}.get(name, name)
    if left != Path(("phenomenonTime",)) or not isinstance(right, Literal):
        return start_ms, end_ms
    time = _time(right.value)
    if time is None:
        return start_ms, end_ms
    if name in ("gt", "ge", "eq", "during"):
        start_ms = time.start
    if name in ("lt", "le", "eq", "during"):
        end_ms = time.end + 1
    return start_ms, end_ms


def _time(value: Any) -> Time | None:
    if isinstance(value, Time):
        return value
    try:
        return time_of(value) if isinstance(value, str) else None
    except ValueError:
        return None


def observations_of(row: PublicObservation, catalogue: Catalogue) -> list[Entity]:
    """Return a row of the store as observations: what is shown, and what was measured where that differs."""
    found: list[Entity] = []
    feature = catalogue.features.get(row.site_id)
    for stream, result in results(row):
        datastream = catalogue.datastreams.get(stream)
        if datastream is None or feature is None:
            continue
        time = iso_utc(row.observed_at_ms)
        fields = {
            "phenomenonTime": time,
            "result": result,
            "resultTime": time,
            "resultQuality": quality(row),
            "parameters": parameters(row, stream.is_raw),
        }
        links = {"Datastream": [datastream], "FeatureOfInterest": [feature]}
        found.append(Entity(OBSERVATIONS, row.position * 2 + stream.is_raw, fields, links))
    return found


def _key(entity: Entity) -> tuple[int, int]:
    return time_of(entity.fields["phenomenonTime"]).start, entity.id


def _by_time(options: Options, is_ours: bool) -> bool | None:
    """Return whether the order is time backwards; None when it is another order.

    is_ours: all observations are of this network, of which resultTime is phenomenonTime.
    """
    if not options.order:
        return False
    node, descending = options.order[0]
    others = all(
        one in (Path(("id",)), Path(("@iot.id",))) and way == descending for one, way in options.order[1:]
    )
    times = ("phenomenonTime", "resultTime") if is_ours else ("phenomenonTime",)
    return descending if others and any(node == Path((name,)) for name in times) else None


def _edge(token: str) -> tuple[int, int] | None:
    if not token:
        return None
    first, dot, last = token.partition(".")
    try:
        if not dot or len(token) > 40:
            raise ValueError
        return int(first), int(last)
    except ValueError:
        raise Refused(400, "$skiptoken: not one of ours; start from the first page") from None


def _sort(found: list[Entity], options: Options, evaluator: Evaluator) -> None:
    for node, descending in reversed(options.order):

        def key(one: Entity, node: Node = node) -> tuple[int, Any]:
            return sort_key(evaluator.value(node, one))

        found.sort(key=key, reverse=descending)


def _merge(found: Catalogue, written: Written) -> None:
    """Add what others wrote; links from there to our entities get their way back."""
    with written.lock:
        for kind, entities in written.entities.items():
            for entity in entities.values():
                copy = Entity(
                    entity.type, entity.id, dict(entity.fields), {k: list(v) for k, v in entity.links.items()}
                )
                found.entities[kind][entity.id] = copy
        for kind, entities in written.entities.items():
            for entity_id in entities:
                _link_back(found, found.entities[kind][entity_id])
        for datastream in written.entities["Datastreams"].values():
            span = written.span(datastream.id)
            if span is not None:
                first, last = map(iso_utc, span)
                fields = found.entities["Datastreams"][datastream.id].fields
                fields["phenomenonTime"] = first if first == last else f"{first}/{last}"


def _link_back(found: Catalogue, entity: Entity) -> None:
    for name, ids in list(entity.links.items()):
        others = found.entities.get(entity.type.relations[name].type, {})
        for one in ids:
            if one in others:
                link(found.entities, entity, name, others[one])

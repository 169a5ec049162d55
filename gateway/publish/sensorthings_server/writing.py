"""POST, PATCH, PUT and DELETE (clause 10), and CreateObservations (clause 13.2). Ours can never be written.

Everything of one request happens or nothing does; only CreateObservations answers row by row.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from gateway.clock import Clock
from gateway.exports import iso_utc
from gateway.publish.sensorthings_server.catalogue import Catalogue, link
from gateway.publish.sensorthings_server.model import TYPES, Entity, EntityType, Fields, Refused
from gateway.publish.sensorthings_server.reading import Target, resolve
from gateway.publish.sensorthings_server.service import Service
from gateway.publish.sensorthings_server.values import time_of, time_text
from gateway.publish.sensorthings_server.written import Written

T = TypeVar("T")
MAX_DEPTH = 8
MAX_ROWS = 10_000
_OBJECTS = ("properties", "unitOfMeasurement", "location", "feature", "observedArea", "parameters")
_TEXTS = ("name", "description", "definition", "encodingType", "observationType")


class Editor:
    """Changes what others wrote. All methods block."""

    def __init__(
        self,
        service: Service,
        written: Written,
        clock: Clock,
        tell: Callable[[Entity], None] = lambda _entity: None,
    ) -> None:
        """tell: called with each entity that was added or changed, after it was kept."""
        self._tell_now = tell
        self._holder: int | None = None  # the thread that does several things together
        self._to_tell: list[Entity] = []
        self._service = service
        self._written = written
        self._clock = clock

    def post(self, path: str, body: Any) -> Entity:
        """Add an entity with all that is inline; return it; raise Refused."""
        catalogue = self._service.catalogue()
        target = resolve(self._service, catalogue, path)
        if target.entity is not None or target.is_reference or target.is_count:
            raise Refused(405, "POST goes to a collection")

        def work() -> Entity:
            found = dict(_object(body, target.kind.one))
            if target.parent is not None:
                name = self._to_parent(target)
                found[name] = _with(found.get(name), target.parent.id, target.kind.relations[name].is_many)
            return self._create(catalogue, target.kind, found, 0)

        entity = self._atomic(work)
        self._tell(entity)
        return entity

    def create_observations(self, body: Any) -> list[int | str]:
        """Add data arrays; return an id for each row that is in, else `error: ...`."""
        catalogue = self._service.catalogue()
        if not isinstance(body, list):
            raise Refused(400, "CreateObservations: a list of data arrays is expected")
        arrays = [_object(one, "data array") for one in cast("list[Any]", body)]
        found: list[int | str] = []
        for array in arrays:
            components: Any = array.get("components")
            rows: Any = array.get("dataArray")
            if not isinstance(components, list) or not isinstance(rows, list):
                raise Refused(400, "CreateObservations: components and dataArray are lists")
            for row in cast("list[Any]", rows):
                found.append(self._row(catalogue, array, cast("list[Any]", components), row))
                if len(found) > MAX_ROWS:
                    raise Refused(413, f"CreateObservations: more than {MAX_ROWS} rows")
        return found

    def patch(self, path: str, body: Any, is_whole: bool) -> None:
        """Change an entity (PATCH), or all of its properties (PUT); raise Refused."""
        catalogue = self._service.catalogue()
        entity = self._theirs(resolve(self._service, catalogue, path))
        found = _object(body, entity.type.one)

        def work() -> None:
            links: dict[str, list[int]] = {}
            for name in entity.type.relations:
                if name in found:
                    links[name] = [_reference(one, name) for one in _each(found[name])]
            changed = _fields(entity.type, found)
            fields = changed if is_whole else {**entity.fields, **changed}
            _check(entity.type, fields)
            entity.fields = fields
            if entity.type.name == "Observations":
                fields.setdefault("phenomenonTime", iso_utc(self._clock.now_ms()))
                for name, ids in links.items():
                    self._find(catalogue, entity.type.relations[name].type, ids[0])
                    entity.links[name] = ids
                self._written.change_observation(entity)
                return
            for name, ids in links.items():
                self._relink(catalogue, entity, name, ids)
            self._written.save(entity)

        self._atomic(work)
        self._tell(entity)

    def delete(self, path: str) -> None:
        """Remove an entity and what cannot be without it; raise Refused."""
        catalogue = self._service.catalogue()
        entity = self._theirs(resolve(self._service, catalogue, path))
        self._atomic(lambda: self._remove(entity))

    @contextmanager
    def together(self) -> Generator[None]:
        """Do several things in this thread: all of them happen, or none does."""
        with self._written.lock:
            self._written.begin()
            self._holder = threading.get_ident()
            is_good = False
            try:
                yield
                is_good = True
            finally:
                self._written.end(is_good)
                told, self._to_tell, self._holder = self._to_tell, [], None
                self._service.changed()
        for entity in told:
            self._tell(entity)

    # -- within

    def _tell(self, entity: Entity) -> None:
        if self._holder == threading.get_ident():
            self._to_tell.append(entity)
        else:
            self._tell_now(entity)

    def _atomic(self, work: Callable[[], T]) -> T:
        with self._written.lock:
            if self._holder is not None:  # it is ours: nobody else has the lock
                result = work()
                self._service.changed()
                return result
            self._written.begin()
            try:
                result = work()
            except BaseException:
                self._written.end(False)
                raise
            self._written.end(True)
        self._service.changed()
        return result

    def _row(self, catalogue: Catalogue, array: Fields, components: list[Any], row: Any) -> int | str:
        def work() -> Entity:
            values = cast("list[Any]", row) if isinstance(row, list) else []
            if len(values) != len(components):
                raise Refused(400, f"{len(components)} values are expected")
            found: Fields = {"Datastream": array.get("Datastream")}
            for name, value in zip(components, values, strict=True):
                if name == "FeatureOfInterest/id":
                    found["FeatureOfInterest"] = {"@iot.id": value}
                else:
                    found[str(name)] = value
            return self._create(catalogue, TYPES["Observations"], found, 0)

        try:
            entity = self._atomic(work)
            self._tell(entity)
            return entity.id
        except Refused as error:
            return f"error: {error}"

    def _create(self, catalogue: Catalogue, kind: EntityType, body: Fields, depth: int) -> Entity:
        if depth > MAX_DEPTH:
            raise Refused(400, f"nested deeper than {MAX_DEPTH}")
        fields = _fields(kind, body)
        if kind.name == "Observations":
            return self._create_observation(catalogue, fields, body, depth)
        _check(kind, fields)
        for relation in kind.relations.values():
            if relation.is_required and body.get(relation.name) is None:
                raise Refused(400, f"{kind.one}: {relation.name} is missing")
        entity = self._written.add(kind.name, fields)
        later: list[tuple[str, Fields]] = []
        for relation in kind.relations.values():
            for one in _each(body.get(relation.name)):
                content = _object(one, relation.name)
                if "@iot.id" in content:
                    other = self._find(catalogue, relation.type, _reference(content, relation.name))
                elif TYPES[relation.type].relations[relation.back].is_required:
                    later.append((relation.name, {**content, relation.back: {"@iot.id": entity.id}}))
                    continue
                else:
                    other = self._create(catalogue, TYPES[relation.type], content, depth + 1)
                self._join(entity, relation.name, other)
        self._written.save(entity)
        for name, content in later:
            self._create(catalogue, TYPES[kind.relations[name].type], content, depth + 1)
        if kind.name == "Things" and entity.links.get("Locations"):
            self._remember_place(entity)
        if kind.name == "Locations":
            self._moved_here(entity)
        return entity

    def _moved_here(self, place: Entity) -> None:
        """Have the Things that were named with a new Location be there, and nowhere else any more."""
        for thing_id in list(place.links.get("Things", ())):
            thing = self._written.entities["Things"].get(thing_id)
            if thing is None:
                continue
            for old in list(thing.links.get("Locations", ())):
                if old != place.id:
                    self._part(thing, "Locations", old)
            self._written.save(thing)
            self._remember_place(thing)

    def _create_observation(self, catalogue: Catalogue, fields: Fields, body: Fields, depth: int) -> Entity:
        fields.setdefault("phenomenonTime", iso_utc(self._clock.now_ms()))
        fields.setdefault("resultTime", None)
        _check(TYPES["Observations"], fields)
        stream = self._related_or_new(catalogue, "Datastreams", "Datastream", body, depth)
        if stream is None:
            raise Refused(400, "Observation: Datastream is missing")
        if stream.id in catalogue.streams:
            raise Refused(
                403, "Datastream: this one belongs to the network and takes no observations of others"
            )
        feature = self._related_or_new(catalogue, "FeaturesOfInterest", "FeatureOfInterest", body, depth)
        feature = feature or self._feature_of(catalogue, stream)
        number = self._written.add_observation(stream.id, feature.id, fields)
        links = {"Datastream": [stream.id], "FeatureOfInterest": [feature.id]}
        return Entity(TYPES["Observations"], number, fields, links)

    def _related_or_new(
        self, catalogue: Catalogue, kind: str, name: str, body: Fields, depth: int
    ) -> Entity | None:
        if body.get(name) is None:
            return None
        content = _object(body[name], name)
        if "@iot.id" in content:
            return self._find(catalogue, kind, _reference(content, name))
        return self._create(catalogue, TYPES[kind], content, depth + 1)

    def _feature_of(self, catalogue: Catalogue, stream: Entity) -> Entity:
        """Return the place of a Datastream's Thing as a FeatureOfInterest, made when it is not there."""
        thing = self._find(catalogue, "Things", stream.links["Thing"][0])
        places = thing.links.get("Locations")
        if not places:
            raise Refused(400, "Observation: FeatureOfInterest is missing, and the Thing has no Location")
        place = self._find(catalogue, "Locations", places[-1])
        fields = {
            "name": place.fields["name"],
            "description": place.fields["description"],
            "encodingType": place.fields["encodingType"],
            "feature": place.fields["location"],
        }
        for one in self._written.entities["FeaturesOfInterest"].values():
            if one.fields == fields:
                return one
        return self._written.add("FeaturesOfInterest", fields)

    def _remember_place(self, thing: Entity) -> None:
        history = self._written.add("HistoricalLocations", {"time": iso_utc(self._clock.now_ms())})
        self._join(history, "Thing", thing)
        for one in thing.links["Locations"]:
            place = self._written.entities["Locations"].get(one)
            if place is not None:
                self._join(history, "Locations", place)
        self._written.save(history)

    def _relink(self, catalogue: Catalogue, entity: Entity, name: str, ids: list[int]) -> None:
        relation = entity.type.relations[name]
        others = [self._find(catalogue, relation.type, one) for one in ids]
        if not relation.is_many or name == "Locations":
            for old in entity.links.get(name, []):
                self._part(entity, name, old)
        for other in others:
            self._join(entity, name, other)
        if entity.type.name == "Things" and name == "Locations":
            self._remember_place(entity)

    def _join(self, entity: Entity, name: str, other: Entity) -> None:
        relation = entity.type.relations[name]
        if not other.type.relations[relation.back].is_many:
            for old in list(other.links.get(relation.back, [])):
                self._part(other, relation.back, old)
        link(self._written.entities, entity, name, other)
        for one in (entity, other):
            if one.id in self._written.entities[one.type.name]:
                self._written.save(one)

    def _part(self, entity: Entity, name: str, other_id: int) -> None:
        relation = entity.type.relations[name]
        entity.links[name] = [one for one in entity.links.get(name, []) if one != other_id]
        other = self._written.entities[relation.type].get(other_id)
        if other is not None:
            back = relation.back
            other.links[back] = [one for one in other.links.get(back, []) if one != entity.id]
            self._written.save(other)

    def _remove(self, entity: Entity) -> None:
        kind = entity.type.name
        if kind == "Observations":
            self._written.remove_observations("id", entity.id)
            return
        if kind == "Datastreams":
            self._written.remove_observations("datastream", entity.id)
        if kind == "FeaturesOfInterest":
            self._written.remove_observations("feature", entity.id)
        for relation in entity.type.relations.values():
            if relation.type == "Observations":
                continue
            for other_id in list(entity.links.get(relation.name, [])):
                other = self._written.entities[relation.type].get(other_id)
                if other is not None and other.type.relations[relation.back].is_required:
                    self._remove(other)
                else:
                    self._part(entity, relation.name, other_id)
        self._written.remove(entity)

    def _find(self, catalogue: Catalogue, kind: str, entity_id: int) -> Entity:
        found = self._written.entities[kind].get(entity_id) or catalogue.entities[kind].get(entity_id)
        if found is None:
            raise Refused(400, f"there is no {TYPES[kind].one} {entity_id}")
        return found

    def _theirs(self, target: Target) -> Entity:
        if target.entity is None or target.steps:
            raise Refused(405, "name one entity by its id")
        entity = target.entity
        if entity.type.name == "Observations":
            found = self._written.observation(entity.id)
        else:
            found = self._written.entities[entity.type.name].get(entity.id)
        if found is None:
            raise Refused(
                403, f"{entity.type.one} {entity.id} belongs to the network and cannot be changed here"
            )
        return found

    def _to_parent(self, target: Target) -> str:
        assert target.parent is not None
        kind = target.parent.type.name
        return next(one.name for one in target.kind.relations.values() if one.type == kind)


def _fields(kind: EntityType, body: Fields) -> Fields:
    """Return the properties of a body, checked one by one."""
    found: Fields = {}
    for name, value in body.items():
        if name in kind.relations or name.startswith("@iot.") or name.endswith("@iot.navigationLink"):
            continue
        if name not in kind.properties:
            raise Refused(400, f"{kind.one} has no property {name[:40]!r}")
        if value is None and name not in kind.required:
            continue
        if name in kind.times:
            value = _checked_time(kind, name, value)
        elif name in _TEXTS and not isinstance(value, str):
            raise Refused(400, f"{kind.one}: {name} is a text")
        elif name in _OBJECTS and not isinstance(value, dict):
            raise Refused(400, f"{kind.one}: {name} is an object")
        elif name == "result" and isinstance(value, float) and not math.isfinite(value):
            raise Refused(400, f"{kind.one}: {name} is not a finite number")
        found[name] = value
    return found


def _checked_time(kind: EntityType, name: str, value: Any) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError
        return time_text(time_of(value))
    except (ValueError, OverflowError):
        raise Refused(
            400, f"{kind.one}: {name} is not an ISO 8601 time or interval: {str(value)[:40]!r}"
        ) from None


def _check(kind: EntityType, fields: Fields) -> None:
    for name in sorted(kind.required):
        if fields.get(name) is None:
            raise Refused(400, f"{kind.one}: {name} is missing")
    if kind.name == "Datastreams":
        unit = cast("dict[str, Any]", fields["unitOfMeasurement"])
        if not {"name", "symbol", "definition"} <= unit.keys():
            raise Refused(400, "Datastream: unitOfMeasurement has name, symbol and definition")


def _object(value: Any, name: str) -> Fields:
    if not isinstance(value, dict):
        raise Refused(400, f"{name}: an object is expected")
    return cast("dict[str, Any]", value)


def _each(value: Any) -> list[Any]:
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _reference(value: Any, name: str) -> int:
    found: Any = _object(value, name).get("@iot.id")
    if isinstance(found, str) and found.isascii() and found.isdigit():
        found = int(found[:18])
    if not isinstance(found, int) or isinstance(found, bool):
        raise Refused(400, f"{name}: only a link {{'@iot.id': number}} can stand here")
    return found


def _with(known: Any, entity_id: int, is_many: bool) -> Any:
    own = {"@iot.id": entity_id}
    return [*_each(known), own] if is_many else own

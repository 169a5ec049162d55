"""GET: from an address to JSON (clauses 9.2 and 9.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

from gateway.publish.sensorthings_server.catalogue import Catalogue
from gateway.publish.sensorthings_server.model import TYPES, Entity, EntityType, Refused
from gateway.publish.sensorthings_server.options import Options, read_options
from gateway.publish.sensorthings_server.service import Page, Service, Source, source_of

DEFAULT_TOP = 100
_REQUIREMENTS = "http://www.opengis.net/spec/iot_sensing/1.1/req"
CONFORMANCE = tuple(
    f"{_REQUIREMENTS}/{name}"
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
        "data-array/data-array",
        "batch-request/batch-request",
    )
)
WRITING = (f"{_REQUIREMENTS}/create-update-delete",)
MQTT_UPDATES = f"{_REQUIREMENTS}/receive-updates-via-mqtt/receive-updates"
MQTT_CREATION = f"{_REQUIREMENTS}/create-observations-via-mqtt/observations-creation"
_SEGMENT = re.compile(r"(\$?[A-Za-z]\w*)(?:\((-?\d{1,19})\))?")


@dataclass(slots=True)
class Target:
    """What a path leads to: an entity (and maybe a property of it), or a collection."""

    kind: EntityType
    entity: Entity | None = None
    members: list[Entity] | None = None  # of a collection other than observations
    source: Source | None = None  # of a collection of observations
    parent: Entity | None = None
    steps: tuple[str, ...] = ()  # property path
    is_value: bool = False
    is_reference: bool = False
    is_count: bool = False


def resolve(service: Service, catalogue: Catalogue, path: str) -> Target:
    """Return what a path below the root leads to; raise Refused (404, 400)."""
    segments = path.strip("/").split("/")
    name, entity_id = _segment(segments[0])
    kind = TYPES.get(name)
    if kind is None:
        raise Refused(404, f"there is no {name!r}; collections are {', '.join(TYPES)}")
    target = _collection(service, catalogue, kind, None, entity_id)
    for number, text in enumerate(segments[1:], 1):
        is_last = number == len(segments) - 1
        if text in ("$ref", "$value", "$count") and is_last:
            return _ending(target, text)
        if target.entity is None:
            raise Refused(404, f"{text!r} cannot follow a collection: name one by its id")
        if target.steps:
            target.steps += (text,)
            continue
        name, entity_id = _segment(text)
        relation = target.entity.type.relations.get(name)
        if relation is not None:
            target = _navigate(service, catalogue, target.entity, name, entity_id)
        elif name in target.kind.properties and entity_id is None:
            target.steps = (name,)
        else:
            raise Refused(404, f"{target.kind.one} has nothing called {text[:40]!r}")
    return target


def read(service: Service, catalogue: Catalogue, path: str, query: str, base: str) -> Any:
    """Return the JSON value of an address, or bytes for a `$value`; raise Refused."""
    target = resolve(service, catalogue, path)
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    options = read_options(pairs, target.kind)
    writer = Writer(service, catalogue, base)
    if target.entity is not None:
        return _one(writer, target, options)
    top = min(service.settings.max_top, DEFAULT_TOP if options.top is None else options.top)
    if target.is_count:
        options.count = True
        count = writer.page(target.kind, target.members, target.source, options, 0).count
        if count is None:
            raise Refused(503, "$count: too many to be counted now; narrow phenomenonTime or ask later")
        return str(count).encode()
    page = writer.page(target.kind, target.members, target.source, options, top)
    found: dict[str, Any] = {}
    if page.count is not None:
        found["@iot.count"] = page.count
    if target.is_reference:
        found["value"] = [{"@iot.selfLink": writer.self_link(one)} for one in page.entities]
    elif options.result_format == "dataarray":
        if target.kind.name != "Observations":
            raise Refused(400, "$resultFormat: dataArray is for Observations only")
        found["value"] = writer.arrays(page.entities, options)
    else:
        found["value"] = [writer.entity(one, options) for one in page.entities]
    if page.next is not None and not (options.top is not None and options.top == 0):
        found["@iot.nextLink"] = writer.next_link(path, options, page)
    return found


class Writer:
    """Writes entities as JSON. base: address of the root, without a slash at its end."""

    def __init__(self, service: Service, catalogue: Catalogue, base: str) -> None:
        self._service = service
        self._catalogue = catalogue
        self._base = base

    def self_link(self, entity: Entity) -> str:
        """Return an entity's own address."""
        return f"{self._base}/{entity.type.name}({entity.id})"

    def next_link(self, path: str, options: Options, page: Page) -> str:
        """Return the address of the next page."""
        text = {name: value for name, value in options.text.items() if name not in ("$skip", "$skiptoken")}
        text |= page.next or {}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in text.items())
        return f"{self._base}/{path.strip('/')}?{query}"

    def page(
        self,
        kind: EntityType,
        members: Sequence[Entity] | None,
        source: Source | None,
        options: Options,
        top: int,
    ) -> Page:
        """Return a page of a collection."""
        if source is not None:
            return self._service.observation_page(self._catalogue, source, options, top)
        return self._service.page(self._catalogue, members or (), options, top)

    def entity(self, entity: Entity, options: Options) -> dict[str, Any]:
        """Return an entity with what was selected and expanded."""
        kind, chosen = entity.type, options.select
        found: dict[str, Any] = {}
        if not chosen or "id" in chosen or "@iot.id" in chosen:
            found["@iot.id"] = entity.id
        link = self.self_link(entity)
        if not chosen:
            found["@iot.selfLink"] = link
        for name in kind.properties:
            if (not chosen or name in chosen) and (name in entity.fields or _is_always_there(kind, name)):
                found[name] = entity.fields.get(name)
        for name in kind.relations:
            if name in options.expand:
                self._expand(found, entity, name, options.expand[name])
            elif not chosen or name in chosen:
                found[f"{name}@iot.navigationLink"] = f"{link}/{name}"
        return found

    def _expand(self, found: dict[str, Any], entity: Entity, name: str, options: Options) -> None:
        relation = entity.type.relations[name]
        kind = TYPES[relation.type]
        if not relation.is_many:
            one = next(iter(self._service.related(self._catalogue, entity, name)), None)
            found[name] = None if one is None else self.entity(one, options)
            return
        top = min(self._service.settings.max_top, DEFAULT_TOP if options.top is None else options.top)
        is_observations = kind.name == "Observations"
        members = None if is_observations else list(self._service.related(self._catalogue, entity, name))
        page = self.page(kind, members, source_of(entity) if is_observations else None, options, top)
        if page.count is not None:
            found[f"{name}@iot.count"] = page.count
        found[name] = [self.entity(one, options) for one in page.entities]
        if page.next is not None and options.top != 0:
            path = f"{entity.type.name}({entity.id})/{name}"
            found[f"{name}@iot.nextLink"] = self.next_link(path, options, page)

    def arrays(self, entities: Iterable[Entity], options: Options) -> list[dict[str, Any]]:
        """Return observations as data arrays, one a Datastream."""
        names = [name for name in options.select if name in ("id", "@iot.id", *_ARRAY)] or ["id", *_ARRAY]
        grouped: dict[int, list[list[Any]]] = {}
        for one in entities:
            row = [one.id if name in ("id", "@iot.id") else one.fields.get(name) for name in names]
            grouped.setdefault(one.links["Datastream"][0], []).append(row)
        return [
            {
                "Datastream@iot.navigationLink": f"{self._base}/Datastreams({stream})",
                "components": names,
                "dataArray@iot.count": len(rows),
                "dataArray": rows,
            }
            for stream, rows in grouped.items()
        ]


_ARRAY = ("phenomenonTime", "result", "resultTime", "resultQuality", "parameters")


def root(service: Service, base: str) -> dict[str, Any]:
    """Return the root document: collections, and what is conformed to."""
    settings = service.settings
    found: dict[str, Any] = {"conformance": [*CONFORMANCE, *(WRITING if settings.writable else ())]}
    if settings.has_mqtt:
        where = settings.mqtt_endpoint or f"mqtt://{settings.mqtt_host}:{settings.mqtt_port}"
        if not settings.mqtt_host and not settings.mqtt_endpoint:
            where = f"mqtt://{urlsplit(settings.public_url).hostname}:{settings.mqtt_listen}"
        for name in (MQTT_UPDATES, *((MQTT_CREATION,) if settings.writable else ())):
            found["conformance"].append(name)
            found[name] = {"endpoints": [where]}
    return {
        "value": [{"name": name, "url": f"{base}/{name}"} for name in TYPES],
        "serverSettings": found,
    }


def _one(writer: Writer, target: Target, options: Options) -> Any:
    entity = target.entity
    assert entity is not None
    refused = [name for name in options.text if name not in ("$expand", "$select")]
    if refused:
        raise Refused(400, f"{refused[0]}: this address is one entity, not a collection")
    if target.is_reference:
        return {"@iot.selfLink": writer.self_link(entity)}
    if not target.steps:
        return writer.entity(entity, options)
    value: Any = entity.fields.get(target.steps[0])
    for step in target.steps[1:]:
        value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
    if value is None:
        if target.steps[0] in entity.type.required or len(target.steps) > 1:
            raise Refused(404, f"there is no {'/'.join(target.steps)}")
        return b""
    if target.is_value:
        return (value if isinstance(value, str) else _text(value)).encode()
    return {target.steps[-1]: value}


def _text(value: Any) -> str:

    return json.dumps(value, ensure_ascii=False)


def _is_always_there(kind: EntityType, name: str) -> bool:
    return kind.name == "Observations" and name == "resultTime"  # null where it is not known (table 14)


def _segment(text: str) -> tuple[str, int | None]:
    found = _SEGMENT.fullmatch(text)
    if found is None:
        raise Refused(404, f"{text[:40]!r} is no name and no name with a number in parentheses")
    return found[1], None if found[2] is None else int(found[2])


def _collection(
    service: Service, catalogue: Catalogue, kind: EntityType, parent: Entity | None, entity_id: int | None
) -> Target:
    if kind.name == "Observations":
        if entity_id is None:
            return Target(kind, source=Source() if parent is None else source_of(parent), parent=parent)
        found = service.observation(catalogue, entity_id)
        if found is not None and parent is not None:
            back = "Datastream" if parent.type.name == "Datastreams" else "FeatureOfInterest"
            found = found if found.links[back] == [parent.id] else None
    else:
        members = catalogue.entities[kind.name]
        if parent is not None:
            name = next(one.name for one in parent.type.relations.values() if one.type == kind.name)
            members = {one: members[one] for one in parent.links.get(name, ()) if one in members}
        if entity_id is None:
            return Target(kind, members=list(members.values()), parent=parent)
        found = members.get(entity_id)
    if found is None:
        raise Refused(404, f"there is no {kind.one} {entity_id}")
    return Target(kind, found)


def _navigate(
    service: Service, catalogue: Catalogue, entity: Entity, name: str, entity_id: int | None
) -> Target:
    relation = entity.type.relations[name]
    kind = TYPES[relation.type]
    if relation.is_many:
        return _collection(service, catalogue, kind, entity, entity_id)
    found = next(iter(service.related(catalogue, entity, name)), None)
    if found is None or entity_id is not None:
        raise Refused(404, f"this {entity.type.one} has no {name}")
    return Target(kind, found)


def _ending(target: Target, text: str) -> Target:
    if text == "$ref" and not target.steps:
        target.is_reference = True
    elif text == "$value" and target.steps:
        target.is_value = True
    elif text == "$count" and target.entity is None:
        target.is_count = True
    else:
        raise Refused(404, f"{text} cannot stand here")
    return target

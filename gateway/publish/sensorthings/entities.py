"""Our things at a server: made once, found again by name, their ids remembered in a file.

Ids are the server's and opaque (numbers here, UUIDs there). When the file is lost the entities are found by
their names, which only depend on network, site and quantity; when the server lost them they are made again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx

from gateway.model import PublicSite
from gateway.publish.posting import HttpClient, Verdict, judge, reason
from gateway.publish.sensorthings.settings import SensorThingsSettings
from gateway.publish.sensorthings.vocabulary import (
    OM_MEASUREMENT,
    Stream,
    observed_property,
    unit_of_measurement,
)

Id = int | str


class EntityError(Exception):
    """An entity cannot be made now; the text says why."""


class Entities:
    """Ids by (collection, name), kept in `path`."""

    def __init__(self, settings: SensorThingsSettings, client: HttpClient, path: Path) -> None:
        self._settings = settings
        self._client = client
        self._path = path
        self._ids: dict[str, Id] = _read(path)
        self._linked: set[str] = set()

    async def datastream(self, stream: Stream, unit: str, site: PublicSite) -> tuple[Id, Id]:
        """Return the ids of a Datastream and of its site's FeatureOfInterest; raise EntityError."""
        feature = await self._feature(site)
        name = self._name(stream.key)
        found = self._ids.get(f"Datastreams {name}")
        if found is not None:
            await self._thing(site)
            return found, feature
        body = {
            "name": name,
            **_about_stream(stream, site),
            "observationType": OM_MEASUREMENT,
            "unitOfMeasurement": unit_of_measurement(unit),
            "Thing": {"@iot.id": await self._thing(site)},
            "Sensor": {"@iot.id": await self._sensor(site.kind, stream.quantity)},
            "ObservedProperty": {"@iot.id": await self._property(stream.quantity)},
        }
        return await self._have("Datastreams", name, body), feature

    async def tell(self, site: PublicSite, quantities: Sequence[str]) -> None:
        """Bring the server up to date with a site that it knows; raise EntityError."""
        name = self._name(site.site_id)
        thing = self._ids.get(f"Things {name}")
        if thing is None:
            return
        location = await self._location(site)
        body = {**self._about(site), "Locations": [{"@iot.id": location}]}
        await self._ask("PATCH", f"/Things({literal(thing)})", body)
        self._ids[f"link {name}"] = location
        self._write()
        for stream in (
            Stream(site.site_id, quantity, raw) for quantity in quantities for raw in (False, True)
        ):
            found = self._ids.get(f"Datastreams {self._name(stream.key)}")
            if found is not None:
                await self._ask("PATCH", f"/Datastreams({literal(found)})", _about_stream(stream, site))

    def forget_site(self, site_id: str) -> None:
        """Forget the ids of a site that is gone; what the server has stays there."""
        name = self._name(site_id)
        for key in list(self._ids):
            known = key.split(" ", 1)[1]
            if known == name or known.startswith((f"{name}/", f"{name}@")):
                del self._ids[key]
        self._linked = {link for link in self._linked if not link.startswith(f"{name} ")}
        self._write()

    def forget(self) -> None:
        """Forget all ids: they are looked up again, and made where they are gone."""
        self._ids.clear()
        self._linked.clear()
        self._write()

    async def exists(self, collection: str, entity_id: Id) -> bool:
        """Say whether an entity is (still) there; True when the server does not tell."""
        answer = await self._client.request("GET", f"/{collection}({literal(entity_id)})")
        return isinstance(answer, str) or answer.status_code not in (404, 410)

    async def _thing(self, site: PublicSite) -> Id:
        location = await self._location(site)
        name = self._name(site.site_id)
        link = f"{name} {location}"
        body = {"name": name, **self._about(site), "Locations": [{"@iot.id": location}]}
        was_known = f"Things {name}" in self._ids
        thing = await self._have("Things", name, body)
        if was_known and link not in self._linked and self._ids.get(f"link {name}") != location:
            await self._ask("PATCH", f"/Things({literal(thing)})", {"Locations": [{"@iot.id": location}]})
        if self._ids.get(f"link {name}") != location:
            self._ids[f"link {name}"] = location
            self._write()
        self._linked.add(link)
        return thing

    def _about(self, site: PublicSite) -> dict[str, Any]:
        return {
            "description": site.name or site.site_id,
            "properties": {"site": site.site_id, "kind": site.kind, "licence": site.licence},
        }

    async def _location(self, site: PublicSite) -> Id:
        name = self._name(f"{site.site_id}@{site.longitude},{site.latitude}")
        body = {**self._place(site, name), "location": _point(site)}
        return await self._have("Locations", name, body)

    async def _feature(self, site: PublicSite) -> Id:
        name = self._name(f"{site.site_id}@{site.longitude},{site.latitude}")
        return await self._have(
            "FeaturesOfInterest", name, {**self._place(site, name), "feature": _point(site)}
        )

    def _place(self, site: PublicSite, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "description": f"Place of {site.name or site.site_id}, to {site.precision_m} m",
            "encodingType": self._settings.encoding,
            "properties": {"precision_m": site.precision_m},
        }

    async def _sensor(self, kind: str, quantity: str) -> Id:
        name = self._name(f"{kind} node, {quantity}")
        body = {
            "name": name,
            "description": f"Sensor for {observed_property(quantity)['name']} of a node of kind {kind}",
            "encodingType": "text/html",
            "metadata": "Meetnet open hardware node",
        }
        return await self._have("Sensors", name, body)

    async def _property(self, quantity: str) -> Id:
        body = observed_property(quantity)
        name = self._name(quantity)
        return await self._have(
            "ObservedProperties",
            name,
            {**body, "name": name, "description": f"{body['name']}: {body['description']}"},
        )

    def _name(self, key: str) -> str:
        return f"{self._settings.network}:{key}"

    async def _have(self, collection: str, name: str, body: dict[str, Any]) -> Id:
        key = f"{collection} {name}"
        found = self._ids.get(key)
        if found is None:
            found = await self._find(collection, name)
            if found is None:
                answer = await self._ask("POST", f"/{collection}", body)
                found = _id_of(answer)
                if found is None:
                    raise EntityError(f"{collection} {name}: the server made it but does not say its id")
            self._ids[key] = found
            self._write()
        return found

    async def _find(self, collection: str, name: str) -> Id | None:
        wanted = quote("name eq '" + name.replace("'", "''") + "'")
        answer = await self._ask("GET", f"/{collection}?$filter={wanted}&$top=1", None)
        try:
            found: Any = answer.json()["value"]
            return cast("Id", found[0]["@iot.id"]) if found else None
        except (ValueError, KeyError, TypeError, IndexError):
            raise EntityError(
                f"{collection}: the answer to a search is not SensorThings; check `url`"
            ) from None

    async def _ask(self, method: str, path: str, body: Any) -> httpx.Response:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        answer = await self._client.request(method, path, content)
        if isinstance(answer, str):
            raise EntityError(answer)
        if judge(answer) is not Verdict.TAKEN:
            raise EntityError(f"{method} {path.split('?')[0]}: {reason(answer)}")
        return answer

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(self._ids, file, indent=0)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _about_stream(stream: Stream, site: PublicSite) -> dict[str, Any]:
    raw = ", as measured, before correction" if stream.is_raw else ""
    return {
        "description": f"{observed_property(stream.quantity)['name']} at {site.name or site.site_id}{raw}",
        "properties": {"licence": site.licence, "quantity": stream.quantity, "raw": stream.is_raw},
    }


def literal(entity_id: Id) -> str:
    """Return an id as it stands between the parentheses of an address."""
    if isinstance(entity_id, int):
        return str(entity_id)
    return "'" + quote(entity_id.replace("'", "''"), safe="-._~") + "'"


def _id_of(answer: httpx.Response) -> Id | None:
    """Return the id of what was made: from the body, else from the Location header."""
    try:
        found: Any = answer.json()["@iot.id"]
        if isinstance(found, (int, str)):
            return found
    except (ValueError, KeyError, TypeError):
        pass
    match = re.search(r"\((?:(\d+)|'(.*)')\)/?$", answer.headers.get("location", ""))
    if match is None:
        return None
    return int(match[1]) if match[1] else match[2].replace("''", "'")


def _point(site: PublicSite) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [site.longitude, site.latitude]}


def _read(path: Path) -> dict[str, Id]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Id]", found) if isinstance(found, dict) else {}

"""The catalogue and the register over HTTP.

/catalog, /catalog.ttl, /catalog.jsonld     by Accept, or as named
/register.json, /register/<site>.json       the sensor register; /register/schema.json is its form
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.publish.catalog import rdf
from gateway.publish.catalog.dcat import catalog
from gateway.publish.catalog.register import SCHEMA, record
from gateway.publish.catalog.settings import CatalogSettings


class ScanReader(PublicReader, Protocol):
    """A reader that can look at the first row of a site without reading the others."""

    def scan(
        self, start_ms: int, end_ms: int, site_id: str | None = None, *, descending: bool = False
    ) -> Iterator[PublicObservation]:
        """Yield observations by observed time."""
        ...


def catalog_applications(
    settings: CatalogSettings, reader: ScanReader, served: Collection[str] = ()
) -> dict[str, Any]:
    """Return ASGI applications by path. served: paths of the interfaces that are on."""
    if not settings.enabled:
        return {}
    server = CatalogServer(settings, reader, served)
    paths = ("/catalog", "/catalog.ttl", "/catalog.jsonld", "/register", "/register.json")
    return dict.fromkeys(paths, server)


class CatalogServer:
    """An ASGI application over a reader of public data."""

    def __init__(self, settings: CatalogSettings, reader: ScanReader, served: Collection[str] = ()) -> None:
        self._settings = settings
        self._served = frozenset(served)
        self._reader = reader
        self._first: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(None, partial(self._answer, request))
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response("read only\n", 405, {"allow": "GET, HEAD"}, "text/plain")
        origin = self._settings.base_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
        path = request.url.path.rstrip("/")
        found = self._document(path, origin, request.headers.get("accept", ""))
        if found is None:
            return Response(
                "there is nothing here: see /catalog and /register.json\n", 404, None, "text/plain"
            )
        media, content = found
        tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        headers = {
            "etag": tag,
            "cache-control": "public, max-age=60",
            "access-control-allow-origin": "*",
            "vary": "Accept",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media, headers=headers)

    def _document(self, path: str, origin: str, accept: str) -> tuple[str, bytes] | None:
        sites = self._reader.sites()
        if path.startswith("/catalog"):
            wants_json = path == "/catalog.jsonld" or (
                path != "/catalog.ttl" and "application/ld+json" in accept
            )
            known = {"/catalog", "/catalog.ttl", "/catalog.jsonld"}
            nodes = catalog(sites, origin, self._settings, self._served)
            here = origin + path
            if path not in known and all(node["@id"] != here for node in nodes):
                return None
            write: Callable[[Any], str] = rdf.json_ld if wants_json else rdf.turtle
            return ("application/ld+json" if wants_json else "text/turtle"), write(nodes).encode()
        if path in ("/register", "/register.json"):
            return _json([self._record(site, origin) for site in sites])
        if path == "/register/schema.json":
            return _json(SCHEMA)
        wanted = unquote(path.removeprefix("/register/").removesuffix(".json"))
        return next((_json(self._record(site, origin)) for site in sites if site.site_id == wanted), None)

    def _record(self, site: PublicSite, origin: str) -> dict[str, Any]:
        first_ms = self._first.get(site.site_id)
        if first_ms is None:
            first = next(self._reader.scan(0, 2**53, site.site_id), None)
            first_ms = None if first is None else first.observed_at_ms
            if first_ms is not None:
                self._first[site.site_id] = first_ms
        return record(site, first_ms, origin, self._settings)


def _json(content: Any) -> tuple[str, bytes]:
    return "application/json", (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()

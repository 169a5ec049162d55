"""The stream over HTTP.

    /ldes                     the root: what the stream is, its one view, links to pages and nodes
    /ldes/page/N              members of one stretch of the store; closed ones never change
    /ldes/node/L-N            links to the pages of a larger stretch, so that the root stays short
    /ldes/observation/P       one member; 410 when it is not public any more
    /ldes/site/ID, /ldes/properties, /ldes/procedures     what members refer to

Turtle or JSON-LD by Accept. Root and open page say how long they hold and carry an ETag; a page beyond the
retention is 410. More requests at one time than is good for measuring get 429.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicSite
from gateway.publish.ldes import descriptions
from gateway.publish.ldes.index import FANOUT, Block, PageIndex, PageReader
from gateway.publish.ldes.members import CONTEXT, TURTLE_PREFIXES, Writer, text
from gateway.publish.ldes.settings import LdesSettings

TURTLE, JSON_LD = "text/turtle", "application/ld+json"
CLOSED = "public, max-age=604800, immutable"
DAY_MS = 86_400_000
_NODE = re.compile(r"/ldes/node/([1-9])-(0|[1-9]\d{0,11})")
_PAGE = re.compile(r"/ldes/page/(0|[1-9]\d{0,14})")
_MEMBER = re.compile(r"/ldes/observation/([1-9]\d{0,17})")


class _NotThereError(Exception):
    """Something else than a document."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Document:
    """One document to be: members, links and how long it holds."""

    def __init__(self, kind: str, is_closed: bool = False) -> None:
        self.kind = kind
        self.is_closed = is_closed
        self.rows: Sequence[PublicObservation] = ()
        self.times: Sequence[int] = ()
        self.links: Sequence[Block] = ()
        self.is_root = False
        self.nodes: list[dict[str, Any]] = []


class LdesServer:
    """An ASGI application over a reader of public data. folder: for the index of pages."""

    def __init__(self, reader: PageReader, clock: Clock, settings: LdesSettings, folder: Path) -> None:
        self._reader = reader
        self._clock = clock
        self._settings = settings
        self._path = folder / "ldes.db"
        self._index: PageIndex | None = None
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self.answer(Request(scope)))(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        if request.method not in ("GET", "HEAD"):
            return _sentence(405, "read only\n", {"allow": "GET, HEAD"})
        if self._at_work >= self._settings.most_at_once:
            return _sentence(429, "too many readers at one time: try again\n", {"retry-after": "1"})
        self._at_work += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, partial(self._answer, request))
        except _NotThereError as other:
            return _sentence(other.status, f"{other}\n", {})
        except StoreError:
            return _sentence(503, "the store does not answer\n", {"retry-after": "10"})
        finally:
            self._at_work -= 1

    def close(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()

    # -- one request, beside the loop

    def _answer(self, request: Request) -> Response:
        media = negotiate(request.headers.get("accept", ""))
        if media is None:
            return _sentence(406, f"ask for {TURTLE} or {JSON_LD}\n", {})
        origin = self._settings.base_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
        sites = self._reader.places()
        path = request.url.path.rstrip("/")
        index = self._opened()
        open_page = index.open_page()
        version = self._reader.newest_position()
        closed_page = self._closed_page(path, open_page)
        base = f"{origin}|{media}|{path}|{_signature(sites)}|{self._settings}"
        # A closed page changes with the hosts' consent only; its ETag needs no rendering.
        tag = _tag(f"{base}|{'' if closed_page else version}|{self._oldest(index, open_page)}")
        headers = {
            "etag": tag,
            "vary": "Accept",
            "access-control-allow-origin": "*",
            "cache-control": CLOSED if closed_page else f"public, max-age={self._settings.polling_s}",
        }
        if tag in [
            one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")
        ]:
            self._find(path, index, open_page, peek=True)  # 404 and 410 go before 304
            return Response(status_code=304, headers=headers)
        document = self._find(path, index, open_page, origin=origin, sites=sites)
        writer = Writer(origin, sites)
        write = self._json_ld if media == JSON_LD else self._turtle
        content = write(f"{origin}{path}", document, writer, index)
        return Response(content.encode(), media_type=media, headers=headers)

    def _opened(self) -> PageIndex:
        if self._index is None:
            self._index = PageIndex(self._path, self._reader, self._settings.page_positions)
        return self._index

    def _oldest(self, index: PageIndex, open_page: int) -> int:
        if not self._settings.retention_days:
            return 0
        since_ms = self._clock.now_ms() - self._settings.retention_days * DAY_MS
        return index.oldest_page(since_ms, open_page)

    def _closed_page(self, path: str, open_page: int) -> bool:
        if found := _PAGE.fullmatch(path):
            return int(found[1]) < open_page
        if found := _NODE.fullmatch(path):
            is_complete = (int(found[2]) + 1) * FANOUT ** int(found[1]) <= open_page
            return is_complete and not self._settings.retention_days
        return False

    def _find(
        self,
        path: str,
        index: PageIndex,
        open_page: int,
        *,
        peek: bool = False,
        origin: str = "",
        sites: Sequence[PublicSite] = (),
    ) -> _Document:
        """Return a document; peek: only whether it exists. Raise _NotThereError."""
        oldest = self._oldest(index, open_page)
        if path == "/ldes":
            document = _Document("root")
            document.is_root = True
            document.links = [] if peek else index.blocks(oldest, open_page)
            return document
        if found := _PAGE.fullmatch(path):
            return self._page(int(found[1]), index, oldest, open_page, peek)
        if found := _NODE.fullmatch(path):
            return self._node(int(found[1]), int(found[2]), index, oldest, open_page)
        if found := _MEMBER.fullmatch(path):
            return self._member(int(found[1]), index, oldest)
        document = _Document("description")
        document.nodes = descriptions.describe(path, origin, sites)
        if not document.nodes and not peek:
            raise _NotThereError(404, "there is nothing here: start at /ldes")
        return document

    def _page(self, page: int, index: PageIndex, oldest: int, open_page: int, peek: bool) -> _Document:
        if page > open_page:
            raise _NotThereError(404, "this page is not written yet: start at /ldes")
        if page < oldest:
            raise _NotThereError(410, "this page is older than the stream keeps: start at /ldes")
        document = _Document("page", page < open_page)
        if not peek:
            self._fill(document, page, index)
        return document

    def _fill(self, document: _Document, page: int, index: PageIndex) -> None:
        span = self._settings.page_positions
        published = dict(index.published(page))
        rows = [
            row
            for row in self._reader.stretch(page * span, (page + 1) * span)
            # What was stored after the times were read waits for the next request.
            if row.value is not None and row.position // 64 * 64 in published
        ]
        document.rows = rows
        document.times = [published[row.position // 64 * 64] for row in rows]

    def _node(self, level: int, number: int, index: PageIndex, oldest: int, open_page: int) -> _Document:
        end = (number + 1) * FANOUT**level
        if end > open_page:
            raise _NotThereError(404, "this node is not complete yet: start at /ldes")
        if end <= oldest:
            raise _NotThereError(410, "this node is older than the stream keeps: start at /ldes")
        document = _Document("node", not self._settings.retention_days)
        below = FANOUT ** (level - 1)
        document.links = [
            index.block(level - 1, child, open_page)
            for child in range(number * FANOUT, (number + 1) * FANOUT)
            if (child + 1) * below > oldest
        ]
        return document

    def _member(self, position: int, index: PageIndex, oldest: int) -> _Document:
        span = self._settings.page_positions
        page = position // span
        if position > self._reader.newest_position():
            raise _NotThereError(404, "there is no such observation yet")
        rows = self._reader.stretch(position, position + 1)
        if page < oldest or not rows or rows[0].value is None:
            raise _NotThereError(410, "this observation is not, or not any more, public")
        document = _Document("member", True)
        document.rows = rows
        published = dict(index.published(page))
        document.times = [published[position // 64 * 64]]
        return document

    # -- writing

    def _turtle(self, url: str, document: _Document, writer: Writer, index: PageIndex) -> str:
        parts = [TURTLE_PREFIXES]
        if document.kind == "description":
            return parts[0] + descriptions.turtle(document.nodes)
        origin = writer.origin
        stream = f"<{origin}/ldes#stream>"
        if document.is_root:
            parts.append(
                f"{stream} a ldes:EventStream ;\n  dct:title {text(self._settings.title)} ;\n"
                "  ldes:timestampPath prov:generatedAtTime ;\n"
                "  ldes:versionTimestampPath sosa:resultTime ;\n"
                "  ldes:versionOfPath dct:isVersionOf ;\n"
                f"  ldes:pollingInterval {self._settings.polling_s} ;\n"
                f"  tree:view <{url}> .\n"
                f"<{url}> ldes:retentionPolicy [ a ldes:RetentionPolicy ; {self._retention_turtle()} ] .\n"
            )
        if document.kind == "member":
            return parts[0] + writer.turtle(document.rows, document.times)
        parts.append(f"<{url}> a tree:Node .\n")
        if document.is_closed:
            parts.append(f"<{url}> ldes:immutable true .\n")
        for block in document.links:
            for kind, moment in bounds(block):
                parts.append(
                    f"<{url}> tree:relation [ a tree:{kind} ; tree:node <{_address(origin, block)}> ; "
                    f'tree:path prov:generatedAtTime ; tree:value "{moment}"^^xsd:dateTime ] .\n'
                )
        rows = writer.shown(document.rows)
        if rows:
            members = " , ".join(f"<{writer.member(row.position)}>" for row in rows)
            parts.append(f"{stream} tree:member {members} .\n")
            times = {row.position: at for row, at in zip(document.rows, document.times, strict=True)}
            parts.append(writer.turtle(rows, [times[row.position] for row in rows]))
        return "".join(parts)

    def _json_ld(self, url: str, document: _Document, writer: Writer, index: PageIndex) -> str:
        graph: list[dict[str, Any]] = []
        rows = writer.shown(document.rows)
        times = {row.position: at for row, at in zip(document.rows, document.times, strict=True)}
        members = writer.json_ld(rows, [times[row.position] for row in rows])
        if document.kind == "description":
            graph = document.nodes
        elif document.kind == "member":
            graph = members
        else:
            stream: dict[str, Any] = {"@id": f"{writer.origin}/ldes#stream"}
            node: dict[str, Any] = {"@id": url, "@type": "tree:Node"}
            if document.is_root:
                stream |= {
                    "@type": "ldes:EventStream",
                    "dct:title": self._settings.title,
                    "ldes:timestampPath": "prov:generatedAtTime",
                    "ldes:versionTimestampPath": "sosa:resultTime",
                    "ldes:versionOfPath": "dct:isVersionOf",
                    "ldes:pollingInterval": self._settings.polling_s,
                    "tree:view": url,
                }
                node["ldes:retentionPolicy"] = {"@type": "ldes:RetentionPolicy", **self._retention_json()}
            if document.is_closed:
                node["ldes:immutable"] = True
            node["tree:relation"] = [
                {
                    "@type": f"tree:{kind}",
                    "tree:node": _address(writer.origin, block),
                    "tree:path": "prov:generatedAtTime",
                    "tree:value": moment,
                }
                for block in document.links
                for kind, moment in bounds(block)
            ]
            stream["tree:member"] = [member["@id"] for member in members]
            graph = [stream, node, *members]
        return json.dumps({"@context": CONTEXT, "@graph": graph}, ensure_ascii=False, separators=(",", ":"))

    def _retention_turtle(self) -> str:
        ((name, value),) = self._retention_json().items()
        datatype = "xsd:duration" if name == "ldes:fullLogDuration" else "xsd:dateTime"
        return f'{name} "{value}"^^{datatype}'

    def _retention_json(self) -> dict[str, str]:
        if self._settings.retention_days:
            return {"ldes:fullLogDuration": f"P{timedelta(self._settings.retention_days).days}D"}
        return {"ldes:startingFrom": iso_utc(0)}  # everything that ever was


def bounds(block: Block) -> list[tuple[str, str]]:
    """Return a block's relations; one that is still written has no upper bound."""
    found = [("GreaterThanOrEqualToRelation", iso_utc(block.first_ms))]
    if block.last_ms is not None:
        found.append(("LessThanOrEqualToRelation", iso_utc(block.last_ms)))
    return found


def negotiate(accept: str) -> str | None:
    """Return the media type to answer with, Turtle where nothing is asked; None when neither will do."""
    best: tuple[float, str] = (0.0, "")
    for part in (accept or "*/*")[:500].split(","):
        kind, *parameters = [piece.strip().lower() for piece in part.split(";")]
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        found = {TURTLE: TURTLE, JSON_LD: JSON_LD, "application/json": JSON_LD}.get(kind)
        if kind in ("*/*", "text/*", "application/*", "text/html"):
            found, weight = JSON_LD if kind == "application/*" else TURTLE, weight * 0.001
        if found and weight > best[0]:
            best = (weight, found)
    return best[1] or None


def _address(origin: str, block: Block) -> str:
    kind = f"page/{block.number}" if block.level == 0 else f"node/{block.level}-{block.number}"
    return f"{origin}/ldes/{kind}"


def _signature(sites: Sequence[PublicSite]) -> str:
    return repr([(s.site_id, s.name, s.longitude, s.latitude, s.precision_m, s.licence) for s in sites])


def _tag(content: str) -> str:
    return f'"{hashlib.blake2b(content.encode(), digest_size=12).hexdigest()}"'


def _sentence(status: int, sentence: str, headers: dict[str, str]) -> Response:
    common = {"access-control-allow-origin": "*", "cache-control": "no-store", **headers}
    if status == 410:
        common["cache-control"] = "public, max-age=3600"
    return Response(sentence, status, common, "text/plain; charset=utf-8")

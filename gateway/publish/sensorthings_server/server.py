"""The ASGI application: HTTP in, JSON out, everything else as a clear error.

It never negotiates: whatever Accept says (Java's default puts HTML first), the answer is JSON.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.clock import Clock
from gateway.publish.sensorthings_server import batch
from gateway.publish.sensorthings_server.core import Core
from gateway.publish.sensorthings_server.model import Entity, Refused
from gateway.publish.sensorthings_server.reading import read, root
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings

logger = logging.getLogger("meetnet.sensorthings")
PATH = "/sta/v1.1"
MAX_BODY = 8 << 20
HEADERS = {"access-control-allow-origin": "*", "cache-control": "no-cache"}
T = TypeVar("T")


class SensorThingsServer:
    """Answers below PATH. folder: where written entities are kept."""

    def __init__(
        self,
        reader: Any,
        clock: Clock,
        settings: SensorThingsServerSettings,
        folder: Path,
        executor: Executor | None = None,
        core: Core | None = None,
    ) -> None:
        """reader: SqlitePublicReader, for the recipient on whose behalf everybody reads.

        core: what it shares with MQTT; None makes one of reader, clock, settings and folder.
        """
        self._settings = settings
        self._executor = executor
        self._core = core or Core(reader, clock, settings, folder)
        self._service = self._core.service
        self._editor = self._core.editor

    def close(self) -> None:
        """Close the file of written entities."""
        self._core.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Refused as error:
            response = _problem(error.status, str(error))
        except ClientDisconnect:
            return
        except Exception:  # whatever was asked, the service goes on
            logger.exception("%s %s failed", request.method, request.url.path)
            response = _problem(500, "something went wrong on our side")
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.partition(PATH)[2].strip("/")
        base = self._base(request)
        if request.method in ("GET", "HEAD"):
            query = request.scope["query_string"].decode("ascii", "replace")
            return await self._beside(partial(self._do, "GET", path, query, b"", base))
        if request.method == "OPTIONS":
            allowed = "GET, HEAD, POST, PATCH, PUT, DELETE" if self._editor else "GET, HEAD"
            extra = {"allow": allowed, "access-control-allow-methods": allowed,
                     "access-control-allow-headers": "content-type, authorization"}  # fmt: skip
            return Response(b"", 200, {**HEADERS, **extra})
        return await self._write(request, path, base)

    def _read(self, path: str, query: str, base: str) -> Any:
        return read(self._service, self._service.catalogue(), path, query, base)

    async def _write(self, request: Request, path: str, base: str) -> Response:
        refusal = self._refusal(request)
        is_batch = request.method == "POST" and path == "$batch"
        if refusal is not None and not is_batch:  # a batch may be of reading alone
            raise refusal
        body = await _body(request)
        if not is_batch:
            return await self._beside(partial(self._do, request.method, path, "", body, base))
        return await self._beside(partial(self._batch, request, body, base, refusal))

    def _refusal(self, request: Request) -> Refused | None:
        """Return why this request may not write, None when it may."""
        if self._editor is None:
            return Refused(405, "this server is for reading only")
        if self._settings.token:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {self._settings.token}".encode()):
                return Refused(401, "writing needs the bearer token of this server")
        return None

    def _do(self, method: str, path: str, query: str, body: bytes, base: str) -> Response:
        """Do one request; blocks."""
        if method == "GET":
            if not path:
                return _json(root(self._service, base))
            found = self._read(path, query, base)
            if isinstance(found, bytes):
                return Response(found, 200 if found else 204, HEADERS, "text/plain; charset=utf-8")
            return _json(found)
        editor = self._editor
        if editor is None:
            raise Refused(405, "this server is for reading only")
        if method == "DELETE":
            editor.delete(path)
            return _json({})
        content = _parsed(body)
        if method == "POST" and path == "CreateObservations":
            rows = editor.create_observations(content)
            said = [f"{base}/Observations({one})" if isinstance(one, int) else one for one in rows]
            return _json(said, 201)
        if method == "POST":
            entity: Entity = editor.post(path, content)
            name = f"{entity.type.name}({entity.id})"
            return _json(self._read(name, "", base), 201, {"location": f"{base}/{name}"})
        if method in ("PATCH", "PUT"):
            editor.patch(path, content, method == "PUT")
            return _json(self._read(path, "", base))
        raise Refused(405, f"{method} is not understood")

    def _batch(self, request: Request, body: bytes, base: str, refusal: Refused | None) -> Response:
        def do(method: str, path: str, query: str, content: bytes) -> Response:
            try:
                if method != "GET" and refusal is not None:
                    raise refusal
                return self._do(method, path, query, content, base)
            except Refused as error:
                return _problem(error.status, str(error))
            except Exception:
                logger.exception("$batch: %s %s failed", method, path)
                return _problem(500, "something went wrong on our side")

        calls = batch.parse(request.headers.get("content-type", ""), body)
        together = self._editor.together if self._editor is not None and refusal is None else None
        goes_on = "continue-on-error" in request.headers.get("prefer", "")
        content_type, content = batch.run(calls, do, together, goes_on)
        return Response(content, 200, {**HEADERS, "content-type": content_type})

    def _base(self, request: Request) -> str:
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/") + PATH
        return f"{request.url.scheme}://{request.url.netloc}{PATH}"

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MAX_BODY:
            raise Refused(413, f"more than {MAX_BODY} bytes")
    return bytes(found)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(data, status, {**HEADERS, **(headers or {})}, "application/json;charset=utf-8")


def _problem(status: int, message: str) -> Response:
    return _json({"code": status, "type": "error", "message": message}, status)

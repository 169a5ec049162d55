"""A sink on loopback that answers as an NGSI-LD broker does (ETSI GS CIM 009 clauses 5.6.8 and 6.3).

It keeps entities, rejects a content type that contradicts the place of @context, keeps only the last of two
same entities in one batch (as Orion-LD did), and fails as it is told: `script` holds one entry a request.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
REASONS = {200: "OK", 201: "Created", 204: "No Content", 207: "Multi-Status", 503: "Service Unavailable"}


class Broker:
    def __init__(self) -> None:
        self.entities: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[str, str, str, Any]] = []  # (entity, attribute, observedAt, value)
        self.late: list[tuple[str, str, str, Any]] = []
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.script: list[Any] = []
        self.refused_ids: dict[str, int] = {}  # entity id -> status of its error in a 207 (or of the answer)
        self.has_temporal = True
        self.without_temporal = 501
        self.has_batch = True
        self.without_batch = 404
        self.can_append = True
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Break every connection at once, as a killed process does."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = (await reader.readline()).decode()
        if not line:
            return False
        method, path = line.split()[:2]
        headers: dict[str, str] = {}
        while (header := (await reader.readline()).decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
        self.requests.append((path, headers, body))
        step = self.script.pop(0) if self.script else None
        if step == "hang":
            await asyncio.sleep(30)
        if step == "take and die":  # the worst moment: done, but the answer is lost
            self._answer(method, path, headers, body)
            writer.transport.abort()
            return False
        if step == "die":
            writer.transport.abort()
            return False
        if isinstance(step, tuple):
            status, extra, content = step
        else:
            status, extra, content = self._answer(method, path, headers, body)
        data = (
            content
            if isinstance(content, bytes)
            else b""
            if content is None
            else json.dumps(content).encode()
        )
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Said')}\r\n"
        for name, value in {"content-length": str(len(data)), **extra}.items():
            head += f"{name}: {value}\r\n"
        writer.write(head.encode() + b"\r\n" + (b"" if status == 204 else data))
        await writer.drain()
        return True

    def _answer(
        self, method: str, path: str, headers: dict[str, str], body: Any
    ) -> tuple[int, dict[str, str], Any]:
        items = body if isinstance(body, list) else [body]
        inside = any("@context" in item for item in items)
        kind = headers.get("content-type", "")
        if (kind == "application/ld+json") != inside or (
            kind == "application/json" and "link" not in headers and inside
        ):
            return 400, {}, problem("BadRequestData", "content type and @context contradict one another")
        if path == "/ngsi-ld/v1/temporal/entities":
            if not self.has_temporal:
                return self.without_temporal, {}, problem("OperationNotSupported", "no temporal interface")
            self._keep(body, self.late)
            return 204, {}, None
        if path.startswith("/ngsi-ld/v1/entities"):
            return self._one_entity(method, path, body)
        if not self.has_batch:
            return self.without_batch, {}, problem("ResourceNotFound", path)
        if path != "/ngsi-ld/v1/entityOperations/upsert?options=update":
            return 404, {}, problem("ResourceNotFound", path)
        errors = [
            {"entityId": item["id"], "error": {**problem("BadRequestData", "not liked"), "status": status}}
            for item in items
            if (status := self.refused_ids.get(item["id"]))
        ]
        wrong = {error["entityId"] for error in errors}
        if errors and len(items) == 1:
            return errors[0]["error"]["status"], {}, errors[0]["error"]
        created = [
            item["id"] for item in items if item["id"] not in self.entities and item["id"] not in wrong
        ]
        last = {item["id"]: item for item in items if item["id"] not in wrong}
        for item in last.values():
            self.entities.setdefault(item["id"], {}).update(item)
            self._keep(item, self.history)
        if errors:
            return 207, {}, {"success": list(last), "errors": errors}
        return (201, {}, created) if created else (204, {}, None)

    def _one_entity(self, method: str, path: str, body: Any) -> tuple[int, dict[str, str], Any]:
        """Create (5.6.1), append (5.6.3) and update attributes (5.6.2) of one entity."""
        parts = path.removeprefix("/ngsi-ld/v1/entities").strip("/").split("/")
        if parts == [""]:
            if body["id"] in self.entities:
                return 409, {}, problem("AlreadyExists", body["id"])
            self.entities[body["id"]] = dict(body)
            self._keep(body, self.history)
            return 201, {"location": f"{path}/{body['id']}"}, None
        if method == "POST" and not self.can_append:
            return 405, {}, problem("OperationNotSupported", method)
        if parts[0] not in self.entities:
            return 404, {}, problem("ResourceNotFound", parts[0])
        self.entities[parts[0]].update(body)
        self._keep({**body, "id": parts[0]}, self.history)
        return 204, {}, None

    def _keep(self, item: dict[str, Any], where: list[tuple[str, str, str, Any]]) -> None:
        for name, attribute in item.items():
            for one in attribute if isinstance(attribute, list) else [attribute]:
                if isinstance(one, dict) and "observedAt" in one:
                    where.append(
                        (item["id"], name + one.get("datasetId", "")[-4:], one["observedAt"], one["value"])
                    )


def problem(kind: str, detail: str) -> dict[str, Any]:
    return {"type": ERRORS + kind, "title": kind, "detail": detail}

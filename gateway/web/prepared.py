"""Answers for everybody, made once and given to all who ask for the same within a moment.

What somebody who signed in sees is never kept. An answer is kept as bytes, packed too, with an ETag; who has
it already gets 304. Many who ask at once for what is not there yet wait for one making of it; answers that
must be made are made by turns (turns.py). See now.py for how long an answer holds.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gateway.web.gate import visitor_of
from gateway.web.now import SAME_FOR_S, Stamp, Version, stamp
from gateway.web.turns import Turns

Handler = Callable[[Request], Awaitable[Response]]
Key = tuple[str, str, str]
MOST_BYTES = 64_000_000
LEAST_PACKED = 500
PACKING, LARGE_PACKING = 6, 4  # of a large one half the work is 5 % of its length
LARGE = 60_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, ready to be sent. packed: gzip of body, or the same where that gains nothing."""

    stamp: Stamp
    headers: dict[str, str]
    media_type: str | None
    body: bytes
    packed: bytes
    etag: str

    @property
    def size(self) -> int:
        """Return what it takes in memory, about."""
        return len(self.body) + len(self.packed) + 1000

    def response(self, request: Request) -> Response:
        """Return it as this request can take it."""
        headers = {**self.headers, "etag": self.etag}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self.body
        if self.packed is not self.body and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = self.packed
        return Response(body, media_type=self.media_type, headers=headers)


class Prepared:
    """Keeps answers. Belongs to the event loop. version None: nothing is kept."""

    def __init__(
        self,
        version: Callable[[], Version] | None,
        executor: Executor | None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._version, self._executor, self._most_bytes = version, executor, most_bytes
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._bytes = 0
        self._making: dict[tuple[Key, object], asyncio.Future[Answer | Response]] = {}
        self._turns = Turns()

    def wrap(self, handler: Handler, same_for_s: float = SAME_FOR_S) -> Handler:
        """Return a handler that gives what was made before, while it holds."""
        if self._version is None:
            return handler
        version_of = self._version

        async def answer(request: Request) -> Response:
            if request.method != "GET" or visitor_of(request).person is not None:
                return await handler(request)
            key = (request.url.path, request.url.query, request.headers.get("accept-language", "")[:200])
            version = version_of()
            known = self._answers.get(key)
            if known is not None and known.stamp.holds(version, same_for_s):
                self._answers.move_to_end(key)
                return known.response(request)
            found = await self._made_once(key, version_of, handler, request)
            return found.response(request) if isinstance(found, Answer) else found

        return answer

    async def _made_once(
        self, key: Key, version_of: Callable[[], Version], handler: Handler, request: Request
    ) -> Answer | Response:
        """Make an answer, or wait for whoever makes it already of the same register."""
        making = (key, version_of()[0])
        under_way = self._making.get(making)
        if under_way is not None:
            found = await asyncio.shield(under_way)
            # What is no answer for everybody (a refusal of one request) is made by each for itself.
            return found if isinstance(found, Answer) else await handler(request)
        future: asyncio.Future[Answer | Response] = asyncio.get_running_loop().create_future()
        self._making[making] = future
        try:
            async with self._turns.turn():  # a stamp of before the wait would call new values old
                found = await self._make(key, stamp(version_of()), handler, request)
        except BaseException as error:
            future.set_result(Response(status_code=503))  # those who wait try for themselves
            raise error
        else:
            future.set_result(found)
            return found
        finally:
            del self._making[making]

    async def _make(self, key: Key, made: Stamp, handler: Handler, request: Request) -> Answer | Response:
        response = await handler(request)
        body = getattr(response, "body", None)
        if response.status_code != 200 or not isinstance(body, bytes) or "set-cookie" in response.headers:
            return response
        own = {"content-length", "content-type"}
        headers = {name: value for name, value in response.headers.items() if name not in own}
        headers["vary"] = ", ".join(filter(None, (headers.get("vary", ""), "Accept-Encoding")))
        packed = body
        if len(body) >= LEAST_PACKED:
            loop = asyncio.get_running_loop()
            packed = await loop.run_in_executor(self._executor, _pack, body)
        etag = f'W/"{hashlib.blake2b(body, digest_size=9).hexdigest()}"'
        answer = Answer(made, headers, response.headers.get("content-type"), body, packed, etag)
        self._keep(key, answer)
        return answer

    def _keep(self, key: Key, answer: Answer) -> None:
        old = self._answers.pop(key, None)
        self._bytes += answer.size - (old.size if old else 0)
        self._answers[key] = answer
        while self._bytes > self._most_bytes and self._answers:
            _, gone = self._answers.popitem(last=False)
            self._bytes -= gone.size


def _pack(body: bytes) -> bytes:
    packed = gzip.compress(body, PACKING if len(body) < LARGE else LARGE_PACKING, mtime=0)
    return packed if len(packed) < len(body) else body

"""HTTP/1.1 requests over kept connections, for who sends thousands of them: h11 speaks, asyncio carries.

httpx costs some 1,100 us of processor a request, this 150; answers are httpx's own, and so are faults. What
it leaves out it does not need here: redirects, cookies, compression, HTTP/2. Whoever sits behind a proxy is
served by httpx (posting.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import h11
import httpx

MOST_IDLE = 8  # kept connections an address
MOST_ANSWER = 16 << 20
_READ = 1 << 16
_SEND_BUFFER = 1 << 20
_FAULTS = (h11.ProtocolError, OSError, EOFError)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.http = h11.Connection(h11.CLIENT)
        self.was_used = False

    async def exchange(self, request: h11.Request, content: bytes) -> httpx.Response:
        """Send a request and read its answer; raise one of _FAULTS."""
        http, writer = self.http, self.writer
        writer.write(http.send(request) or b"")
        if content:
            http.send(h11.Data(data=content))
            writer.write(content)
        http.send(h11.EndOfMessage())
        answer: h11.Response | None = None
        body: list[bytes] = []
        size = 0
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                data = await self.reader.read(_READ)
                if not data and answer is None:
                    raise EOFError("the connection was closed without an answer")
                http.receive_data(data)
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > MOST_ANSWER:
                    raise OSError(f"an answer of more than {MOST_ANSWER} bytes")
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
        assert answer is not None
        return httpx.Response(answer.status_code, headers=answer.headers.raw_items(), content=b"".join(body))

    def may_go_on(self) -> bool:
        """Make ready for the next request; False when there can be none."""
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
            self.was_used = True
            return True
        return False


class Http1:
    """Kept connections to any address. Create, `request`, `close`; belongs to one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._idle: dict[tuple[str, str], list[_Connection]] = {}
        self._context: ssl.SSLContext | None = None

    async def request(
        self, method: str, address: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Return the answer; raise httpx.ConnectError, httpx.TimeoutException, httpx.HTTPError."""
        url = urlsplit(address)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        body = content or b""
        fields = {"host": url.netloc.rpartition("@")[2], "accept": "*/*", **headers}
        if content is not None or method in ("POST", "PUT", "PATCH"):
            fields["content-length"] = str(len(body))
        try:
            request = h11.Request(method=method, target=target, headers=list(fields.items()))
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise httpx.LocalProtocolError(str(error)) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(url, request, body)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer within {self._timeout_s:g} s") from error

    async def close(self) -> None:
        """Close the kept connections."""
        idle, self._idle = self._idle, {}
        for connection in [one for many in idle.values() for one in many]:
            connection.writer.close()

    async def _send(self, url: SplitResult, request: h11.Request, body: bytes) -> httpx.Response:
        key = (url.scheme, url.netloc)
        idle = self._idle.setdefault(key, [])
        while True:
            connection = idle.pop() if idle else await self._connect(url)
            try:
                answer = await connection.exchange(request, body)
            except _FAULTS as error:
                connection.writer.close()
                # A server that closes what was idle does so unseen: such a request is sent once more.
                if connection.was_used and isinstance(error, EOFError | ConnectionError):
                    continue
                raise httpx.ReadError(str(error) or type(error).__name__) from error
            except BaseException:
                connection.writer.close()  # who knows how far it got
                raise
            if len(idle) < MOST_IDLE and connection.may_go_on():
                idle.append(connection)
            else:
                connection.writer.close()
            return answer

    async def _connect(self, url: SplitResult) -> _Connection:
        is_tls = url.scheme == "https"
        if is_tls and self._context is None:
            self._context = httpx.create_ssl_context()
        try:
            reader, writer = await asyncio.open_connection(
                url.hostname, url.port or (443 if is_tls else 80), ssl=self._context if is_tls else None
            )
        except (OSError, ValueError) as error:
            raise httpx.ConnectError(str(error)) from error
        raw: socket.socket = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # a batch goes to the kernel in few pieces
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return _Connection(reader, writer)

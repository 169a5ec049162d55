"""uvicorn on the running loop: no signal handlers, no ticking, the port bound before anything else starts.

Left alone, uvicorn waits without end for a request that was begun, and takes every connection: one visitor
who opens and says nothing takes all files that the process may open, the log's and the store's among them.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections import Counter
from collections.abc import Generator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.errors import ConfigError
from gateway.rates import network_of
from gateway.tls import TlsFiles

GRACE_S = 3
HEAD_S = 20.0  # from the first byte of a request, or the connection, to the end of its header
MOST_CONNECTIONS = 2000  # and never more than half of the files that may be open
SHARE = 4  # one network has at most this part of them; a proxy on this machine has all


class HttpServer:
    """An ASGI application on a port. Create, `await start()`, `await close()`."""

    def __init__(self, app: Any, host: str, port: int, key: str, tls: TlsFiles | None = None) -> None:
        """`key` is the setting to name when the port cannot be had. tls: speak HTTPS, and nothing else."""
        self._host, self._port, self._key = host, port, key
        self._server = _Server(
            _Config(
                app,
                http=_Connection,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                date_header=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                ssl_certfile=tls.certificate if tls else None,
                ssl_keyfile=tls.key if tls else None,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; ConfigError when the port cannot be had."""
        listener = self._bind()
        self._port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve([listener]), name=f"meetnet-{self._key}")
        started = asyncio.ensure_future(self._server.ready.wait())
        await asyncio.wait({started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._task.done():
            self._task.result()

    @property
    def port(self) -> int:
        """The port in use, once started."""
        return self._port

    async def close(self) -> None:
        """Stop listening, let running answers finish for a moment."""
        self._server.asked_to_stop.set()
        if self._task is not None:
            await self._task

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            raise ConfigError(
                self._key,
                f"cannot listen on TCP {self._host}:{self._port} ({error.strerror}): choose another port",
            ) from error
        return listener


class _Config(uvicorn.Config):
    """What connections of one server share."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = MOST_CONNECTIONS if files < 0 else min(MOST_CONNECTIONS, files // 2)
        self.guests: Counter[str] = Counter()


class _Connection(H11Protocol):
    """A connection that ends when no request comes, and is not begun where there are too many."""

    config: _Config
    _from = ""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        guests, network = self.config.guests, network_of(self.client[0]) if self.client else ""
        is_near = network in ("127.0.0.1", "::/64")
        guests[network] += 1
        self._from = network
        if len(self.connections) > self.config.most or (
            not is_near and guests[network] > self.config.most // SHARE
        ):
            transport.abort()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()
        self.config.guests[self._from] -= 1
        if self.config.guests[self._from] <= 0:
            del self.config.guests[self._from]

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        """Give a header that is on its way a limit, which more bytes of it do not move."""
        if self.conn.their_state is h11.IDLE:
            if self._deadline is None:
                self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.asked_to_stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def main_loop(self) -> None:
        self.ready.set()
        await self.asked_to_stop.wait()

"""uvicorn on the running loop: no signal handlers, no ticking, the port bound before anything else starts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from gateway.errors import ConfigError
from gateway.tls import TlsFiles

GRACE_S = 3


class HttpServer:
    """An ASGI application on a port. Create, `await start()`, `await close()`."""

    def __init__(self, app: Any, host: str, port: int, key: str, tls: TlsFiles | None = None) -> None:
        """`key` is the setting to name when the port cannot be had. tls: speak HTTPS, and nothing else."""
        self._host, self._port, self._key = host, port, key
        self._server = _Server(
            uvicorn.Config(
                app,
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

"""Servers that take what is sent and remember it: an MQTT broker, a Semtech UDP server, an HTTP platform.

Each runs in a thread of its own in real time, on a free port of loopback, so that tests and other programs
can look at it while a scenario plays.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

from simulator.channel import semtech


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came, and what it was answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    def rows(self) -> list[Any]:
        """Return the body's JSON as a list: of one where it is no list, empty where there is no JSON."""
        try:
            found: Any = json.loads(self.body)
        except ValueError:
            return []
        return cast("list[Any]", found) if isinstance(found, list) else [found]


class _Server(ThreadingHTTPServer):
    """One that says nothing of clients who are gone: gateways here get killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over connections that broke."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class HttpSink:
    """A platform: takes any request. Set `status` to have it refuse or fail; `answer` is the body."""

    def __init__(self, status: int = 200, answer: bytes = b"{}") -> None:
        self.status, self.answer = status, answer
        self.requests: list[Request] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status = sink.status
                sink.requests.append(
                    Request(self.command, self.path, dict(self.headers.items()), body, status)
                )
                self.send_response(status)
                self.send_header("content-length", str(len(sink.answer)))
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(sink.answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def accepted(self) -> list[Request]:
        """What was answered with 2xx."""
        return [request for request in self.requests if 200 <= request.status < 300]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class UdpSink:
    """A LoRaWAN server as packet forwarders see it: acknowledges, and keeps the frames it was pushed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = int(self._socket.getsockname()[1])
        self.frames: list[bytes] = []
        self.rxpk: list[dict[str, Any]] = []
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        acks = {semtech.PUSH_DATA: semtech.PUSH_ACK, semtech.PULL_DATA: semtech.PULL_ACK}
        while not self._over:
            try:
                data, peer = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if len(data) < 4 or data[3] not in acks:
                continue
            self._socket.sendto(semtech.header(acks[data[3]], int.from_bytes(data[1:3], "big")), peer)
            if data[3] == semtech.PUSH_DATA:
                for row in json.loads(data[12:]).get("rxpk", []):
                    self.rxpk.append(row)
                    self.frames.append(base64.b64decode(row["data"]))


@dataclass
class MqttSink:
    """An MQTT broker (amqtt) that lets everybody in and remembers what was published."""

    messages: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    port: int = 0

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        if not self._ready.wait(20):
            raise TimeoutError("the MQTT broker did not start within 20 s")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        from amqtt.broker import Broker
        from amqtt.client import MQTTClient

        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": self.address, "max_connections": 1000}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        client = MQTTClient()
        await client.connect(f"mqtt://{self.address}/")
        await client.subscribe([("#", 1)])

        async def collect() -> None:
            while True:
                message = await client.deliver_message()
                if message is not None:
                    self.messages.append((message.topic, bytes(message.data or b"")))

        collecting = asyncio.create_task(collect())
        self._ready.set()
        await self._over.wait()
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
        await client.disconnect()
        await broker.shutdown()

"""One connection of paho-mqtt on the running loop: no thread of paho's, acknowledgements in order.

The loop watches the socket and ticks `loop_misc`. When too many messages wait for the disk the socket is
not read any more, and TCP makes the broker wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

KEEPALIVE_S = 30
TICK_S = 1.0
DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is. client_id names the persistent session: with another, what waits there is lost."""

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "meetnet"
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    in_flight: int = 1000
    tls_ca: Path | None = None  # certificates to trust; None: the system's


# Take a message: True when it may be acknowledged, False when the broker must send it again.
Take = Callable[[str, bytes], Coroutine[Any, Any, bool]]


class Connection:
    """Open, `serve`, then throw away: a new connection is a new object, so no acknowledgement can stray."""

    def __init__(
        self, settings: MqttSettings, topics: Sequence[str], take: Take, subscribed: asyncio.Event
    ) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._published: dict[int, asyncio.Future[bool]] = {}
        self._take = take
        self._subscribed = subscribed
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self.was_subscribed = False
        self._lost = ""
        self._sock: Any = None
        self._reading = False
        self._pending: deque[tuple[int, int, asyncio.Task[bool]]] = deque()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=False,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        if settings.username:
            self._client.username_pw_set(settings.username, settings.password)

    async def open(self) -> None:
        """Connect; raise OSError or ValueError. The handshakes block, so they run in a thread."""
        if self._settings.tls:
            ca = self._settings.tls_ca
            self._client.tls_set(ca_certs=str(ca) if ca else None)
        client = self._client
        await self._loop.run_in_executor(
            None, client.connect, self._settings.host, self._settings.port, KEEPALIVE_S
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        self._sock = client.socket()
        self._resume()
        if client.want_write():
            self._on_register_write(client, None, self._sock)

    async def serve(self, stop: asyncio.Event) -> str:
        """Return why the connection ended; "" when `stop` asked for it."""
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not self._lost and not stop.is_set():
                if self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self._lost = self._lost or "the broker is silent"
                    break
                self._wake.clear()
                try:
                    await asyncio.wait_for(self._wake.wait(), TICK_S)
                except TimeoutError:
                    continue
            if stop.is_set() and self._pending:
                await asyncio.wait([task for _, _, task in self._pending], timeout=DRAIN_S)
                self._acknowledge()
        finally:
            stopping.cancel()
            self._subscribed.clear()
            self._client.disconnect()
            self._client.loop_write()
            self._pending.clear()
            for waiting in self._published.values():
                if not waiting.done():
                    waiting.set_result(False)
            self._unwatch()
            close = getattr(self._client, "_sock_close")  # noqa: B009 - paho has no public way to drop a socket
            close()
        return "" if stop.is_set() else self._lost

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Publish with QoS 1; True once the broker has acknowledged it, False when the connection went."""
        if self._lost:
            return False
        message = self._client.publish(topic, payload, qos=1)
        if message.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._published[message.mid] = self._loop.create_future()
        try:
            return await self._published[message.mid]
        finally:
            del self._published[message.mid]

    # -- paho's callbacks, all in the loop's thread

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if reason.is_failure:
            self._end(f"the broker refuses: {reason}")
        else:
            client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: list[Any], _props: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            refused = [
                topic for topic, reason in zip(self._topics, reasons, strict=False) if reason.is_failure
            ]
            self._end(f"the broker refuses the subscription to {', '.join(refused)}")
        else:
            self.was_subscribed = True
            self._subscribed.set()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        task = asyncio.ensure_future(self._take(message.topic, bytes(message.payload)))
        self._pending.append((message.mid, message.qos, task))
        task.add_done_callback(lambda _: self._acknowledge())
        if len(self._pending) >= self._settings.in_flight:
            self._pause()

    def _on_publish(self, _client: Any, _data: Any, mid: int, _reason: Any, _props: Any) -> None:
        waiting = self._published.get(mid)
        if waiting is not None and not waiting.done():
            waiting.set_result(True)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self._end(str(reason))

    def _on_socket_close(self, _client: Any, _data: Any, _sock: Any) -> None:
        self._unwatch()
        self._end("the connection is closed")

    def _on_register_write(self, client: paho.Client, _data: Any, sock: Any) -> None:
        self._loop.add_writer(sock, client.loop_write)

    def _on_unregister_write(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    # -- within

    def _acknowledge(self) -> None:
        """Acknowledge from the oldest on as far as messages are durable."""
        while self._pending and self._pending[0][2].done() and not self._lost:
            mid, qos, task = self._pending.popleft()
            if task.cancelled() or task.exception() is not None or not task.result():
                self._end("a message could not be stored: it is asked for again")
                return
            if qos:
                self._client.ack(mid, qos)
        if not self._lost and len(self._pending) < self._settings.in_flight:
            self._resume()

    def _end(self, why: str) -> None:
        self._lost = self._lost or why
        self._wake.set()

    def _resume(self) -> None:
        if not self._reading and self._sock is not None:
            self._reading = True
            self._loop.add_reader(self._sock, self._read)
            self._loop.call_soon(self._read_decrypted)

    def _read(self) -> None:
        self._client.loop_read()
        self._read_decrypted()

    def _read_decrypted(self) -> None:
        """Read what TLS has decrypted already: the socket will not become readable for it."""
        while self._reading and isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._sock)

    def _unwatch(self) -> None:
        if self._sock is not None and self._sock.fileno() >= 0:
            self._pause()
            self._loop.remove_writer(self._sock)
        self._sock = None

"""A connection to an MQTT broker for publishers: paho on the running loop, no thread, QoS 1, acknowledged.

Opened when there is something to send, kept open, opened again after a fault. A message counts as sent when
the broker acknowledged it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from gateway.errors import ConfigError
from gateway.publish.posting import check_between

KEEPALIVE_S = 60
TICK_S = 5.0
IN_FLIGHT = 200


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where a broker is.

    will_topic: gets `online` while we are connected and `offline` when not; "" none. subscribe: filters of
    messages to us, in a session that the broker keeps (client_id is needed then).
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    client_id: str = ""
    will_topic: str = ""
    subscribe: tuple[str, ...] = ()
    timeout_s: float = 20.0


def check_broker(key: str, host: str, port: int, prefix: str) -> None:
    """Raise ConfigError for an address or topic prefix that cannot be."""
    if not host or "/" in host:
        raise ConfigError(f"{key}.host", "must be a name or address, without mqtt://")
    check_between(f"{key}.port", port, 1, 65535, "1883")
    if not prefix or prefix.startswith(("/", "$")) or prefix.endswith("/") or any(s in prefix for s in "+# "):
        raise ConfigError(f"{key}.prefix", "must be a topic like meetnet/sites, without + # $ or spaces")


class MqttLink:
    """Create, `publish` as often as needed, `close`.

    heard: takes (topic, payload) of what was subscribed to, and returns when that is kept.
    """

    def __init__(
        self, settings: BrokerSettings, heard: Callable[[str, bytes], Awaitable[None]] | None = None
    ) -> None:
        self._settings = settings
        self._heard = heard
        self._taking: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()
        self._client: paho.Client | None = None
        self._sock: Any = None
        self._lost = ""
        self._connected: asyncio.Event | None = None
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._ticker: asyncio.Task[None] | None = None

    async def publish(self, messages: Sequence[Message]) -> str:
        """Return "" when the broker acknowledged all messages, else why not."""
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                async with self._opening:
                    if self._client is None:
                        await self._open()
                await self._send(messages)
        except TimeoutError:
            self._drop()
            return f"no answer within {self._settings.timeout_s:g} s"
        except (OSError, ValueError) as error:
            self._drop()
            return f"broker {self._settings.host}:{self._settings.port}: {error}"
        return ""

    async def close(self) -> None:
        """Say goodbye (the broker then sends no will) and close."""
        if self._client is not None and self._settings.will_topic:
            with contextlib.suppress(OSError, ValueError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._send([Message(self._settings.will_topic, b"offline", True)])
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_write()
        self._drop()

    async def _open(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=paho.MQTTv311,
            clean_session=not settings.subscribe,
            manual_ack=bool(settings.subscribe),
        )
        if settings.subscribe:
            client.on_message = self._on_message
        client.max_inflight_messages_set(IN_FLIGHT)  # the rest waits in its queue, and goes as room is made
        if settings.username:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            client.tls_set()
        if settings.will_topic:
            client.will_set(settings.will_topic, b"offline", 1, True)
        self._lost, self._connected = "", asyncio.Event()
        await loop.run_in_executor(None, client.connect, settings.host, settings.port, KEEPALIVE_S)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = lambda _c, _d, sock: loop.add_writer(sock, client.loop_write)
        client.on_socket_unregister_write = self._on_unregister_write
        self._client, self._sock = client, client.socket()
        loop.add_reader(self._sock, self._read)
        if client.want_write():
            loop.add_writer(self._sock, client.loop_write)
        self._ticker = asyncio.create_task(self._tick(client), name="meetnet-publish-mqtt")
        await self._connected.wait()
        if self._lost:
            raise ValueError(self._lost)
        if settings.subscribe:
            client.subscribe([(one, 1) for one in settings.subscribe])
        if settings.will_topic:
            await self._send([Message(settings.will_topic, b"online", True)])

    async def listen(self) -> None:
        """Connect now rather than with the first message, and again after a fault, to hear what comes."""
        while True:
            if self._client is None or self._lost:
                await self.publish([])
            await asyncio.sleep(TICK_S)

    async def _send(self, messages: Sequence[Message]) -> None:
        assert self._client is not None
        waits: list[asyncio.Future[None]] = []
        for message in messages:
            if self._lost:
                raise ValueError(self._lost)
            info = self._client.publish(message.topic, message.payload, 1, message.retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise ValueError(str(info.rc))
            wait = asyncio.get_running_loop().create_future()
            self._waiting[info.mid] = wait
            waits.append(wait)
        for wait in waits:
            await wait
        if self._lost:
            raise ValueError(self._lost)

    def _read(self) -> None:
        if self._client is None or self._sock is None:
            return
        with contextlib.suppress(OSError, AttributeError):
            # Brokers write acknowledgements one by one; an ACK that waits for more holds the next one up.
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._client.loop_read()

    async def _tick(self, client: paho.Client) -> None:
        while not self._lost:
            if client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("the broker is silent")
            await asyncio.sleep(TICK_S)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, answer: Any, _properties: Any) -> None:
        if answer.is_failure:
            self._end(f"the broker refuses: {answer}")
        if self._connected is not None:
            self._connected.set()

    def _on_message(self, client: Any, _data: Any, message: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._take(client, message))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take(self, client: Any, message: Any) -> None:
        """Acknowledge a message once it was taken; without that the broker brings it again."""
        if self._heard is not None:
            await self._heard(message.topic, bytes(message.payload))
        client.ack(message.mid, message.qos)

    def _on_publish(self, _client: Any, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        wait = self._waiting.pop(mid, None)
        if wait is not None and not wait.done():
            wait.set_result(None)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, why: Any, _properties: Any) -> None:
        self._end(str(why))

    def _on_socket_close(self, _client: Any, _data: Any, sock: Any) -> None:
        # Now or never: once closed, its number may be another socket's, which the loop would not watch.
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.remove_writer(sock)
        self._end("the connection is closed")

    def _on_unregister_write(self, _client: Any, _data: Any, sock: Any) -> None:
        asyncio.get_running_loop().remove_writer(sock)

    def _end(self, why: str) -> None:
        self._lost = self._lost or why
        if self._connected is not None:
            self._connected.set()
        for wait in self._waiting.values():
            if not wait.done():
                wait.set_exception(ValueError(self._lost))
                wait.exception()  # whoever waits for another one first never asks for this
        self._waiting.clear()

    def _drop(self) -> None:
        client, sock = self._client, self._sock
        self._client = self._sock = None
        self._end("the connection is given up")
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        if client is not None and sock is not None:
            if sock.fileno() >= 0:
                loop = asyncio.get_running_loop()
                loop.remove_reader(sock)
                loop.remove_writer(sock)
            client.on_socket_unregister_write = None
            getattr(client, "_sock_close")()  # noqa: B009 - paho has no public way to drop a socket

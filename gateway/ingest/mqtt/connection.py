"""One connection to a broker: messages in bursts, acknowledged in order once their takers have them.

While a burst waits for the disk the next one is collected. When too many messages wait, the socket is not
read any more, and TCP makes the broker wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.ingest.mqtt import packets
from gateway.ingest.mqtt.packets import V3, V5, Message

KEEPALIVE_S = 30
ANSWER_S = 15.0
DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is. client_id names the persistent session: with another, what waits there is lost.

    group: take a share of the messages with all that name the same group; "" takes them all. version: 4 for
    MQTT 3.1.1, 5, or 0 to try 5 first.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "meetnet"
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    in_flight: int = 1000
    tls_ca: Path | None = None  # certificates to trust; None: the system's
    group: str = ""
    version: int = 0


class Take(Protocol):
    """Takes messages: True when they may be acknowledged, False when the broker must send them again."""

    def __call__(self, messages: Sequence[Message]) -> Coroutine[Any, Any, bool]: ...  # noqa: D102


class VersionRefusedError(OSError):
    """The broker does not speak MQTT 5."""


class Connection(asyncio.Protocol):
    """Open, `serve`, then throw away: a new connection is a new object, so no acknowledgement can stray."""

    def __init__(
        self,
        settings: MqttSettings,
        version: int,
        topics: Sequence[str],
        take: Take,
        subscribed: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._version = version
        self._topics = tuple(topics)
        self._take = take
        self._subscribed = subscribed
        self._loop = asyncio.get_running_loop()
        self._parser = packets.Parser(version)
        self._transport: asyncio.Transport | None = None
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._messages: list[Message] = []
        self._under_way = 0
        self._taker: asyncio.Task[None] | None = None
        self._is_paused = False
        self._is_leaving = False
        self._heard_s = self._loop.time()
        self._published: dict[int, asyncio.Future[bool]] = {}
        self._number = 0
        self.was_subscribed = False

    async def open(self) -> None:
        """Connect; raise OSError, VersionRefusedError."""
        settings = self._settings
        context = None
        if settings.tls:
            context = ssl.create_default_context(cafile=settings.tls_ca)
        await asyncio.wait_for(
            self._loop.create_connection(
                lambda: self,
                settings.host,
                settings.port,
                ssl=context,
                server_hostname=settings.host if context else None,
            ),
            ANSWER_S,
        )
        self._write(
            packets.connect(
                self._version,
                settings.client_id,
                settings.username,
                settings.password,
                KEEPALIVE_S,
                settings.in_flight,
            )
        )
        try:
            # A broker that reads version 5 as 3.1.1 waits for more and never answers.
            await asyncio.wait_for(self._connected, ANSWER_S if self._version == V3 else ANSWER_S / 5)
        except TimeoutError as error:
            self._drop()
            if self._version == V5:
                raise VersionRefusedError("no answer to MQTT 5") from error
            raise
        except BaseException:
            self._drop()
            raise

    async def serve(self, stop: asyncio.Event) -> str:
        """Return why the connection ended; "" when `stop` asked for it."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not self._ended.done() and not stop.is_set():
                await asyncio.wait(
                    (self._ended, stopping), timeout=KEEPALIVE_S / 2, return_when=asyncio.FIRST_COMPLETED
                )
                if self._loop.time() > self._heard_s + 1.5 * KEEPALIVE_S:
                    self._end("the broker is silent")
                elif not self._ended.done() and not stop.is_set():
                    self._write(packets.PINGREQ_BYTES)
            if stop.is_set() and self._taker is not None:
                self._is_leaving = True
                self._pause()
                await asyncio.wait([self._taker], timeout=DRAIN_S)
        finally:
            stopping.cancel()
            self._subscribed.clear()
            if not self._ended.done():
                self._write(packets.DISCONNECT_BYTES)
            self._drop()
        return "" if stop.is_set() else self._ended.result()

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Publish with QoS 1; True once the broker has acknowledged it, False when the connection went."""
        if self._ended.done():
            return False
        self._number = self._number % 65535 + 1
        number = self._number
        waiting = self._published[number] = self._loop.create_future()
        self._write(packets.publish(self._version, number, topic, payload))
        try:
            return await waiting
        finally:
            self._published.pop(number, None)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._end(str(exc) if exc else "the connection is closed")

    def data_received(self, data: bytes) -> None:
        """Take packets apart."""
        self._heard_s = self._loop.time()
        try:
            for packet in self._parser.feed(data):
                if isinstance(packet, Message):
                    self._messages.append(packet)
                else:
                    self._control(packet)
        except (packets.ProtocolError, IndexError) as error:
            self._end(f"what the broker sends is no MQTT: {error}")
            return
        if self._messages:
            if self._taker is None:
                self._taker = self._loop.create_task(self._take_all())
            if len(self._messages) + self._under_way >= self._settings.in_flight:
                self._pause()

    # -- within

    def _control(self, packet: packets.Control) -> None:
        match packet.kind:
            case packets.CONNACK:
                self._answered(packet.body)
            case packets.SUBACK:
                refused = packets.refused_topics(self._version, packet.body, self._topics)
                if refused:
                    self._end(f"the broker refuses the subscription to {', '.join(refused)}")
                else:
                    self.was_subscribed = True
                    self._subscribed.set()
            case packets.PUBACK:
                waiting = self._published.get(int.from_bytes(packet.body[:2], "big"))
                if waiting is not None and not waiting.done():
                    waiting.set_result(True)
            case packets.DISCONNECT:
                self._end(f"the broker leaves (reason {packet.body[:1].hex() or '00'})")
            case _:
                pass

    def _answered(self, body: bytes) -> None:
        if self._connected.done():
            return
        why = packets.refusal(self._version, body)
        if packets.is_version_refused(self._version, body):
            self._connected.set_exception(VersionRefusedError(why))
        elif why:
            self._connected.set_exception(OSError(f"the broker refuses: {why}"))
        else:
            self._connected.set_result(None)
            self._write(packets.subscribe(self._version, 1, self._topics))

    async def _take_all(self) -> None:
        """Hand bursts over one after another, and acknowledge each as soon as it is durable."""
        try:
            while self._messages and not self._ended.done():
                burst, self._messages = self._messages, []
                self._under_way = len(burst)
                try:
                    kept = await self._take(burst)
                except Exception as error:  # the taker's own fault: nothing may be acknowledged
                    self._end(f"{type(error).__name__}: {error}")
                    return
                self._under_way = 0
                if self._ended.done():
                    return
                if not kept:
                    self._end("a message could not be stored: it is asked for again")
                    return
                self._write(packets.acknowledge([message.number for message in burst]))
                if (
                    self._is_paused
                    and not self._is_leaving
                    and len(self._messages) < self._settings.in_flight
                ):
                    self._resume()
        finally:
            self._taker = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None and data and not self._transport.is_closing():
            self._transport.write(data)

    def _pause(self) -> None:
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)
        if not self._connected.done():
            # Some brokers know no better way to refuse version 5 than to hang up.
            fault = VersionRefusedError if self._version == V5 else ConnectionError
            self._connected.set_exception(fault(why))
        for waiting in self._published.values():
            if not waiting.done():
                waiting.set_result(False)
        self._messages.clear()

    def _drop(self) -> None:
        self._end("closed")
        if self._transport is not None:
            self._transport.close()


def versions(settings: MqttSettings) -> tuple[int, ...]:
    """Return the protocol levels to try, in order."""
    return (settings.version,) if settings.version else (V5, V3)

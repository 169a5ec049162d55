"""amqtt with bounds: who does not log in soon is cut off, no packet may be large, no connection is forgotten.

Left alone, amqtt reads up to 256 MB from a stranger, waits for a CONNECT for ever, keeps the socket of
a connection whose first packet was garbage, and hands the session of a client id to whoever names it before
it asks for the password: anybody could end the connection of a node, whose client id is on its label.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from typing import Any

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.errors import AMQTTError, NoDataError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

GREETING_S = 10.0
MAX_PACKET = 64 * 1024
SHUTDOWN_S = 5.0
PUBACK_S = 60
TIDY_S = 60.0


class BoundedBroker(Broker):
    """A Broker whose connections end when they should. `failed(detail)` is called for each that broke.

    by_user: who logs in has one session, whatever its client ids; otherwise one for each client id.
    """

    def __init__(self, config: dict[str, Any], failed: Callable[[str], None], by_user: bool = False) -> None:
        super().__init__(config)
        self._failed = failed
        self._by_user = by_user
        self._is_closing = False
        self._writers: set[StreamWriter] = set()
        self._connections: set[asyncio.Task[Any]] = set()
        self._strangers: dict[Any, tuple[asyncio.TimerHandle, StreamWriter]] = {}

    @property
    def port(self) -> int:
        """The port in use."""
        server: Any = self._servers["default"].instance
        return int(server.sockets[0].getsockname()[1])

    def logged_in(self, session: Session) -> None:
        """Tell that a connection is no stranger's any more."""
        found = self._strangers.pop((session.remote_address, session.remote_port), None)
        if found is not None:
            found[0].cancel()

    async def stream_connected(self, reader: StreamReader, writer: StreamWriter, listener_name: str) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        if self._is_closing:  # it came in as the door was shut
            writer.transport.abort()
            return
        peer: Any = tuple((writer.get_extra_info("peername") or ("?", 0))[:2])
        self._connections.add(task)
        self._writers.add(writer)
        timer = asyncio.get_running_loop().call_later(GREETING_S, writer.transport.abort)
        self._strangers[peer] = (timer, writer)
        try:
            await self._client_connected(listener_name, _BoundedReader(reader), StreamWriterAdapter(writer))
        except Exception as error:  # a connection may break in any way; the broker goes on
            self._failed(f"{peer[0]}: {error!r}")
        finally:
            timer.cancel()
            self._strangers.pop(peer, None)
            self._writers.discard(writer)
            self._connections.discard(task)
            writer.close()

    async def _initialize_client_session(
        self, reader: Any, writer: Any, remote_address: str, remote_port: int
    ) -> tuple[BrokerProtocolHandler, Session]:
        """Return a connection and its session, which nobody gets to see before having logged in."""
        handler, session = await BrokerProtocolHandler.init_from_connect(reader, writer, self.plugins_manager)
        if not await super()._authenticate(session, self.listeners_config["default"]):
            handler.attach(session, reader, writer)
            await handler.mqtt_connack_authorize(False)
            await writer.close()
            raise AMQTTError(f"{remote_address}:{remote_port} may not log in")
        name = session.client_id = (session.username if self._by_user else None) or session.client_id or ""
        known, before = self._sessions.get(name, (None, None))
        if known is None or before is None:
            return handler, session
        if session.clean_session:
            await before.handle_connection_closed()
            await self._cleanup_session(name)
            return handler, session
        for field in ("will_flag", "keep_alive", "username", "password", "remote_address", "remote_port"):
            setattr(known, field, getattr(session, field))
        known.parent = 1
        return handler, known

    async def _authenticate(self, session: Session, _: Any) -> bool:
        return True  # it was asked before there was a session

    async def retain_message(self, *args: Any, **named: Any) -> None:
        """Keep nothing that a client sends for whoever subscribes later: each such topic would stay."""

    async def _handle_client_session(
        self, reader: Any, writer: Any, client_session: Session, handler: Any, server: Any, listener_name: str
    ) -> None:
        reader.handler = handler
        await super()._handle_client_session(reader, writer, client_session, handler, server, listener_name)

    async def _session_monitor(self) -> None:
        """Forget sessions that ended and need no keeping (amqtt looks every second: too often)."""
        while True:
            await asyncio.sleep(TIDY_S)
            for client_id, (session, _) in list(self._sessions.items()):
                state: Any = session.transitions.state
                if state == "disconnected" and (session.is_anonymous or session.clean_session):
                    await self._cleanup_session(client_id)

    async def send(self, user: str, topic: str, payload: bytes) -> bool:
        """Publish to a user who is here, at QoS 1; True once acknowledged, False where nobody took it."""
        for session, handler in list(self._sessions.values()):
            state: Any = session.transitions.state
            if session.username == user and state == "connected":
                try:
                    await handler.mqtt_publish(topic, payload, 1, False, ack_timeout=PUBACK_S)
                except (AMQTTError, OSError, TimeoutError):
                    continue
                return True
        return False

    def _matches(self, topic: str, a_filter: str) -> bool:
        """Tell whether a filter lets a topic through; most are another device's, and told apart at once."""
        return topic.startswith(a_filter.split("+", 1)[0].rstrip("#/")) and super()._matches(topic, a_filter)

    async def shutdown(self) -> None:
        """Stop; connections that do not end by themselves are cut."""
        self._is_closing = True
        for server in self._servers.values():  # first: the next one needs the port
            server.instance.close()
        for timer, writer in list(self._strangers.values()):
            timer.cancel()
            writer.transport.abort()
        try:
            await asyncio.wait_for(super().shutdown(), SHUTDOWN_S)
        except TimeoutError:
            self._failed("connections had to be cut at the end")
            if self._session_monitor_task is not None:
                self._session_monitor_task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections, timeout=SHUTDOWN_S)
        await asyncio.sleep(0)  # who was accepted last is told so


class _BoundedReader(StreamReaderAdapter):
    """What a connection sends.

    amqtt ends a connection by cancelling the task that reads, and waits for it. Up to Python 3.11 `wait_for`
    forgets a cancellation that comes just as a packet does: such a connection would be read on, and waited
    for without end (github.com/python/cpython/issues/86296).
    """

    handler: Any = None  # once it has logged in

    async def read(self, n: int = -1) -> bytes:
        """Return n bytes; raise NoDataError once the connection is to end, AMQTTError when n is too many."""
        reading: asyncio.Task[None] | None = getattr(self.handler, "_reader_task", None)
        if reading is not None and reading.cancelling():
            raise NoDataError
        if n > MAX_PACKET:
            raise AMQTTError(f"a packet of {n} bytes: at most {MAX_PACKET} are taken")
        return await super().read(n)

"""A broker of our own for SensorThings subscribers: amqtt, on which only this server sends.

Everybody may subscribe (what is here is public). Publishing needs the server's token as password, unless
anybody may write; what is published is an observation to create, and nothing of it is passed on as it is.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from asyncio import Queue
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from amqtt.contexts import Action, BaseContext
from amqtt.errors import AMQTTError, BrokerError
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import ApplicationMessage, Session

from gateway.broker_server import BoundedBroker
from gateway.errors import ConfigError
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings

MOST_FILTERS = 1000  # of all subscribers together
MAX_CONNECTIONS = 500

Create = Callable[[str, bytes], Awaitable[None]]


class SubscriberBroker:
    """Create, `await start()`, `await tell(topic, payload)`, `await close()`."""

    def __init__(self, settings: SensorThingsServerSettings, create: Create) -> None:
        self._settings = settings
        self._create = create
        self._broker: BoundedBroker | None = None

    @property
    def port(self) -> int:
        """Return the port in use, 0 before the start."""
        return self._broker.port if self._broker is not None else 0

    async def start(self) -> None:
        """Listen; raise ConfigError when the port cannot be had."""
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        settings = self._settings
        host = settings.mqtt_listen_host
        bind = f"[{host}]:{settings.mqtt_listen}" if ":" in host else f"{host}:{settings.mqtt_listen}"
        listener = {"type": "tcp", "bind": bind, "max_connections": MAX_CONNECTIONS}
        plugins = {f"{__name__}.Gate": {"broker": self}}
        broker = BoundedBroker({"listeners": {"default": listener}, "plugins": plugins}, lambda _detail: None)
        try:
            await broker.start()
        except (AMQTTError, BrokerError) as error:
            key = f"publish.{settings.name}.mqtt_listen"
            raise ConfigError(key, f"cannot listen on TCP {bind}: choose another port") from error
        self._broker = broker

    def filters(self) -> Iterable[str]:
        """Return what is subscribed to at the moment."""
        return list(self._broker.subscriptions) if self._broker is not None else []

    async def tell(self, topic: str, payload: bytes) -> None:
        """Send a message to whoever subscribed to it, with the quality of service of each."""
        if self._broker is not None and self._is_wanted(topic):
            await self._broker.internal_message_broadcast(topic, payload)

    async def close(self) -> None:
        """Stop."""
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None

    # -- called by the gate

    def login(self, session: Session) -> bool:
        """Let everybody in, and know who may write."""
        session.will_flag = False
        session.is_anonymous = True  # nothing is kept for who is away: anybody may come, any number of times
        session.delivered_message_queue = _Creations(session, self)
        if self._broker is not None:
            self._broker.logged_in(session)
        return True

    def may_write(self, session: Session) -> bool:
        """Tell whether a session may publish."""
        settings = self._settings
        if not settings.writable:
            return False
        given = (session.password or "").encode()
        return not settings.token or hmac.compare_digest(given, settings.token.encode())

    def allows(self, session: Session, action: Action | None) -> bool:
        """Tell whether amqtt may go on: nothing that a client published is passed on."""
        if action is Action.SUBSCRIBE:
            return self._broker is not None and len(self._broker.subscriptions) < MOST_FILTERS
        return action is Action.RECEIVE

    async def created(self, session: Session, message: ApplicationMessage) -> None:
        """Create what a client published."""
        if self.may_write(session):
            await self._create(message.topic, bytes(message.data or b""))

    def _is_wanted(self, topic: str) -> bool:
        assert self._broker is not None
        found = self._broker.subscriptions
        return topic in found or any("#" in one or "+" in one for one in found)


class _Creations(Queue[ApplicationMessage]):
    """A session's delivery queue: PUBACK goes out after `put` returned, so after the creation."""

    def __init__(self, session: Session, broker: SubscriberBroker) -> None:
        super().__init__()
        self._session = session
        self._owner = broker
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, item: ApplicationMessage) -> None:
        await self._owner.created(self._session, item)
        await super().put(item)

    def put_nowait(self, item: ApplicationMessage) -> None:
        if item.qos == 0:
            task = asyncio.create_task(self._owner.created(self._session, item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        super().put_nowait(item)


class Gate(BaseAuthPlugin, BaseTopicPlugin):
    """amqtt's view of a SubscriberBroker."""

    @dataclass
    class Config(BaseAuthPlugin.Config):
        """What amqtt passes on."""

        broker: Any = None

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._gate = cast("SubscriberBroker", cast("Any", self.config).broker)

    async def authenticate(self, *, session: Session) -> bool:
        """Let in."""
        return self._gate.login(session)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Let subscribe and receive."""
        return session is not None and self._gate.allows(session, action)

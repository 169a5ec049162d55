"""The built-in MQTT broker for nodes on Wi-Fi: amqtt, with our users, our topics and our acknowledgement.

A device logs in with its DevEUI as user name and may only publish and subscribe below its own topic. Its
PUBACK leaves after the uplink is durable in the segment log, because the message goes to the log before
it goes to the broker's own delivery queue: there is no moment at which only memory holds it. Commands for a
device wait in a file until it has subscribed to its topic and acknowledged them.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Queue
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, cast
from weakref import WeakValueDictionary

from amqtt.contexts import Action, BaseContext
from amqtt.errors import AMQTTError, BrokerError
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import ApplicationMessage, Session

from gateway.broker_server import BoundedBroker
from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import ConfigError, IngestError, StoreError
from gateway.ingest.mqtt.topics import uplink_of
from gateway.ingest.mqtt.waiting import WaitingCommands
from gateway.model import UplinkSink
from gateway.rates import network_of
from gateway.tls import TlsFiles
from wire import ports

RETRY_S = 1.0
MAX_LOGINS_AT_ONCE = 4  # a password check takes some 10 ms of one core
MAX_LOGINS_FROM = 3  # one network: who tries passwords there keeps nobody else waiting


class Passwords(Protocol):
    """Who may log in (gateway.registry.Registry)."""

    def check_password(self, dev_eui: str, password: str) -> bool:
        """Tell whether a device may log in with a password."""
        ...


class EmbeddedBroker:
    """Create, `await start()`, `await close()`."""

    def __init__(
        self,
        sink: UplinkSink,
        passwords: Passwords,
        clock: Clock,
        counters: Counters,
        waiting: WaitingCommands,
        max_connections: int = 2000,
    ) -> None:
        self._sink = sink
        self._passwords = passwords
        self._clock = clock
        self._counters = counters
        self._waiting = waiting
        self._max_connections = max_connections
        self._heard_ms: dict[str, int] = {}
        self._speaking_to: set[str] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._broker: BoundedBroker | None = None
        self._logins = asyncio.Semaphore(MAX_LOGINS_AT_ONCE)
        self._logins_from: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int, tls: TlsFiles | None = None) -> None:
        """Listen; ConfigError when the port cannot be had. tls: speak MQTT over TLS, and nothing else."""
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # what matters is counted by us
        logging.getLogger("transitions").setLevel(logging.ERROR)
        bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        listener: dict[str, Any] = {"type": "tcp", "bind": bind, "max_connections": self._max_connections}
        if tls is not None:
            listener |= {"ssl": True, "certfile": str(tls.certificate), "keyfile": str(tls.key)}
        self._broker = BoundedBroker(
            {"listeners": {"default": listener}, "plugins": {f"{__name__}.DeviceGate": {"broker": self}}},
            lambda detail: self._counters.count("broker.connection_broke", detail),
            by_user=True,
        )
        try:
            await self._broker.start()
        except (AMQTTError, BrokerError) as error:
            self._broker = None
            raise ConfigError(
                "broker.port",
                f"cannot listen on TCP {host}:{port} ({error.__cause__ or error}): choose another port",
            ) from error

    @property
    def port(self) -> int:
        """The port in use, once started."""
        assert self._broker is not None, "start() first"
        return self._broker.port

    async def close(self) -> None:
        """Stop listening; what is on its way to the log gets there."""
        for talk in self._talks:  # what was not acknowledged stays in the file
            talk.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None

    # -- commands

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard here, None when it never was."""
        return self._heard_ms.get(dev_eui)

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Keep a command until the device has acknowledged it; RegistryError when too many wait."""
        command = self._waiting.add(dev_eui, f_port, payload)
        self.speak_to(dev_eui)
        return command.id

    def speak_to(self, dev_eui: str) -> None:
        """Send what waits for a device that may be here."""
        if dev_eui not in self._speaking_to and self._waiting.of(dev_eui):
            self._speaking_to.add(dev_eui)
            task = asyncio.create_task(self._speak_to(dev_eui))
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)

    async def _speak_to(self, dev_eui: str) -> None:
        try:
            while self._broker is not None:
                waiting = self._waiting.of(dev_eui)
                if not waiting:
                    return
                topic = ports.mqtt_command_topic(dev_eui, waiting[0].f_port)
                if not await self._broker.send(dev_eui, topic, waiting[0].payload):
                    return
                self._waiting.done(dev_eui, waiting[0])
                self._counters.count("ingest.mqtt_downlinks")
        except StoreError as error:  # it will be sent once more
            self._counters.count("broker.commands_unkept", str(error))
        finally:
            self._speaking_to.discard(dev_eui)

    # -- called by the gate

    async def login(self, session: Session) -> bool:
        """Tell whether a session may connect, and lead its messages through the log."""
        user, password = session.username or "", session.password or ""
        network = network_of(session.remote_address or "")
        own = self._logins_from.setdefault(network, asyncio.Semaphore(MAX_LOGINS_FROM))
        async with own, self._logins:
            allowed = await asyncio.get_running_loop().run_in_executor(
                None, self._passwords.check_password, user, password
            )
        if not allowed:
            self._counters.count("broker.login_refused", f"user {user[:32]!r} from {session.remote_address}")
            return False
        session.will_flag = False  # a will would go to any topic, and nobody here needs one
        if self._broker is not None:
            self._broker.logged_in(session)
        if not isinstance(session.delivered_message_queue, _DurableQueue):
            session.delivered_message_queue = _DurableQueue(self.deliver, self._spawn, session)
        return True

    def allows(self, session: Session, topic: str, action: Action | None) -> bool:
        """Tell whether a session may publish to, subscribe to or receive from a topic."""
        if topic.startswith(f"meetnet/v1/{session.username}/"):
            return True
        name = "publish" if action is Action.PUBLISH else "subscribe"
        self._counters.count(f"broker.{name}_refused", f"{session.username} may not {name} to {topic[:80]!r}")
        return False

    async def deliver(self, session: Session, message: ApplicationMessage) -> None:
        """Return when a message is durable or can never be; wait while the disk refuses."""
        try:
            uplink = uplink_of(message.topic, bytes(message.data or b""), self._clock.now_ms())
        except IngestError as error:
            self._counters.count(error.cause, str(error))
            return
        if uplink.dev_eui != session.username:
            return  # counted by `allows`
        self._heard_ms[uplink.dev_eui] = uplink.received_at_ms
        while True:
            try:
                await self._sink.accept(uplink)
            except StoreError:  # counted where it happened; the node waits for its PUBACK or comes again
                await asyncio.sleep(RETRY_S)
            except IngestError as error:
                self._counters.count(error.cause, str(error))
                return
            else:
                self._counters.count("ingest.mqtt_uplinks")
                self.speak_to(uplink.dev_eui)
                return

    def _spawn(self, session: Session, message: ApplicationMessage) -> None:
        task = asyncio.create_task(self.deliver(session, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _DurableQueue(Queue[ApplicationMessage]):
    """A session's delivery queue. The broker sends PUBACK (or PUBCOMP) after `put` returned."""

    def __init__(
        self,
        deliver: Callable[[Session, ApplicationMessage], Coroutine[Any, Any, None]],
        spawn: Callable[[Session, ApplicationMessage], None],
        session: Session,
    ) -> None:
        super().__init__()
        self._deliver = deliver
        self._spawn = spawn
        self._session = session

    async def put(self, item: ApplicationMessage) -> None:
        await self._deliver(self._session, item)
        await super().put(item)

    def put_nowait(self, item: ApplicationMessage) -> None:
        if item.qos == 0:  # nothing will be acknowledged: store it on the side
            self._spawn(self._session, item)
        super().put_nowait(item)


class DeviceGate(BaseAuthPlugin, BaseTopicPlugin):
    """amqtt's view of an EmbeddedBroker: who connects, and to which topics."""

    @dataclass
    class Config(BaseAuthPlugin.Config):
        """What amqtt passes on."""

        broker: Any = None

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._gate = cast("EmbeddedBroker", cast("Any", self.config).broker)

    async def authenticate(self, *, session: Session) -> bool:
        """Ask the registry."""
        return await self._gate.login(session)

    async def on_broker_client_subscribed(self, *, client_id: str, topic: str, qos: int) -> None:
        """Send a device what waits for it, once it listens."""
        parts = topic.split("/")
        if topic.startswith("meetnet/v1/") and len(parts) > 3 and parts[3] == "down":
            self._gate.speak_to(parts[2])

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Let a device use its own topics only."""
        return session is not None and topic is not None and self._gate.allows(session, topic, action)

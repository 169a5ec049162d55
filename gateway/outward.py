"""Everything that goes out: a follower for each platform, started with the settings and told of news."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from gateway.clock import Clock
from gateway.config import Config
from gateway.counters import Counters
from gateway.datadir import DataDirectory
from gateway.leases import Turn, of_publisher
from gateway.publish import FileSideList, Follower, Publisher, SiteBook
from gateway.publish.base import Parcel
from gateway.registry import Registry
from gateway.retention import declared
from gateway.store import SqlitePublicReader, Store
from gateway.store.rows import Record
from gateway.tasks import keep_task
from gateway.tracing import Traces

REGISTER_S = 1.0  # how often it is asked whether the register changed
IDLE_S = 60.0  # followers are told of news; this is for what a fault left behind


class Outward:
    """The followers, by name of their publisher. ports: of those that listen, too."""

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        registry: Registry,
        directory: DataDirectory,
        clock: Clock,
        counters: Counters,
        traces: Traces,
        reader_of: Callable[[str], SqlitePublicReader],
        public_status: Callable[[], dict[str, Any]],
        turn: Callable[[str, contextlib.AsyncExitStack], Turn],
        running: Callable[[], Awaitable[object]],
        publishers: Sequence[Publisher] | None = None,
    ) -> None:
        """running: returns once the gateway runs. publishers: None takes those of the configuration."""
        self._config = config
        self._store = store
        self._registry = registry
        self._directory = directory
        self._clock = clock
        self._counters = counters
        self._traces = traces
        self._reader_of = reader_of
        self._public_status = public_status
        self._turn = turn
        self._running = running
        self._publishers = publishers
        self.followers: dict[str, Follower] = {}
        self.ports: dict[str, int] = {}

    async def start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start a follower for each publisher; raise ConfigError."""
        from gateway.outlets import Surroundings, outlets

        self.ports.clear()
        self.followers.clear()
        folder = self._directory.path / "publish"
        folder.mkdir(exist_ok=True, mode=0o700)
        self.surroundings = Surroundings(
            self._counters,
            folder,
            self._clock,
            self._public_status,
            self._reader_of,
            kept=lambda: declared(self._config(), self._clock.now_ms()),
        )
        found: list[tuple[Publisher, str]] = [(one, "public") for one in self._publishers or ()]
        if self._publishers is None:
            made = [
                (outlet.publisher(self.surroundings), outlet.recipient) for outlet in outlets(self._config())
            ]
            found = [(publisher, recipient) for publisher, recipient in made if publisher is not None]
        side = FileSideList(self._directory.side)
        for publisher, recipient in found:
            opened: Any = publisher
            if hasattr(opened, "open"):  # it listens, too
                await opened.open()
                self.ports[publisher.name] = opened.port
            follower = Follower(
                publisher,
                self._reader_of(recipient),
                self._store,
                side,
                self._counters,
                idle_s=IDLE_S,
                newest=self._store.newest_position,
                book=SiteBook(folder / f"{publisher.name}.sites.db"),
                register=self._registry.version,
                turn=self._turn(of_publisher(publisher.name), stack),
                is_current=self._store.is_current,
            )
            self.followers[publisher.name] = follower
            if self._traces.active:
                follower.on_sent = self._traces.sent
            keep_task(stack, self._once_running(follower.run), f"meetnet-publish-{publisher.name}")
        if self.followers:
            keep_task(stack, self._watch_register(), "meetnet-register")

    def state(self) -> dict[str, dict[str, Any]]:
        """Return how each is doing."""
        return {name: follower.state() for name, follower in self.followers.items()}

    def trace(self, on_sent: Callable[[str, Parcel, int, bool], None] | None) -> None:
        """Let followers tell what they sent."""
        for follower in self.followers.values():
            follower.on_sent = on_sent

    # -- news

    def notify(self) -> None:
        """Tell the followers that there is something new."""
        for follower in self.followers.values():
            follower.notify()

    def judged(self, first: int, last: int, records: Sequence[Record]) -> None:
        """Tell the followers what is durable and not stored yet."""
        for follower in self.followers.values():
            follower.judged(first, last, records)

    def stored(self, last: int, before: int, newest: int) -> None:
        """Tell the followers that uplinks are stored."""
        for follower in self.followers.values():
            follower.stored(last, before, newest)

    def lost(self) -> None:
        """Tell the followers that what they were told early is judged again."""
        for follower in self.followers.values():
            follower.lost()

    async def _watch_register(self) -> None:
        """Wake the followers when sites or consents changed, also by another process."""
        seen = self._registry.version()
        while True:
            await asyncio.sleep(REGISTER_S)
            found = self._registry.version()
            if found != seen:
                seen = found
                self.notify()

    async def _once_running(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what reads the whole register only once nobody waits for the start any more."""
        await self._running()
        await work()

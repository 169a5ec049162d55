"""The composition root: everything that makes a gateway, wired together on the running loop.

    registry, store, log, pipeline  <-  network server  <-  UDP listener
                                    <-  broker, MQTT ingest
    store  ->  publishers, page, status

It starts from the bottom and stops from the top: first nobody may hand anything over, then what was
handed over is stored, then files are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.applications import Starlette

from gateway.alarms import start_alerts
from gateway.backfill import Backfill, GapBook, Heard
from gateway.claims import ClaimBook
from gateway.clock import Clock, SystemClock
from gateway.commissioning import RecentUplinks
from gateway.config import Config
from gateway.control import create_control
from gateway.counters import Counters
from gateway.datadir import DataDirectory
from gateway.decode import Decoder, Foreign, Profiles, WindowBook
from gateway.downlinks import Downlinks
from gateway.errors import StoreError
from gateway.explaining import Sources, explain
from gateway.health import IncidentBook
from gateway.healthfacts import Collector, certificates_of, space_of
from gateway.http import HttpServer
from gateway.keeping import Keeper, keep_raw
from gateway.leases import ALERTS, KEEPER, Leases, Turn, of_worker
from gateway.live import Change, Live, Section
from gateway.model import Uplink
from gateway.networks import Networks
from gateway.outward import Outward
from gateway.pipeline import Pipeline
from gateway.preflight import check_time_zone, doubts
from gateway.publish import FileSideList, Publisher
from gateway.readers import reader_for
from gateway.registry import Registry
from gateway.reloading import Reloading
from gateway.report import PublicReport, Report
from gateway.retention import rules
from gateway.reviewing import Review
from gateway.store import Changes, DurableLog, SegmentLog, SqlitePublicReader, open_store
from gateway.store.assessments import Assessments
from gateway.store.writing import PIPELINE
from gateway.tasks import keep_task
from gateway.tracing import Traces, start_tracing
from gateway.update import UpdateBook, UpdateService
from gateway.update.events import something_on
from gateway.ways import Ways
from gateway.webserver import start_web

logger = logging.getLogger("meetnet")


class Gateway:
    """A whole gateway. Create, `await start()`, `await stop()`; nothing is opened before start."""

    def __init__(
        self, config: Config, clock: Clock | None = None, publishers: Sequence[Publisher] | None = None
    ) -> None:
        """publishers: None takes those of the configuration."""
        self.config = config
        self.clock = clock or SystemClock()
        self.counters = Counters()
        self.ports: dict[str, int] = {}
        self._publishers = publishers
        self._stack = contextlib.AsyncExitStack()
        self.web_ports: dict[str, int] = {}
        self.traces = Traces()
        self.reread: Callable[[], Config] | None = None  # the configuration as it is now in its file
        self._is_running = asyncio.Event()

    async def start(self) -> None:
        """Start everything; raise ConfigError, StoreError, RegistryError with nothing left running."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Stop taking in, store what was taken in, close."""
        await self._stack.aclose()

    # -- from the bottom

    async def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started_s = self._loop.time()
        self.directory = DataDirectory(self.config.directory)
        self.directory.lock()
        self._stack.callback(self.directory.unlock)
        rules(self.config)  # one that is wrong is told now
        check_time_zone(self.config)
        self.registry = Registry(self.config.path("data.registry") or self.directory.path)
        self._stack.callback(self.registry.close)
        self.profiles = Profiles(self.directory.profiles)
        self.claims = ClaimBook(self.directory.path / "claims.db")
        self._stack.callback(self.claims.close)
        self.recent = RecentUplinks()  # what a technician at the pole wants to know
        self.store = open_store(self.directory.store, self.config.text("data.postgres"))
        self._stack.callback(self.store.close)
        self.assessments = Assessments(self.directory.review)
        self._stack.callback(self.assessments.close)
        self.incidents = IncidentBook(self.directory.health_of(self.config.path("data.registry")))
        self._stack.callback(self.incidents.close)
        await self._start_leases()
        self.downlinks = Downlinks(self._transport_of, self._last_source)
        await self._start_pipeline()
        self.ways = Ways(
            self.registry,
            self.profiles,
            self.log,
            self.clock,
            self.counters,
            self.downlinks,
            self.directory,
        )
        self.networks = Networks(
            self.config,
            self.registry,
            self.log,
            self.clock,
            self.counters,
            self.downlinks,
            self.directory.lns,
            self.ways.wants_object,
        )
        self._report = Report(
            self._public_report,
            self.clock,
            self.counters,
            self.registry,
            self.store,
            self.networks,
            self.ways,
            self.outward,
            self.leases,
            self.backfill,
            self.incidents,
            self.ports,
        )
        self.collector = Collector(
            self.registry,
            self.store,
            self.recent,
            self.networks.status,
            self.outward.state,
            lambda: self.counters.seen("store.log_write_failed"),
            self.clock.now_ms(),
            lambda: space_of(self.directory.path),
            lambda: certificates_of(self.config),
            FileSideList(self.directory.side).waiting,
        )
        self.reader = self.reader_of("public")
        await self._start_control()
        await self.networks.start(self._stack)
        self.live = Live(self.config, self._adopt)
        self._stack.push_async_callback(self.live.close)
        self._reloading = Reloading(self.live, self.profiles, self.counters, self._know_ports)
        self._stack.push_async_callback(self._reloading.close)
        await self._start_live()
        self._is_running.set()
        for doubt in doubts(self.config):
            self.counters.count(f"config.doubt.{doubt.key}", str(doubt))
        logger.info("running: %s", ", ".join(f"{name} {port}" for name, port in self.ports.items()))

    async def _start_leases(self) -> None:
        """Ask for what only one of several workers may do; refuse a name under which another stores."""
        self.leases = Leases(self.store.database.leases(self._owner()), self.counters)
        self._stack.push_async_callback(self.leases.close)
        await self.leases.claim_name(of_worker(self.config.text("data.worker")))
        keep_task(self._stack, self.leases.run(), "meetnet-leases")

    async def _start_pipeline(self) -> None:
        segments = SegmentLog(self.directory.segments, self.config.whole("data.segment_mib") << 20)
        segments.skip_to(self.store.position(self._position_name()))
        if segments.damaged:
            self.counters.count(
                "store.log_damaged", "torn or damaged records were passed over", segments.damaged
            )
        self.log = DurableLog(segments, self.counters, lambda sequence: self.pipeline.wake(sequence))
        self._stack.push_async_callback(self.log.close)
        self.changes = Changes(self.store.newest_position())
        self.backfill = Backfill(
            GapBook(self.directory.gaps),
            self.store.seqs,
            self.downlinks,
            lambda dev_eui: self._transport_of(dev_eui) == "lorawan",
            self.counters,
        )
        self._stack.push_async_callback(self.backfill.close)
        self.updates = UpdateService(
            UpdateBook(self.directory.path),
            self.downlinks,
            self._transport_of,
            partial(something_on, self.store, self.registry, self.clock.now_ms),
            self.counters,
            self.clock.now_ms,
            lambda: self.ports.get("web", 0),
        )
        self._stack.push_async_callback(self.updates.close)
        windows = WindowBook(self.directory.windows)
        self._stack.callback(windows.close)
        self.pipeline = Pipeline(
            self.log,
            self.store,
            self.registry,
            self.counters,
            self._stored,
            self._heard,
            self._position_name(),
            decoder=Decoder(windows, self.registry.profile_of, Foreign(self.profiles.get)),
        )
        self.pipeline.traces = self.traces
        self._public_report = PublicReport(
            lambda: self._loop.time() - self._started_s,
            self.clock,
            self.counters,
            self.changes,
            self.pipeline,
        )
        self.outward = Outward(
            lambda: self.config,
            self.store,
            self.registry,
            self.directory,
            self.clock,
            self.counters,
            self.traces,
            self.reader_of,
            self.public_status,
            self._turn,
            self._is_running.wait,
            self._publishers,
        )
        if not self.config.text("data.postgres"):  # nobody else stores between what is judged and stored
            self.pipeline.ahead = self.outward
        self._stack.callback(self.pipeline.close)
        task = asyncio.create_task(self.pipeline.run(), name="meetnet-pipeline")

        async def finish() -> None:
            self.pipeline.stop()
            await task

        self._stack.push_async_callback(finish)
        self._start_housekeeping()

    def _start_housekeeping(self) -> None:
        stored, config = (lambda: self.pipeline.position), (lambda: self.config)
        raw = keep_raw(self.log, stored, config, self.clock, self.counters)
        keep_task(self._stack, raw, "meetnet-retention")
        review = Review(
            self.store,
            self.registry.places,
            self.assessments,
            self.clock,
            self.counters,
            lambda: bool(self.outward.followers) or self.config.flag("web.enabled"),
        )
        keep_task(self._stack, self._once_running(review.run), "meetnet-review")
        keeper = Keeper(
            self.store,
            self.clock,
            self.counters,
            lambda: self.config,
            self.directory.path,
            self.leases.turn(KEEPER),
        )
        keep_task(self._stack, self._once_running(keeper.run), "meetnet-keeper")

    def reader_of(self, recipient: str) -> SqlitePublicReader:
        """Return what a recipient may read, as the hosts have it on record at each reading."""
        return reader_for(recipient, self.store, self.registry, self.assessments, self.clock.now_ms)

    async def _start_control(self) -> None:
        token = secrets.token_urlsafe(32)
        control = HttpServer(self._control(token), "127.0.0.1", 0, "control")
        await control.start()
        self._stack.push_async_callback(control.close)
        self.directory.write_control(control.port, token)
        self._stack.callback(self.directory.control.unlink, missing_ok=True)

    # -- what can change while it runs

    async def _start_live(self) -> None:
        """Start the sections, each with the settings that it reads."""
        sections = (
            Section("publishers", ("publish.",), self.outward.start),
            Section("tracing", ("otel.",), self._start_tracing),
            Section("web", ("web.", "publish.", "mail."), lambda stack: start_web(self, stack)),
            Section("chirpstack", ("chirpstack.",), lambda s: self.networks.chirpstack(self.config, s)),
            Section("ttn", ("ttn.",), lambda s: self.networks.ttn(self.config, s)),
            Section("broker", ("broker.",), lambda s: self.ways.broker(self.config, s)),
            Section("mqtt", ("mqtt.",), lambda s: self.ways.mqtt(self.config, s)),
            Section("push", ("push.",), lambda s: self.ways.push(self.config, s)),
            Section("serial", ("serial.",), lambda s: self.ways.serial(self.config, s)),
            Section("alerts", ("alerts.", "mail.", "web.time_zone"), self._start_alerts),
        )
        for section in sections:
            await self.live.add(section)
        self._know_ports()

    async def _start_tracing(self, stack: contextlib.AsyncExitStack) -> None:
        await start_tracing(self.config, self.traces, self.outward.trace, stack)

    async def _start_alerts(self, stack: contextlib.AsyncExitStack) -> None:
        await start_alerts(
            self.config,
            self.collector,
            self.incidents,
            self.clock,
            self.counters,
            lambda: self._turn(ALERTS, stack) if self.leases.table.is_shared else None,
            stack,
        )

    def _adopt(self, config: Config) -> None:
        self.config = config

    def _know_ports(self) -> None:
        self.ports.clear()
        self.ports |= self.web_ports | self.outward.ports | self.networks.ports | self.ways.ports

    # -- while it runs

    def _stored(self, position: int) -> None:
        self.changes.announce(position)
        if self.pipeline.ahead is None:
            self.outward.notify()

    def _heard(self, heard: Sequence[Heard]) -> None:
        self.backfill.heard(heard)
        ours = [one.uplink for one in heard if one.uplink and not self.registry.profile_of(one.dev_eui)]
        self.updates.heard(ours)
        self.recent.heard(*[one.uplink for one in heard if one.uplink is not None])

    def public_status(self) -> dict[str, Any]:
        """Return what anybody may know: numbers, no device, no detail."""
        return self._public_report()

    def status(self) -> dict[str, Any]:
        """Return what the operator may know: counters with details, devices, gateways, publishers."""
        return self._report()

    async def reload(self) -> Change:
        """Read the configuration again and run with it; with the old one, and why, when it is wrong."""
        return await self._reloading.now(self.reread)

    def reload_soon(self) -> None:
        """Reload once what is being answered now is out: the pages, too, may start again."""
        self._reloading.soon(self.reread)

    async def drained(self) -> None:
        """Return when everything that was acknowledged is stored."""
        await self.pipeline.drained()

    # -- within

    def _owner(self) -> str:
        """Return what tells this gateway from all others: where its directory is, which it has locked."""
        return f"{self.config.text('data.worker')}@{socket.gethostname()}:{self.directory.path.resolve()}"

    def _turn(self, name: str, stack: contextlib.AsyncExitStack) -> Turn:
        """Ask for a lease until a part of the gateway is stopped."""
        turn = self.leases.turn(name)
        stack.callback(turn.give_up)
        return turn

    def _position_name(self) -> str:
        """Return under which name the store keeps how far it has read the log of this process."""
        worker = self.config.text("data.worker")
        return f"{PIPELINE}:{worker}" if worker else PIPELINE

    def _control(self, token: str) -> Starlette:
        return create_control(
            token,
            self.status,
            self.downlinks,
            lambda: self.networks.lns,
            explain=self.explain,
            reload=self._reload_and_tell,
        )

    async def _reload_and_tell(self) -> dict[str, Any]:
        return asdict(await self.reload())

    async def explain(self, reading: str) -> dict[str, Any]:
        """Tell where a reading came from, what was done to it, and where it went; raise RegistryError."""
        loop = asyncio.get_running_loop()

        def frame(sequence: int) -> Uplink | StoreError | None:
            found = asyncio.run_coroutine_threadsafe(self.log.read(sequence - 1, 1), loop).result()
            return found[0][1] if found and found[0][0] == sequence else None

        sources = Sources(
            self.config,
            self.registry,
            self.store,
            self.assessments,
            self.profiles,
            self.directory.side,
            frame,
        )
        return await loop.run_in_executor(None, explain, sources, reading)

    def _transport_of(self, dev_eui: str) -> str | None:
        device = self.registry.device(dev_eui)
        return device.transport if device else None

    def _last_source(self, dev_eui: str) -> str | None:
        """Say where the store saw a device last."""
        return next((seen.source for seen in self.store.devices_seen(dev_eui)), None)

    async def _once_running(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what reads the whole register only once nobody waits for the start any more."""
        await self._is_running.wait()
        await work()

    def in_log(self, work: Callable[[SegmentLog], int]) -> int:
        """Run a function in the thread of the raw log, and wait: not to be called on the loop."""
        return asyncio.run_coroutine_threadsafe(self.log.call(work), self._loop).result()

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
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from gateway.alerting import Alerting, AlertSettings
from gateway.backfill import Backfill, GapBook, Heard
from gateway.claims import ClaimBook
from gateway.clock import Clock, SystemClock
from gateway.commissioning import RecentUplinks, SiteReports
from gateway.config import Config
from gateway.config_bench import ConfigBench
from gateway.control import create_control
from gateway.counters import Counters
from gateway.datadir import DataDirectory
from gateway.decode import Decoder, Foreign, Profiles, WindowBook
from gateway.downlinks import Downlinks
from gateway.errors import ConfigError, StoreError
from gateway.explaining import Sources, explain
from gateway.health import IncidentBook
from gateway.healthfacts import Collector
from gateway.http import HttpServer
from gateway.keeping import Keeper
from gateway.mail import Mailer, MailSettings
from gateway.model import Uplink
from gateway.networks import Networks
from gateway.noise_bench import NoiseBench
from gateway.office import Office
from gateway.pipeline import Pipeline
from gateway.provision.minting import Mint
from gateway.provision.trust import broker_of, trust_of
from gateway.publish import FileSideList, Follower, Publisher, SiteBook
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook
from gateway.registry.rounds import Rounds
from gateway.reviewing import Review
from gateway.store import Changes, DurableLog, SegmentLog, SqlitePublicReader, open_store
from gateway.store.assessments import Assessments
from gateway.store.retention import prune
from gateway.store.writing import PIPELINE
from gateway.tls import tls_files
from gateway.update import UpdateBook, UpdateService, bundles_app
from gateway.update.events import something_on
from gateway.ways import Ways

if TYPE_CHECKING:
    from gateway.web.house import Desk

logger = logging.getLogger("meetnet")
RETENTION_S = 3600.0
DAY_MS = 86_400_000
REGISTER_S = 1.0  # how often it is asked whether the register changed
FOLLOWER_IDLE_S = 60.0  # they are told of news; this is for what a fault left behind


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
        self._followers: dict[str, Follower] = {}
        self._mqtt: Any = None
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
        self._started_s = asyncio.get_running_loop().time()
        self.directory = DataDirectory(self.config.directory)
        self.directory.lock()
        self._stack.callback(self.directory.unlock)
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
        self.incidents = IncidentBook(self.directory.health)
        self._stack.callback(self.incidents.close)
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
        self.collector = Collector(
            self.registry,
            self.store,
            self.recent,
            self.networks.status,
            lambda: {name: follower.state() for name, follower in self._followers.items()},
            lambda: self.counters.seen("store.log_write_failed"),
            self.clock.now_ms(),
        )
        self.reader = self.reader_of("public")
        await self._start_publishers()
        await self._start_web()
        await self._start_lorawan()
        await self._start_mqtt()
        await self.ways.push(self.config, self._stack)
        await self.ways.serial(self.config, self._stack)
        self.ports |= self.ways.ports
        self._start_health()
        self._is_running.set()
        logger.info("running: %s", ", ".join(f"{name} {port}" for name, port in self.ports.items()))

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
        self._stack.callback(self.pipeline.close)
        task = asyncio.create_task(self.pipeline.run(), name="meetnet-pipeline")

        async def finish() -> None:
            self.pipeline.stop()
            await task

        self._stack.push_async_callback(finish)
        self._keep_task(self._retain(), "meetnet-retention")
        review = Review(self.store, self.registry.sites, self.assessments, self.clock, self.counters)
        self._keep_task(self._once_running(review.run), "meetnet-review")
        keeper = Keeper(self.store, self.clock, self.counters, self.config.whole("data.seal_days"))
        self._keep_task(self._once_running(keeper.run), "meetnet-keeper")

    def reader_of(self, recipient: str) -> SqlitePublicReader:
        """Return what a recipient may read, as the hosts have it on record at each reading."""
        return SqlitePublicReader(
            self.store,
            lambda: self.registry.consenting_sites(recipient, self.clock.now_ms()),
            lambda: self.registry.consented_since(recipient, self.clock.now_ms()),
            self.assessments.flags,
            lambda site_ids: self.registry.agreed(recipient, site_ids, self.clock.now_ms()),
            self.assessments.sites,
            self.registry.version,
            self.assessments.stretches,
        )

    async def _start_publishers(self) -> None:
        from gateway.outlets import Surroundings, outlets

        folder = self.directory.path / "publish"
        folder.mkdir(exist_ok=True, mode=0o700)
        self._surroundings = Surroundings(
            self.counters, folder, self.clock, self.public_status, self.reader_of
        )
        found: list[tuple[Publisher, str]] = [(one, "public") for one in self._publishers or ()]
        if self._publishers is None:
            made = [
                (outlet.publisher(self._surroundings), outlet.recipient) for outlet in outlets(self.config)
            ]
            found = [(publisher, recipient) for publisher, recipient in made if publisher is not None]
        side = FileSideList(self.directory.side)
        for publisher, recipient in found:
            opened: Any = publisher
            if hasattr(opened, "open"):  # it listens, too
                await opened.open()
                self.ports[publisher.name] = opened.port
            follower = Follower(
                publisher,
                self.reader_of(recipient),
                self.store,
                side,
                self.counters,
                idle_s=FOLLOWER_IDLE_S,
                newest=self.store.newest_position,
                book=SiteBook(folder / f"{publisher.name}.sites.db"),
                register=self.registry.version,
            )
            self._followers[publisher.name] = follower
            self._keep_task(self._once_running(follower.run), f"meetnet-publish-{publisher.name}")
        if self._followers:
            self._keep_task(self._watch_register(), "meetnet-register")

    async def _start_web(self) -> None:
        token = secrets.token_urlsafe(32)
        control = HttpServer(self._control(token), "127.0.0.1", 0, "control")
        await control.start()
        self._stack.push_async_callback(control.close)
        self.directory.write_control(control.port, token)
        self._stack.callback(self.directory.control.unlink, missing_ok=True)
        if not self.config.flag("web.enabled"):
            return
        from gateway.outlets import public_documents, served
        from gateway.web import House, WebSettings, create_app

        accounts = Accounts(self.directory.path)
        self._stack.callback(accounts.close)
        events = EventBook(self.directory.path)
        self._stack.callback(events.close)
        mailer = Mailer(self._mail_settings())
        house = House(
            accounts,
            mailer.is_set_up,
            mailer.send,
            lambda: {name: follower.state() for name, follower in self._followers.items()},
            self._desk(),
            NoiseBench(self.registry, self.downlinks),
            ConfigBench(self.registry, self.downlinks, self.clock),
            events,
            Mint(self.registry, self.claims, self._trust, self.clock.now_ms),
            office=Office(self.config, FileSideList(self.directory.side), self.reader_of, self._surroundings),
        )
        tls = tls_files(self.config, "web")
        scheme = "https" if tls else "http"
        settings = WebSettings(
            title=self.config.text("web.title"),
            url=self.config.text("web.url") or f"{scheme}://localhost:{self.config.whole('web.port')}",
            time_zone=self.config.text("web.time_zone"),
            refresh_s=self.config.whole("web.refresh_s"),
            tiles_url=self.config.text("web.tiles_url"),
            tiles_attribution=self.config.text("web.tiles_attribution"),
            outlines=self.config.path("web.outlines"),
            flasher=self.config.path("web.flasher"),
            documents=public_documents(self.config),
            applications=served(self.config, self.reader_of, self._surroundings)
            | {"/update": bundles_app(self.updates.offered)},
        )
        app = create_app(
            self.reader,
            self.public_status,
            self.clock,
            settings,
            house=house,
            version=lambda: (self.registry.version(), self.changes.position),
        )
        server = HttpServer(app, self.config.text("web.host"), self.config.whole("web.port"), "web.port", tls)
        await server.start()
        self._stack.push_async_callback(server.close)
        self.ports["web"] = server.port

    def _start_health(self) -> None:
        if not self.config.flag("alerts.enabled"):
            return
        settings = AlertSettings(
            mail_to=self.config.texts("alerts.mail_to"),
            webhook_url=self.config.text("alerts.webhook_url"),
            language=self.config.text("alerts.language"),
            time_zone=self.config.text("web.time_zone"),
            quiet_from_h=self.config.whole("alerts.quiet_from_h"),
            quiet_to_h=self.config.whole("alerts.quiet_to_h"),
            remind_h=self.config.whole("alerts.remind_h"),
        )
        alerting = Alerting(
            lambda: self.collector.facts(self.clock.now_ms()),
            self.incidents,
            Mailer(self._mail_settings()),
            self.clock,
            self.counters,
            settings,
            self.collector.site_names,
        )
        self._keep_task(alerting.run(), "meetnet-health")

    async def _start_lorawan(self) -> None:
        await self.networks.start(self._stack)
        self.ports |= self.networks.ports

    async def _start_mqtt(self) -> None:
        if self.config.flag("broker.enabled"):
            from gateway.broker import EmbeddedBroker
            from gateway.ingest.mqtt.waiting import WaitingCommands

            broker = EmbeddedBroker(
                self.log,
                self.registry,
                self.clock,
                self.counters,
                WaitingCommands(self.directory.commands),
                self.config.whole("broker.max_connections"),
            )
            self.downlinks.ways["broker"] = broker
            host, port = self.config.text("broker.host"), self.config.whole("broker.port")
            await broker.start(host, port, tls_files(self.config, "broker"))
            self._stack.push_async_callback(broker.close)
            self.ports["broker"] = broker.port
        if self.config.flag("mqtt.enabled"):
            from gateway.ingest.mqtt import MqttIngest, MqttSettings

            settings = MqttSettings(
                host=self.config.text("mqtt.host"),
                port=self.config.whole("mqtt.port"),
                client_id=self.config.text("mqtt.client_id"),
                username=self.config.text("mqtt.username"),
                password=self._secret("mqtt.password_file"),
                tls=self.config.flag("mqtt.tls"),
                tls_ca=self.config.path("mqtt.tls_ca"),
                in_flight=self.config.whole("mqtt.in_flight"),
                group=self.config.text("mqtt.group"),
            )
            self._mqtt = MqttIngest(
                self.log,
                self.registry.knows,
                self.clock,
                self.counters,
                settings,
            )
            self.downlinks.ways["mqtt"] = self._mqtt
            await self._mqtt.start()
            self._stack.push_async_callback(self._mqtt.close)

    # -- while it runs

    def _stored(self, position: int) -> None:
        self.changes.announce(position)
        for follower in self._followers.values():
            follower.notify()

    def _heard(self, heard: Sequence[Heard]) -> None:
        self.backfill.heard(heard)
        ours = [one.uplink for one in heard if one.uplink and not self.registry.profile_of(one.dev_eui)]
        self.updates.heard(ours)
        for one in heard:
            if one.uplink is not None:
                self.recent.heard(one.uplink)

    async def _watch_register(self) -> None:
        """Wake the followers when sites or consents changed, also by another process."""
        seen = self.registry.version()
        while True:
            await asyncio.sleep(REGISTER_S)
            found = self.registry.version()
            if found != seen:
                seen = found
                for follower in self._followers.values():
                    follower.notify()

    async def drained(self) -> None:
        """Return when everything that was acknowledged is stored."""
        await self.pipeline.drained()

    async def _retain(self) -> None:
        while True:
            before_ms = self.clock.now_ms() - self.config.whole("data.raw_days") * DAY_MS
            keep_bytes = self.config.whole("data.raw_mib") << 20
            stored = self.pipeline.position
            try:
                dropped = await self.log.call(
                    partial(prune, stored=stored, before_ms=before_ms, keep_bytes=keep_bytes)
                )
                if dropped:
                    self.counters.count("store.segments_dropped", n=dropped)
            except StoreError as error:
                self.counters.count("store.retention_failed", str(error))
            await asyncio.sleep(RETENTION_S)

    def public_status(self) -> dict[str, Any]:
        """Return what anybody may know: numbers, no device, no detail."""
        return {
            "uptime_s": round(asyncio.get_running_loop().time() - self._started_s),
            "now_ms": self.clock.now_ms(),
            "position": self.changes.position,
            "log": {"durable": self.pipeline.durable, "stored": self.pipeline.position},
            "counters": {name: found["count"] for name, found in self.counters.snapshot().items()},
        }

    def status(self) -> dict[str, Any]:
        """Return what the operator may know: counters with details, devices, gateways, publishers."""
        seen = {device.dev_eui: device for device in self.store.devices_seen()}
        devices: list[dict[str, Any]] = []
        for device in self.registry.devices():
            site = self.registry.site_of(device.dev_eui, self.clock.now_ms())
            found = seen.pop(device.dev_eui, None)
            devices.append(
                {
                    **asdict(device),
                    "site": site.id if site else None,
                    "seen": asdict(found) if found else None,
                    "config": self.registry.node_config(device.dev_eui),
                }
            )
        return {
            **self.public_status(),
            "ports": self.ports,
            "counters": self.counters.snapshot(),
            "devices": devices,
            "foreign_devices": [asdict(device) for device in seen.values()],
            **self.networks.status(),
            "serial": self.ways.status(),
            "mqtt_connected": self._mqtt.connected if self._mqtt else None,
            "publishers": {name: follower.state() for name, follower in self._followers.items()},
            "missing_records": self.backfill.state(),
            "incidents": [
                {**asdict(entry.incident), "id": entry.id, "opened_ms": entry.opened_ms}
                for entry in self.incidents.open()
            ],
            "dead_letters": self.store.dead_letters(20),
        }

    # -- within

    def _position_name(self) -> str:
        """Return under which name the store keeps how far it has read the log of this process."""
        worker = self.config.text("data.worker")
        return f"{PIPELINE}:{worker}" if worker else PIPELINE

    def _control(self, token: str) -> Starlette:
        return create_control(
            token, self.status, self.downlinks, lambda: self.networks.lns, explain=self._explain
        )

    async def _explain(self, reading: str) -> dict[str, Any]:
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

    def _keep_task(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)

        async def cancel() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(cancel)

    def _desk(self) -> Desk:
        from gateway.desk import make_desk

        reports = SiteReports(self.directory.path)
        self._stack.callback(reports.close)
        rounds = Rounds(self.directory.path)
        self._stack.callback(rounds.close)
        return make_desk(
            self.config,
            self.registry,
            self.claims,
            self.store,
            self.recent,
            reports,
            rounds,
            self.directory.store,
            self.incidents,
            self.collector,
        )

    def _trust(self, transport: str) -> dict[str, Any]:
        return trust_of(self.config) | (broker_of(self.config) if transport == "mqtt" else {})

    def _mail_settings(self) -> MailSettings:
        config = self.config
        return MailSettings(
            host=config.text("mail.host"),
            port=config.whole("mail.port"),
            security=config.text("mail.security"),
            username=config.text("mail.username"),
            password=self._secret("mail.password_file"),
            sender=config.text("mail.sender"),
        )

    def _secret(self, key: str) -> str:
        path = self.config.path(key)
        if path is None:
            return ""
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(key, f"cannot read {path} ({error}): correct it") from error

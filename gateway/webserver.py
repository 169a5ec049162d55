"""The pages, in the composition root: everything that they show and do, wired together."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.calibrated import calibrated
from gateway.commissioning import SiteReports
from gateway.config import Config
from gateway.config_bench import ConfigBench
from gateway.http import HttpServer
from gateway.mail import Mailer, mail_settings
from gateway.noise_bench import NoiseBench
from gateway.office import Office
from gateway.preflight import check_oidc
from gateway.provision.benchbook import BenchBook
from gateway.provision.minting import Mint
from gateway.provision.trust import broker_of, trust_of
from gateway.publish import FileSideList
from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook
from gateway.registry.notes import NoteBook
from gateway.registry.rounds import Rounds
from gateway.registry.siting import SitingBook
from gateway.tls import tls_files
from gateway.update import RolloutDesk, bundles_app
from gateway.update.events import something_on
from gateway.web.house import NOW, PAGE, RESTART

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.web.house import Desk
    from gateway.web.oidc import OidcClient


async def start_web(gateway: Gateway, stack: contextlib.AsyncExitStack) -> None:
    """Serve the pages, if that is switched on; `ports` of the gateway says where."""
    config = gateway.config
    gateway.web_ports.pop("web", None)
    if not config.flag("web.enabled"):
        return
    from gateway.outlets import public_documents, served
    from gateway.web import House, create_app
    from gateway.web.settings import page_settings

    accounts = Accounts(gateway.directory.path)
    stack.callback(accounts.close)
    events = EventBook(gateway.directory.path)
    stack.callback(events.close)
    notes = NoteBook(gateway.directory.path)
    stack.callback(notes.close)
    bench = BenchBook(gateway.directory.path)
    stack.callback(bench.close)
    mailer = Mailer(mail_settings(config))
    house = House(
        accounts,
        mailer.is_set_up,
        mailer.send,
        gateway.outward.state,
        _desk(gateway, stack),
        NoiseBench(gateway.registry, gateway.downlinks),
        ConfigBench(gateway.registry, gateway.downlinks, gateway.clock),
        events,
        Mint(gateway.registry, gateway.claims, partial(_trust, config), gateway.clock.now_ms),
        office=_office(gateway),
        oidc=_identity_provider(config),
        updates=_updates(gateway),
        bench=bench,
        notes=notes,
        calibrated=lambda: calibrated(gateway.registry, gateway.clock.now_ms()),
        explain=gateway.explain,
    )
    tls = tls_files(config, "web")
    settings = replace(
        page_settings(config),
        documents=public_documents(config),
        applications=served(config, gateway.reader_of, gateway.outward.surroundings)
        | {"/update": bundles_app(gateway.updates.offered)},
    )
    app = create_app(
        gateway.reader,
        gateway.public_status,
        gateway.clock,
        settings,
        house=house,
        version=lambda: ((gateway.registry.version(), notes.version()), gateway.changes.position),
    )
    server = HttpServer(app, config.text("web.host"), config.whole("web.port"), "web.port", tls)
    await server.start()
    stack.push_async_callback(server.close)
    gateway.web_ports["web"] = server.port


def _office(gateway: Gateway) -> Office:
    side = FileSideList(gateway.directory.side)
    return Office(_Running(gateway), side, gateway.reader_of, gateway.outward.surroundings)


class _Running:
    """The gateway, as the page of its settings knows it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def config(self) -> Config:
        return self._gateway.config

    def effect(self, key: str) -> str:
        live = self._gateway.live
        if not live.is_live(key):
            return RESTART
        return PAGE if "web" in live.readers(key) else NOW

    async def take_up(self) -> str:
        return (await self._gateway.reload()).error

    def take_up_soon(self) -> None:
        self._gateway.reload_soon()


def _trust(config: Config, transport: str) -> dict[str, Any]:
    return trust_of(config) | (broker_of(config) if transport == "mqtt" else {})


def _desk(gateway: Gateway, stack: contextlib.AsyncExitStack) -> Desk:
    from gateway.desk import make_desk

    reports = SiteReports(gateway.directory.path)
    stack.callback(reports.close)
    rounds = Rounds(gateway.directory.path)
    stack.callback(rounds.close)
    siting = SitingBook(gateway.directory.path, partial(_maintained, gateway))
    stack.callback(siting.close)
    return make_desk(
        gateway.config,
        gateway.registry,
        gateway.claims,
        gateway.store,
        gateway.recent,
        reports,
        rounds,
        gateway.in_log,
        gateway.clock.now_ms,
        gateway.incidents,
        gateway.collector,
        siting,
        gateway.assessments,
    )


def _maintained(gateway: Gateway, site_id: str, from_ms: int, to_ms: int) -> None:
    gateway.assessments.mark(site_id, "precipitation", from_ms, to_ms, "maintenance", "water was poured in")


def _updates(gateway: Gateway) -> RolloutDesk:
    return RolloutDesk(
        gateway.directory.path,
        gateway.registry.devices,
        lambda: {one.dev_eui: one.received_at_ms for one in gateway.store.devices_seen()},
        partial(something_on, gateway.store, gateway.registry, gateway.clock.now_ms),
        gateway.clock.now_ms,
        gateway.config.text("updates.public_key"),
    )


def _identity_provider(config: Config) -> OidcClient | None:
    """Return where staff signs in, None when that is off."""
    issuer, base = config.text("oidc.issuer"), config.text("web.url").rstrip("/")
    if not issuer:
        return None
    check_oidc(config)
    from gateway.web.oidc import OidcClient, OidcSettings

    secret = config.secret("oidc.client_secret_file")
    name = config.text("oidc.name")
    return OidcClient(
        OidcSettings(issuer, config.text("oidc.client_id"), secret, name, base + "/oidc/callback")
    )

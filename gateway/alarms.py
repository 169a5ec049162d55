"""Telling people what is wrong, when that is switched on: with settings, mail and the lease for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gateway.alerting import Alerting, AlertSettings
from gateway.clock import Clock
from gateway.config import Config
from gateway.counters import Counters
from gateway.health import IncidentBook
from gateway.healthfacts import Collector
from gateway.leases import Turn
from gateway.mail import Mailer, mail_settings
from gateway.tasks import keep_task


async def start_alerts(
    config: Config,
    collector: Collector,
    incidents: IncidentBook,
    clock: Clock,
    counters: Counters,
    turn: Callable[[], Turn | None],
    stack: contextlib.AsyncExitStack,
) -> None:
    """Look for what is wrong, and tell, until a stack is closed. turn: whose it is; None: always ours."""
    if not config.flag("alerts.enabled"):
        return
    settings = AlertSettings(
        mail_to=config.texts("alerts.mail_to"),
        webhook_url=config.text("alerts.webhook_url"),
        language=config.text("alerts.language"),
        time_zone=config.text("web.time_zone"),
        quiet_from_h=config.whole("alerts.quiet_from_h"),
        quiet_to_h=config.whole("alerts.quiet_to_h"),
        remind_h=config.whole("alerts.remind_h"),
    )
    alerting = Alerting(
        lambda: collector.facts(clock.now_ms()),
        incidents,
        Mailer(mail_settings(config)),
        clock,
        counters,
        settings,
        collector.site_names,
        turn(),
    )
    keep_task(stack, alerting.run(), "meetnet-health")

"""`meetnet alerts`: what is wrong now, why, and the next step."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import FAILED, Failure, config_option, configuration, json_option, print_json
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.exports import iso_utc
from gateway.health import Entry, IncidentBook
from gateway.health.words import LANGUAGES, told
from gateway.mail import Mailer, mail_settings
from gateway.telling import Teller


@click.command()
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Also the newest hundred that ended.")
@click.option(
    "--language", type=click.Choice(LANGUAGES), help="Language of the sentences [default: alerts.language]."
)
@click.option("--test", is_flag=True, help="Send a trial to everybody who would be told, and say who got it.")
def alerts(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    everything: bool,
    language: str | None,
    test: bool,
) -> None:
    """Show incidents: one for each cause, with what it silences and one next step.

    \b
    Example:
      meetnet alerts --language en
      meetnet alerts --test          # do mails and webhook arrive?

    Exit codes: 0 done (also when there are incidents), 1 failed; with --test also when somebody got nothing.
    """
    found = configuration(config_file, data)
    if test:
        _test(found, as_json, language or found.text("alerts.language"))
        return
    directory = DataDirectory(found.directory)
    health = directory.health_of(found.path("data.registry"))
    if not health.exists():
        raise Failure(
            f"no incidents were ever kept in {directory.path}: run the gateway first, or give --data"
        )
    book = IncidentBook(health)
    try:
        entries = book.recent() if everything else book.open()
    finally:
        book.close()
    language = language or found.text("alerts.language")
    if as_json:
        print_json([_plain(entry, language) for entry in entries])
        return
    if not entries:
        click.echo("nothing is wrong that we know of")
    for entry in entries:
        what, step = told(entry.incident, language)
        until = "" if entry.closed_ms is None else f" until {iso_utc(entry.closed_ms)}"
        click.echo(f"{iso_utc(entry.incident.since_ms)}{until}  {what}")
        if entry.closed_ms is None:
            click.echo(f"    {step}")


_TRIAL = {
    "nl": ("Proef: zo komen meldingen aan", "Er is niets aan de hand: iemand probeerde of je ze krijgt."),
    "fr": ("Essai : ainsi arrivent les alertes", "Tout va bien : quelqu'un a vérifié que vous les recevez."),
    "en": ("Trial: this is how alerts arrive", "Nothing is wrong: somebody tried whether you get them."),
}


def _test(config: Config, as_json: bool, language: str) -> None:
    """Send a trial by every way; raise SystemExit when one does not take it."""
    subject, text = _TRIAL[language]
    teller = Teller(
        Mailer(mail_settings(config)), config.texts("alerts.mail_to"), config.text("alerts.webhook_url")
    )
    about: dict[str, Any] = {
        "id": 0,
        "cause": "test",
        "subject": "",
        "sites": [],
        "since_ms": 0,
        "closed_ms": None,
    }
    results = [
        {"to": to, "ok": not (why := send()), "why": why}
        for _, to, send in teller.ways(subject, text + "\n", about)
    ]
    if not results:
        raise Failure("nobody would be told: give alerts.mail_to (with mail.host) or alerts.webhook_url")
    if as_json:
        print_json(results)
    else:
        for one in results:
            click.echo(
                f"{'ok  ' if one['ok'] else 'FAIL'} {one['to']}{': ' if one['why'] else ''}{one['why']}"
            )
    if not all(one["ok"] for one in results):
        raise SystemExit(FAILED)


def _plain(entry: Entry, language: str) -> dict[str, Any]:
    what, step = told(entry.incident, language)
    return {
        **asdict(entry.incident),
        "id": entry.id,
        "opened_ms": entry.opened_ms,
        "closed_ms": entry.closed_ms,
        "told_ms": entry.told_ms,
        "what": what,
        "step": step,
    }

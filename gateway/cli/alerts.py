"""`meetnet alerts`: what is wrong now, why, and the next step."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.datadir import DataDirectory
from gateway.exports import iso_utc
from gateway.health import Entry, IncidentBook
from gateway.health.words import LANGUAGES, told


@click.command()
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Also the newest hundred that ended.")
@click.option(
    "--language", type=click.Choice(LANGUAGES), help="Language of the sentences [default: alerts.language]."
)
def alerts(
    config_file: Path | None, data: Path | None, as_json: bool, everything: bool, language: str | None
) -> None:
    """Show incidents: one for each cause, with what it silences and one next step.

    \b
    Example:
      meetnet alerts --language en

    Exit codes: 0 done (also when there are incidents), 1 failed.
    """
    found = configuration(config_file, data)
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

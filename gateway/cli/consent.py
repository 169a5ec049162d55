"""`meetnet consent`: what hosts agreed to, for each recipient of their data."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.exports import iso_utc
from gateway.registry import Registry

PUBLIC_DOMAIN = {
    "openSenseMap": "Data on openSenseMap are public domain for ever (PDDL 1.0): this cannot be taken back.",
    "sensor.community": "Data at Sensor.Community are open for ever (DbCL 1.0): no copy can be taken back.",
}


@click.group()
def consent() -> None:
    """Keep on record to whom the data of a site may go.

    Recipients are `public` (page and open data) and those of the outlets: `meetnet publish list` names them.
    """


@consent.command("give")
@config_option
@json_option
@click.argument("recipient")
@click.argument("sites", nargs=-1, required=True)
@click.option("--since", type=click.DateTime(), help="Data observed from then on (UTC) [default: now].")
@click.option("--yes", is_flag=True, help="The host knows and accepts the recipient's terms.")
def give(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    recipient: str,
    sites: tuple[str, ...],
    since: datetime | None,
    yes: bool,
) -> None:
    """Record that hosts agree. Data from before the moment of consent are not sent unless --since says so.

    \b
    Example:
      meetnet consent give sensor.community plein-1 --yes
    """
    warning = PUBLIC_DOMAIN.get(recipient)
    if warning and not yes:
        raise Failure(f"{warning} Ask the host, then give --yes.")
    from_ms = _now_ms() if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
    registry = Registry(configuration(config_file, data).directory)
    try:
        unknown = [site for site in sites if registry.site(site) is None]
        if unknown:
            raise Failure(f"no such site: {', '.join(unknown)}; `meetnet device list` shows them")
        changed = {site: registry.consent(site, recipient, from_ms) for site in sites}
    finally:
        registry.close()
    if as_json:
        print_json([{"site": site, "changed": one} for site, one in changed.items()])
        return
    for site, one in changed.items():
        click.echo(f"{site}: {'may go' if one else 'might already go'} to {recipient}")


@consent.command("withdraw")
@config_option
@json_option
@click.argument("recipient")
@click.argument("sites", nargs=-1, required=True)
def withdraw(
    config_file: Path | None, data: Path | None, as_json: bool, recipient: str, sites: tuple[str, ...]
) -> None:
    """Record that hosts take consent back: a running gateway sends nothing more, also nothing that waits.

    \b
    Example:
      meetnet consent withdraw sensor.community plein-1
    """
    registry = Registry(configuration(config_file, data).directory)
    try:
        changed = {site: registry.withdraw(site, recipient, _now_ms()) for site in sites}
    finally:
        registry.close()
    if as_json:
        print_json([{"site": site, "changed": one} for site, one in changed.items()])
        return
    for site, one in changed.items():
        click.echo(f"{site}: {'no longer goes' if one else 'did not go'} to {recipient}")


@consent.command("list")
@config_option
@json_option
@click.option("--site", "site_id", help="One site only.")
def list_consents(config_file: Path | None, data: Path | None, as_json: bool, site_id: str | None) -> None:
    """List consents, also those that ended.

    \b
    Example:
      meetnet consent list --site plein-1
    """
    registry = Registry(configuration(config_file, data).directory)
    try:
        found = registry.consents(site_id)
    finally:
        registry.close()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (one.site_id, one.recipient, iso_utc(one.from_ms), None if one.to_ms is None else iso_utc(one.to_ms))
        for one in found
    ]
    table(rows, ("SITE", "RECIPIENT", "DATA FROM", "WITHDRAWN"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

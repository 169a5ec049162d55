"""`meetnet privacy`: hand out or erase all that is kept about a site."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway import privacy as work
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.places import locked_house


@click.group("privacy")
def privacy() -> None:
    """Answer the requests of hosts: their data to them, or away with it (GDPR articles 15 and 17)."""


@privacy.command("export")
@click.argument("site_id")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def export(site_id: str, file: Path, config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Write all that is kept about SITE_ID into FILE, a ZIP with CSV and JSON. Stop the gateway first.

    \b
    Example:
      meetnet privacy export tuin-3 tuin-3.zip

    Exit codes: 0 done, 1 failed.
    """
    with locked_house(configuration(config_file, data)) as house:
        counts = work.export_site(house, site_id, file)
    if as_json:
        print_json({"file": str(file), "rows": counts})
    else:
        for name, n in counts.items():
            click.echo(f"{n:>9}  {name}")


@privacy.command("erase")
@click.argument("site_id")
@click.option("--yes", is_flag=True, help="Do it; without it nothing happens.")
@config_option
@json_option
def erase(site_id: str, yes: bool, config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Erase SITE_ID with all that was measured there, from every file, for good. Stop the gateway first.

    Hosts do the same on the page of their sensor while the gateway runs. Backups from before still hold the
    site: they are named, and `meetnet store restore` erases it again.

    \b
    Example:
      meetnet privacy erase tuin-3 --yes

    Exit codes: 0 done, 1 failed.
    """
    if not yes:
        raise Failure(f"nothing was erased: say --yes to erase {site_id} for good")
    with locked_house(configuration(config_file, data)) as house:
        done = work.erase_site(house, site_id, time.time_ns() // 1_000_000)
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"{done.records} records, {done.frames} raw frames")
    for name, n in done.rows.items():
        click.echo(f"{n:>9}  {name}")
    for one in done.backups:
        click.echo(f"still in the backup {one.file}")
    for name in done.left_in:
        click.echo(f"still named in {name}: until the platform was told")

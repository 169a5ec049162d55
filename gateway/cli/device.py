"""`meetnet device add` and `meetnet device list`, and the group they are in."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway import sheet
from gateway.cli.common import SOME_REFUSED, config_option, configuration, json_option, print_json, table
from gateway.cli.device_config import config
from gateway.cli.hosts import card, remove, replace
from gateway.cli.move import export, reset_join, send
from gateway.cli.tokens import token
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.decode import Profiles
from gateway.registry import Registry, RowReport, import_devices
from gateway.registry.model import KINDS, TRANSPORTS
from gateway.registry.street import eui_in, put_row
from gateway.registry.tables import export_csv, import_csv


@click.group()
def device() -> None:
    """Register devices and the sites where they measure."""


@device.command()
@config_option
@json_option
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Provisioning file (.json), or .csv of a spreadsheet.",
)
@click.option("--dev-eui", help="16 hex digits.")
@click.option("--join-eui", help="16 hex digits; LoRaWAN only.")
@click.option("--app-key-file", type=click.Path(path_type=Path, exists=True), help="File with 32 hex digits.")
@click.option(
    "--mqtt-password-file", type=click.Path(path_type=Path, exists=True), help="File with the password."
)
@click.option("--kind", type=click.Choice(KINDS))
@click.option("--transport", type=click.Choice(TRANSPORTS), default="lorawan", show_default=True)
@click.option("--site", "site_id", help="Public id of the site.")
@click.option("--name", help="Name of the site, as people know it.")
@click.option("--longitude", type=float)
@click.option("--latitude", type=float)
@click.option(
    "--precision", "precision_m", type=int, default=100, show_default=True, help="Grid cell in metres."
)
@click.option("--licence", default="CC-BY-4.0", show_default=True)
@click.option("--profile", help="How a device writes that is none of ours: meetnet profile list.")
@click.option("--alias", help="What such a device calls itself, where that is no DevEUI: esp8266-12345678.")
@click.option("--token-file", type=click.Path(path_type=Path, exists=True), help="http: file with its token.")
@click.option("--private", is_flag=True, help="Nothing of this site leaves the house.")
@click.option("--since", type=click.DateTime(), help="From when (UTC) the device is at this site.")
def add(
    config_file: Path | None, data: Path | None, as_json: bool, source: Path | None, **options: Any
) -> None:
    """Add devices from a file, or one by options. Doing it twice changes nothing.

    Keys are read from files, so that they stay out of the shell's history and the process list.

    \b
    Example:
      meetnet device add --from street.json
      meetnet device add --dev-eui 70b3d57ed0000001 --join-eui 70b3d57ed0000000 --app-key-file key.txt \\
          --kind air --site plein-1 --name "Plein 1" --longitude 4.89 --latitude 52.37
      meetnet device add --profile airrohr --alias esp8266-12345678 --transport http --kind air \\
          --site tuin-4 --longitude 4.89 --latitude 52.37

    Exit codes: 0 done, 1 failed, 4 some rows were refused.
    """
    found = configuration(config_file, data)
    profiles = Profiles(DataDirectory(found.directory).profiles).names()
    registry = _open(found)
    try:
        if source is None:
            reports = [_add_one(registry, options, profiles)]
        elif source.suffix.lower() in sheet.SUFFIXES:
            reports = import_csv(registry, source, profiles)
        else:
            reports = import_devices(registry, source, profiles)
    finally:
        registry.close()
    _print(reports, as_json)
    if any(report.outcome == "refused" for report in reports):
        raise SystemExit(SOME_REFUSED)


@device.command("list")
@config_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV that `device add --from` reads; without keys.")
def list_devices(config_file: Path | None, data: Path | None, as_json: bool, as_csv: bool) -> None:
    """List devices and where they are. Keys and passwords are never shown.

    \b
    Example:
      meetnet device list --json
    """
    registry = _open(configuration(config_file, data))
    try:
        if as_csv:
            click.echo(export_csv(registry), nl=False)
            return
        now_ms = time.time_ns() // 1_000_000
        found = [(device, registry.site_of(device.dev_eui, now_ms)) for device in registry.devices()]
    finally:
        registry.close()
    if as_json:
        print_json([{**asdict(device), "site": asdict(site) if site else None} for device, site in found])
        return
    rows = [
        (
            device.dev_eui,
            device.kind,
            device.transport,
            site.id if site else None,
            site.name if site else None,
        )
        for device, site in found
    ]
    table(rows, ("DEVEUI", "KIND", "TRANSPORT", "SITE", "NAME"))


for _command in (card, config, export, remove, replace, reset_join, send, token):
    device.add_command(_command)


def _open(config: Config) -> Registry:
    return Registry(config.directory)


def _add_one(registry: Registry, options: dict[str, Any], profiles: list[str]) -> RowReport:
    missing = [
        f"--{name.replace('_', '-')}"
        for name in ("dev_eui", "kind", "longitude", "latitude")
        if options[name] is None and not (name == "dev_eui" and options["alias"])
    ]
    if options["site_id"] is None:
        missing.append("--site")
    if missing:
        raise click.UsageError(f"give --from FILE, or also {', '.join(missing)}")
    fields: dict[str, Any] = {
        "dev_eui": options["dev_eui"],
        "alias": options["alias"],
        "profile": options["profile"],
        "token": _secret(options["token_file"]),
        "join_eui": options["join_eui"],
        "app_key": _secret(options["app_key_file"]),
        "mqtt_password": _secret(options["mqtt_password_file"]),
        "kind": options["kind"],
        "transport": options["transport"],
        "site": {
            "id": options["site_id"],
            "name": options["name"] or options["site_id"],
            "longitude": options["longitude"],
            "latitude": options["latitude"],
            "precision_m": options["precision_m"],
            "licence": options["licence"],
            "public": not options["private"],
        },
    }
    dev_eui = eui_in(fields)
    since = options["since"]
    since_ms = None if since is None else int(since.replace(tzinfo=_utc()).timestamp() * 1000)
    known = registry.device(dev_eui) is not None
    changed = put_row(registry, dev_eui, fields, since_ms, profiles=profiles)
    return RowReport(1, dev_eui, "unchanged" if not changed else "updated" if known else "added")


def _secret(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8").strip()


def _utc() -> Any:
    from datetime import UTC

    return UTC


def _print(reports: list[RowReport], as_json: bool) -> None:
    if as_json:
        print_json([asdict(report) for report in reports])
        return
    for report in reports:
        if report.outcome == "refused":
            click.echo(f"row {report.row} {report.dev_eui}: refused: {report.message}", err=True)
    outcomes = [report.outcome for report in reports]
    counted = [f"{outcomes.count(name)} {name}" for name in ("added", "updated", "unchanged", "refused")]
    click.echo(", ".join(text for text in counted if not text.startswith("0 ")) or "nothing in the file")

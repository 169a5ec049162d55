"""`meetnet device card`, `replace` and `remove`: devices, where they hang, and the people who host them."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.claims import ClaimBook, grouped
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.commissioning import remove_device, replace_device
from gateway.registry import Registry
from gateway.registry.rules import eui


@click.command()
@config_option
@json_option
@click.argument("dev_eui")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is good."
)
def card(config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str, days: int) -> None:
    """Make a new claim code for a device: for the card in its box. Codes before it end.

    Whoever shows the code owns the device; it is shown this once.

    \b
    Example:
      meetnet device card 70b3d57ed0000001
    """
    directory = configuration(config_file, data).directory
    dev_eui = eui("dev_eui", dev_eui)
    registry, claims = Registry(directory), ClaimBook(directory / "claims.db")
    try:
        if registry.device(dev_eui) is None:
            raise Failure(f"{dev_eui} is not registered: add it first (meetnet device add)")
        code = grouped(claims.issue(dev_eui, _now_ms(), days * 86_400_000))
        tag = claims.tag_of(dev_eui)
    finally:
        registry.close()
        claims.close()
    if as_json:
        print_json({"dev_eui": dev_eui, "code": code, "tag": tag})
    else:
        click.echo(code)


@click.command("replace")
@config_option
@json_option
@click.argument("old")
@click.argument("new")
@click.option("--keep-rain-gauge", is_flag=True, help="The gauge stays: its calibration too.")
def replace(
    config_file: Path | None, data: Path | None, as_json: bool, old: str, new: str, keep_rain_gauge: bool
) -> None:
    """Put device NEW in the place of device OLD, from now on; both are DevEUIs.

    The series of the site goes on, its host keeps it, and the old device's key is deleted. May be repeated.

    \b
    Example:
      meetnet device replace 70b3d57ed0000001 70b3d57ed0000009
    """
    directory = configuration(config_file, data).directory
    registry, claims = Registry(directory), ClaimBook(directory / "claims.db")
    try:
        done = replace_device(
            registry, claims, eui("old", old), eui("new", new), _now_ms(), keep_rain_gauge=keep_rain_gauge
        )
    finally:
        registry.close()
        claims.close()
    if as_json:
        print_json({name: value for name, value in asdict(done).items() if name != "owner"})
        return
    click.echo(f"{done.new_eui} is at {done.site_id} now; {done.old_eui} is out")
    for what in done.recalibrate:
        click.echo(f"not calibrated yet: {what.replace('_', ' ')}")


@click.command("remove")
@config_option
@json_option
@click.argument("dev_eui")
@click.option("--spare", is_flag=True, help="Keep its key: it will hang elsewhere.")
@click.option("--at", type=click.DateTime(), help="Since when (UTC) it measures no more [default: now].")
def remove(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    spare: bool,
    at: datetime | None,
) -> None:
    """Take a device out of service: lost, worn out, or a spare. The series of its site stays.

    Its key is deleted, so what it still sends is refused, and nobody is told any more that it is silent. With
    another network server delete it there, too. May be repeated.

    \b
    Example:
      meetnet device remove 70b3d57ed0000001
    """
    directory = configuration(config_file, data).directory
    at_ms = _now_ms() if at is None else int(at.replace(tzinfo=UTC).timestamp() * 1000)
    registry, claims = Registry(directory), ClaimBook(directory / "claims.db")
    try:
        done = remove_device(registry, claims, eui("dev_eui", dev_eui), at_ms, is_spare=spare)
    finally:
        registry.close()
        claims.close()
    if as_json:
        print_json({name: value for name, value in asdict(done).items() if name != "owner"})
        return
    where = f" at {done.site_id}" if done.site_id else ""
    key = "its key is kept: it may hang elsewhere" if done.is_spare else "its key is deleted"
    click.echo(f"{done.dev_eui} measures no more{where}; {key}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

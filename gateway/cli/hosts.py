"""`meetnet device card` and `meetnet device replace`: devices and the people who host them."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway.claims import ClaimBook, grouped
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.commissioning import replace_device
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

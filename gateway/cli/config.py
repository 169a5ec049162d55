"""`meetnet config check`: is this configuration right?"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.common import FAILED, config_option, configuration, json_option, print_json
from gateway.errors import ConfigError
from gateway.preflight import faults
from gateway.settings import toml_value


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@config_option
@json_option
def check(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Check a configuration: everything that is wrong, with key, value, what is allowed, and the remedy.

    Also what only shows together: absent files, certificates that ended, two listeners at one port. Nothing
    is connected to.

    \b
    Example:
      meetnet config check -c meetnet.toml

    Exit codes: 0 right, 1 wrong.
    """
    try:
        found = configuration(config_file, data)
        wrong = faults(found)
    except ConfigError as error:
        wrong, found = [error, *error.others], None
    if found is None or wrong:
        _tell(wrong, as_json)
        raise SystemExit(FAILED)
    if as_json:
        print_json({"ok": True, "settings": found.as_dict(), "publishers": sorted(found.publish)})
        return
    for key, value in found.as_dict().items():
        click.echo(f"{key} = {toml_value(value)}")
    click.echo("The configuration is right.", err=True)


def _tell(wrong: list[ConfigError], as_json: bool) -> None:
    """Print everything that is wrong; in JSON, key and error are those of the first."""
    if as_json:
        every = [{"key": error.key, "error": str(error)} for error in wrong]
        print_json({"ok": False, **every[0], "faults": every})
        return
    for error in wrong:
        click.echo(f"Error: {error}", err=True)

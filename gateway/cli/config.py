"""`meetnet config check`: is this configuration right?"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.errors import ConfigError
from gateway.settings import toml_value


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@config_option
@json_option
def check(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Check a configuration: names the key, its value, what is allowed, and the remedy.

    \b
    Example:
      meetnet config check -c meetnet.toml

    Exit codes: 0 right, 1 wrong.
    """
    try:
        found = configuration(config_file, data)
        _check_publishers(found)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "key": error.key, "error": str(error)})
            raise SystemExit(1) from error
        raise Failure(str(error)) from error
    if as_json:
        print_json({"ok": True, "settings": found.as_dict(), "publishers": sorted(found.publish)})
        return
    for key, value in found.as_dict().items():
        click.echo(f"{key} = {toml_value(value)}")
    click.echo("The configuration is right.", err=True)


def _check_publishers(found: object) -> None:
    from gateway.config import Config
    from gateway.outlets import check_publishers
    from gateway.retention import rules

    assert isinstance(found, Config)
    rules(found)
    check_publishers(found)

"""What the subcommands share: the configuration, output as JSON, errors as one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.config import Config, load

FAILED, NOT_RUNNING, SOME_REFUSED = 1, 3, 4
DEFAULT_FILE = Path("meetnet.toml")
AS_JSON, _SAID = "meetnet.json", "meetnet.said"  # in the meta of a context: --json is asked for; it was given
F = TypeVar("F", bound=Callable[..., Any])


class Failure(click.ClickException):
    """An error that a person can act on."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = exit_code


def config_option(command: F) -> F:
    """Add -c/--config and --data to a command."""
    with_data = click.option(
        "--data", type=click.Path(path_type=Path), help="Data directory; goes before data.directory."
    )(command)
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        envvar="MEETNET_CONFIG",
        help="Configuration file [default: meetnet.toml if it exists, else defaults].",
    )(with_data)


def json_option(command: F) -> F:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def configuration(config_file: Path | None, data: Path | None) -> Config:
    """Return the configuration of a command."""
    if config_file is None and DEFAULT_FILE.exists():
        config_file = DEFAULT_FILE
    config = Config() if config_file is None else load(config_file)
    return config if data is None else config.with_values({"data.directory": str(data.resolve())})


def tell_failure(ctx: click.Context, error: click.ClickException) -> None:
    """Print a failure as JSON where a program waits for some and got none; people read stderr."""
    if ctx.meta.get(AS_JSON) and not ctx.meta.get(_SAID):
        print_json({"error": error.format_message(), "exit_code": error.exit_code})


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None:
        ctx.meta[_SAID] = True
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(rows: list[tuple[Any, ...]], head: tuple[str, ...]) -> None:
    """Print rows in columns."""
    cells = [tuple("-" if cell is None else str(cell) for cell in row) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

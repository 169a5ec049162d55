"""`meetnet reload`: the running gateway reads its configuration again."""

from __future__ import annotations

from pathlib import Path

import click
import httpx

from gateway.cli.common import NOT_RUNNING, Failure, config_option, configuration, json_option, print_json
from gateway.cli.run import outcome
from gateway.datadir import DataDirectory

_TIMEOUT_S = 60.0


@click.command()
@config_option
@json_option
def reload(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Let the running gateway read its configuration again: no message is lost.

    What changed is started again with the new settings, or with new passwords and certificates in the files
    that they name; the rest goes on. What needs a restart is named. A wrong configuration changes nothing.
    The gateway reads the file that it was started with; -c only says where its data are.

    \b
    Example:
      meetnet reload -c meetnet.toml

    Exit codes: 0 done, 1 the configuration is wrong (the one before goes on), 3 no gateway is running.
    """
    control = DataDirectory(configuration(config_file, data).directory).read_control()
    if control is None:
        raise Failure("no gateway is running with this data directory", NOT_RUNNING)
    port, token = control
    try:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/reload",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
        )
    except httpx.HTTPError as error:
        raise Failure(f"no gateway is running with this data directory ({error})", NOT_RUNNING) from error
    found = answer.json()
    if answer.status_code != 200:
        raise Failure(str(found.get("error", answer.text)))
    if as_json:
        print_json(found)
    else:
        click.echo(outcome(found), err=not found["ok"])
    if not found["ok"]:
        raise SystemExit(1)

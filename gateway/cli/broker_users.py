"""`meetnet broker users`: users and rights for a broker of the city's."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway.brokerusers import FORMS, write
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.networks import mqtt_settings
from gateway.registry import Registry
from gateway.registry.accounts import Accounts


@click.command()
@config_option
@json_option
@click.option("--format", "form", type=click.Choice(sorted(FORMS)), default="mosquitto", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Directory to write to.")
@click.option("--reload", "pid", type=int, help="Process of the broker: it gets SIGHUP and reads them again.")
def users(
    config_file: Path | None, data: Path | None, as_json: bool, form: str, output: Path, pid: int | None
) -> None:
    """Write the users and rights of the register for a broker: each device may use its own topics only.

    Run it after `meetnet device add`, `meetnet device token` and each change of mqtt.password_file. Passwords
    are in the files as hashes. Devices that were registered before Meetnet kept such hashes are named: give
    them a new one with `meetnet device token`.

    \b
    Example:
      meetnet broker users -o /etc/mosquitto/meetnet --reload "$(pidof mosquitto)"
      meetnet broker users --format emqx -o /etc/meetnet/emqx

    Exit codes: 0 done, 1 failed, 4 some devices have no hash yet.
    """
    config = configuration(config_file, data)
    settings = mqtt_settings(config, "mqtt")
    if not settings.username or not settings.password:
        raise Failure("mqtt.username and mqtt.password_file: set them, they are the gateway's own user")
    registry = Registry(config.path("data.registry") or config.directory)
    accounts = Accounts(config.directory)
    try:
        written = write(form, registry, output, settings.username, settings.password)
        detail = f"{written.users} users for {form}"
        accounts.note(None, "broker.users_written", str(output), time.time_ns() // 1_000_000, detail)
    finally:
        registry.close()
        accounts.close()
    if pid is not None:
        try:
            os.kill(pid, signal.SIGHUP)
        except OSError as error:
            raise Failure(f"process {pid}: {error.strerror}; the files are written all the same") from error
    if as_json:
        print_json(asdict(written))
    else:
        click.echo(f"{output}: {', '.join(written.files)}: {written.users} users")
        for name in written.without:
            click.echo(f"{name} has no hash yet: meetnet device token {name}", err=True)
    if written.without:
        raise SystemExit(4)

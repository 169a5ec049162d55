"""`meetnet device token`: give a device a new token or password, once to be seen, and write it down."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.registry import Registry
from gateway.registry.accounts import Accounts

BYTES = 24


@click.command()
@config_option
@json_option
@click.argument("device")
@click.option("--revoke", is_flag=True, help="Take it away: the device is refused from now on.")
def token(config_file: Path | None, data: Path | None, as_json: bool, device: str, revoke: bool) -> None:
    """Give a device (DevEUI or alias) a new secret: the token it pushes with, its password at the broker.

    It is shown once and kept as a hash; the one before ends at once. The audit log has a row for each change.

    \b
    Example:
      meetnet device token esp8266-12345678
      meetnet device token 70b3d57ed0000002 --revoke
    """
    directory = configuration(config_file, data).directory
    registry = Registry(directory)
    accounts = Accounts(directory)
    try:
        dev_eui = registry.named(device) or device.lower()
        found = registry.device(dev_eui)
        if found is None:
            raise Failure(f"{device} is not registered: meetnet device list")
        if found.transport not in ("http", "mqtt") and not revoke:
            raise Failure(f"{device} comes by {found.transport}, where no token is asked for")
        secret = "" if revoke else secrets.token_urlsafe(BYTES)
        if revoke:
            registry.revoke(dev_eui)
        else:
            registry.put_device(found, mqtt_password=secret)
        act = "device.secret_revoked" if revoke else "device.secret_changed"
        accounts.note(None, act, dev_eui, time.time_ns() // 1_000_000, found.transport)
    finally:
        registry.close()
        accounts.close()
    if as_json:
        print_json({"dev_eui": dev_eui, "alias": found.alias, "token": secret or None})
    elif revoke:
        click.echo(f"{device} is refused from now on")
    else:
        click.echo(secret)

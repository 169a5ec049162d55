"""`meetnet status`: what the running gateway says about itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx

from gateway.cli.common import (
    NOT_RUNNING,
    Failure,
    config_option,
    configuration,
    json_option,
    print_json,
    table,
)
from gateway.datadir import DataDirectory


@click.command()
@config_option
@json_option
def status(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Show counters, devices with when they were last heard, gateways, publishers and dead letters.

    \b
    Example:
      meetnet status --json

    Exit codes: 0 done, 3 no gateway is running.
    """
    found = ask(DataDirectory(configuration(config_file, data).directory))
    if as_json:
        print_json(found)
        return
    click.echo(
        f"up {found['uptime_s']} s; log {found['log']['durable']} durable, {found['log']['stored']} stored"
    )
    table(
        [(name, entry["count"], entry["last"]) for name, entry in found["counters"].items()],
        ("COUNTER", "N", "LAST"),
    )
    click.echo()
    table(
        [_device(device) for device in found["devices"]],
        ("DEVEUI", "SITE", "HEARD", "UPLINKS", "MISSED", "RSSI"),
    )
    for incident in found["incidents"]:
        click.echo(f"INCIDENT: {incident['key']}, {len(incident['devices'])} devices: see meetnet alerts")
    for section, head in (("gateways", "GATEWAY"), ("dead_letters", "DEAD LETTER")):
        for entry in found[section]:
            click.echo(f"{head}: " + ", ".join(f"{name} {value}" for name, value in entry.items() if value))
    for name, network in found["networks"].items():
        devices = len(network["devices"])
        click.echo(f"NETWORK: {name}: connected {network['connected']}, events of {devices} devices")
    for name, state in found["publishers"].items():
        click.echo(f"PUBLISHER: {name}: " + ", ".join(f"{key} {value}" for key, value in state.items()))


def ask(directory: DataDirectory) -> dict[str, Any]:
    """Return the status of the gateway that runs on a data directory; Failure 3 when none does."""
    control = directory.read_control()
    if control is None:
        raise Failure(f"no gateway is running on {directory.path}: start it, or give --data", NOT_RUNNING)
    port, token = control
    try:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/status",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=False,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Failure(
            f"the gateway on {directory.path} does not answer ({error}): is it running?", NOT_RUNNING
        ) from error
    return answer.json()


def _device(device: dict[str, Any]) -> tuple[Any, ...]:
    seen = device["seen"]
    if seen is None:
        return device["dev_eui"], device["site"], "never", 0, 0, None
    heard = datetime.fromtimestamp(seen["received_at_ms"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return device["dev_eui"], device["site"], heard, seen["uplinks"], seen["missed"], seen["rssi_dbm"]

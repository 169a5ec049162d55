"""`meetnet device config`: read and change a node's configuration by downlink."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.cli.move import ask
from gateway.datadir import DataDirectory
from gateway.node_config import Key, keys
from gateway.registry import Registry
from gateway.registry.model import NodeAnswer
from gateway.registry.rules import eui
from wire import commands, ports

_POLL_S = 0.5
_ON_TRIAL = "on_trial"
REASONS = {
    "reverted": "reverted: no uplink with the new values was confirmed in time; the values before are back",
    "unknown_key": "the node's firmware does not know {key}: update it",
    "out_of_range": "the node's firmware has another range for {key}: update it, or give another value",
    "busy": "the node is still trying an earlier change: ask again when that has ended",
    "storage": "the node could not store it: its flash is at fault",
}
_wait_option = click.option(
    "--wait", "wait_s", type=click.IntRange(0, 86400), default=0, help="Seconds to wait for the answer."
)


@click.group()
def config() -> None:
    """Read and change a node's configuration by downlink."""


@config.command("get")
@config_option
@json_option
@click.argument("dev_eui")
@click.argument("names", metavar="[KEY]...", nargs=-1)
@_wait_option
def get(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    names: tuple[str, ...],
    wait_s: int,
) -> None:
    """Ask a node for values of its configuration; without KEY for all that can be had over the air.

    The question reaches the node with its next uplink. `meetnet status --json` shows the answer under
    the device's config, also when it comes later.

    \b
    Example:
      meetnet device config get 70b3d57ed0000001 interval_s --wait 900

    Exit codes: 0 queued (with --wait: answered), 1 refused or no answer, 2 no such key, 3 no gateway is
    running.
    """
    wanted = list(dict.fromkeys(_key(name).name for name in names)) or list(_over_the_air())

    def pack(token: int) -> bytes:
        return commands.pack_get(token, wanted)

    answer = _order(configuration(config_file, data).directory, dev_eui, pack, as_json, wait_s)
    if answer is None or as_json:
        return
    for name, value in answer.values.items():
        click.echo(f"{name}={value}")


@config.command("set")
@config_option
@json_option
@click.argument("dev_eui")
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.option(
    "--trial",
    "trial_min",
    type=click.IntRange(1, commands.MAX_TRIAL_MIN),
    default=60,
    show_default=True,
    help="Minutes in which the network must hear the node with the new values (at least 3 intervals).",
)
@_wait_option
def set_(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    pairs: tuple[str, ...],
    trial_min: int,
    wait_s: int,
) -> None:
    """Change values of a node's configuration; it goes back by itself when it is not heard with them.

    All values are taken, or none. The node starts again with them on trial and keeps them once the
    network has confirmed an uplink.

    \b
    Example:
      meetnet device config set 70b3d57ed0000001 interval_s=600 --wait 3600

    Exit codes: 0 queued (with --wait: kept), 1 refused, reverted or no answer, 2 no such key or outside
    its range, 3 no gateway is running.
    """
    values = _values(pairs)

    def pack(token: int) -> bytes:
        return cast("bytes", commands.pack_set(token, trial_min, values))

    answer = _order(configuration(config_file, data).directory, dev_eui, pack, as_json, wait_s)
    if answer is not None and not as_json:
        click.echo("kept")


def _over_the_air() -> dict[str, Key]:
    return {name: key for name, key in keys().items() if key.downlink is not None}


def _key(name: str) -> Key:
    found = _over_the_air().get(name)
    if found is None:
        why = "is set at the node only" if name in keys() else "is no key of a node's configuration"
        raise click.UsageError(f"{name} {why}; over the air: {', '.join(_over_the_air())}")
    return found


def _values(pairs: Sequence[str]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} is no KEY=VALUE")
        key = _key(name)
        if name in found:
            raise click.UsageError(f"{name} is given twice")
        try:
            value: int | str = int(text)
        except ValueError:
            value = text
        fault = key.fault(value)
        if fault is not None or not isinstance(value, int):
            raise click.UsageError(fault or f"{name} is no whole number")
        found[name] = value
    return list(found.items())


def _order(folder: Path, dev_eui: str, pack: Any, as_json: bool, wait_s: int) -> NodeAnswer | None:
    """Queue a command and wait as told; return the answer, None when it is not waited for, or Failure."""
    directory, dev_eui = DataDirectory(folder), eui("dev_eui", dev_eui)
    registry = Registry(directory.path)
    try:
        # A token that none of the known answers has: what comes with it is the answer to this command.
        used = {found.token for found in registry.node_answers(dev_eui)}
        token = secrets.choice([n for n in range(256) if n not in used])
        body = {"f_port": ports.COMMANDS, "payload": pack(token).hex(), "confirmed": True}
        queued = ask(directory, f"/devices/{dev_eui}/downlinks", body)["id"]
        if not as_json:
            click.echo(f"queued as {queued}")
        answer = _wait(registry, dev_eui, token, wait_s) if wait_s else None
    finally:
        registry.close()
    if as_json:
        print_json({"queued": queued, "token": token, "answer": asdict(answer) if answer else None})
    if not wait_s:
        return None
    if answer is None:
        raise Failure(f"no answer within {wait_s} s: `meetnet status --json` will show it when it comes")
    if answer.outcome == _ON_TRIAL:
        raise Failure(f"still on trial after {wait_s} s: `meetnet status --json` will show what comes of it")
    if answer.outcome in REASONS:
        raise Failure(REASONS[answer.outcome].format(key=answer.key))
    return answer


def _wait(registry: Registry, dev_eui: str, token: int, wait_s: int) -> NodeAnswer | None:
    """Return the answer that ends it, or after wait_s the newest there is."""
    until = time.monotonic() + wait_s
    while True:
        found = [answer for answer in registry.node_answers(dev_eui) if answer.token == token]
        if found and found[-1].outcome != _ON_TRIAL:
            return found[-1]
        if time.monotonic() >= until:
            return found[-1] if found else None
        time.sleep(_POLL_S)

"""`meetnet device config`: read and change a node's configuration by downlink."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import click

from gateway.cli import status
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.cli.move import ask
from gateway.config_bench import ON_TRIAL, fresh_token, over_the_air
from gateway.datadir import DataDirectory
from gateway.node_config import Key, keys
from gateway.registry import Registry
from gateway.registry.model import NodeAnswer, NodeOrder
from gateway.registry.rules import eui
from wire import commands, ports

_POLL_S = 0.5
_ENOUGH_FRAMES = 50
# Up to this loss so many percent of parity bring all but a few in 10,000 back (`meetnet codec loss`).
_PARITY = ((0.01, 0), (0.05, 25), (0.2, 50), (0.3, 64), (1.0, 150))
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
    wanted = list(dict.fromkeys(_key(name).name for name in names)) or list(over_the_air())
    folder = configuration(config_file, data).directory
    orders = [_order(folder, dev_eui, partial(_pack_get, part), as_json, wait_s) for part in _parts(wanted)]
    if as_json:
        more = {"more": [_as_json(order) for order in orders[1:]]} if orders[1:] else {}
        print_json(_as_json(orders[0]) | more)
    for order in orders:
        answer = _answer(order, wait_s)
        for name, value in answer.values.items() if answer is not None and not as_json else ():
            click.echo(f"{name}={value}")


def _parts(names: list[str]) -> list[list[str]]:
    """Return names in as many groups as downlinks need."""
    return [names[at : at + commands.MAX_GET] for at in range(0, len(names), commands.MAX_GET)]


def _pack_get(names: list[str], token: int) -> bytes:
    return commands.pack_get(token, names)


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

    wanted = (trial_min, dict(values))
    order = _order(configuration(config_file, data).directory, dev_eui, pack, as_json, wait_s, wanted)
    if as_json:
        print_json(_as_json(order))
    if _answer(order, wait_s) is not None and not as_json:
        click.echo("kept")


@config.command("advise")
@config_option
@json_option
def advise(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Say how many frames of each LoRaWAN device get lost, and how much parity that asks for.

    Parity is of use where records share frames: set batch with it, 12 for an hour of five minutes.

    \b
    Example:
      meetnet device config advise

    Exit codes: 0 done, 3 no gateway is running.
    """
    rows = [
        row
        for device in status.ask(DataDirectory(configuration(config_file, data).directory))["devices"]
        if (row := advice(device)) is not None
    ]
    if as_json:
        print_json({"devices": rows})
        return
    table(
        [
            (row["dev_eui"], row["frames"], f"{100 * row['loss']:.1f} %", row["now"], row["parity_percent"])
            for row in rows
        ],
        ("device", "frames", "lost", "parity_percent", "advised"),
    )
    for row in rows:
        if row["parity_percent"] != row["now"]:
            click.echo(f"meetnet device config set {row['dev_eui']} parity_percent={row['parity_percent']}")


def advice(device: dict[str, Any]) -> dict[str, Any] | None:
    """Return a device's loss and the parity_percent for it; None where too few frames tell."""
    seen = device["seen"]
    if device["transport"] != "lorawan" or seen is None:
        return None
    frames = seen["uplinks"] + seen["missed"]
    if frames < _ENOUGH_FRAMES:
        return None
    loss = seen["missed"] / frames
    config_of: dict[str, Any] = device["config"] or {}
    known: dict[str, Any] | None = config_of.get("values", {}).get("parity_percent")
    return {
        "dev_eui": device["dev_eui"],
        "frames": frames,
        "loss": round(loss, 4),
        "now": known["value"] if known else None,
        "parity_percent": next((percent for most, percent in _PARITY if loss <= most), _PARITY[-1][1]),
    }


def _key(name: str) -> Key:
    found = over_the_air().get(name)
    if found is None:
        why = "is set at the node only" if name in keys() else "is no key of a node's configuration"
        raise click.UsageError(f"{name} {why}; over the air: {', '.join(over_the_air())}")
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


@dataclass(frozen=True, slots=True)
class _Order:
    """A command that is queued, and the answer if it came in time."""

    queued: str
    token: int
    answer: NodeAnswer | None


def _order(
    folder: Path,
    dev_eui: str,
    pack: Callable[[int], bytes],
    as_json: bool,
    wait_s: int,
    wanted: tuple[int, dict[str, int]] | None = None,
) -> _Order:
    """Queue a command and wait as told. wanted: minutes of trial and values, of one that changes them."""
    directory, dev_eui = DataDirectory(folder), eui("dev_eui", dev_eui)
    registry = Registry(directory.path)
    try:
        token = fresh_token(registry, dev_eui, _given)
        _given.add(token)
        body = {"f_port": ports.COMMANDS, "payload": pack(token).hex(), "confirmed": True}
        queued = ask(directory, f"/devices/{dev_eui}/downlinks", body)["id"]
        if wanted is not None:
            now_ms = round(time.time() * 1000)
            registry.put_node_order(NodeOrder(dev_eui, now_ms, token, *wanted, "command line"))
        if not as_json:
            click.echo(f"queued as {queued}")
        return _Order(queued, token, _wait(registry, dev_eui, token, wait_s) if wait_s else None)
    finally:
        registry.close()


_given: set[int] = set()  # tokens of this process


def _as_json(order: _Order) -> dict[str, Any]:
    answer = asdict(order.answer) if order.answer else None
    return {"queued": order.queued, "token": order.token, "answer": answer}


def _answer(order: _Order, wait_s: int) -> NodeAnswer | None:
    """Return the answer, None when it was not waited for, or raise Failure."""
    answer = order.answer
    if not wait_s:
        return None
    if answer is None:
        raise Failure(f"no answer within {wait_s} s: `meetnet status --json` will show it when it comes")
    if answer.outcome == ON_TRIAL:
        raise Failure(f"still on trial after {wait_s} s: `meetnet status --json` will show what comes of it")
    if answer.outcome in REASONS:
        raise Failure(REASONS[answer.outcome].format(key=answer.key))
    return answer


def _wait(registry: Registry, dev_eui: str, token: int, wait_s: int) -> NodeAnswer | None:
    """Return the answer that ends it, or after wait_s the newest there is."""
    until = time.monotonic() + wait_s
    while True:
        found = [answer for answer in registry.node_answers(dev_eui) if answer.token == token]
        if found and found[-1].outcome != ON_TRIAL:
            return found[-1]
        if time.monotonic() >= until:
            return found[-1] if found else None
        time.sleep(_POLL_S)

"""`meetnet update`: sign bundles, roll them out in stages, watch, halt."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, cast

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.datadir import DataDirectory
from gateway.registry import Registry
from gateway.registry.rules import eui
from gateway.update import (
    Bundle,
    UpdateBook,
    build_application,
    build_base,
    build_config,
    build_files,
    generate,
    load_private,
    public_hex,
    read,
)
from gateway.update.book import HALTED, RUNNING, STOPPED
from gateway.update.bundle import Release, parse_version
from gateway.update.desk import takers
from gateway.update.keys import public_bytes
from gateway.update.progress import BY_HAND
from gateway.update.rollout import STAGES_PERCENT, share

_PASSPHRASE = "MEETNET_UPDATE_PASSPHRASE"  # noqa: S105 - the name of a variable
_key_option = click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    default=Path("update-key.pem"),
    show_default=True,
    help=f"Signing key; its passphrase, if it has one, is in {_PASSPHRASE}.",
)


@click.group()
def update() -> None:
    """Update nodes: signed, in stages, and back by itself when something is wrong."""


def _passphrase() -> bytes | None:
    text = os.environ.get(_PASSPHRASE)
    return text.encode() if text else None


@update.command()
@_key_option
@json_option
def keygen(key_file: Path, as_json: bool) -> None:
    """Make a signing key and print its public half, which nodes get as `update_key`.

    Keep the file off the gateway and off the repository: whoever has it can change every node.

    \b
    Example:
      MEETNET_UPDATE_PASSPHRASE=... meetnet update keygen --key update-key.pem

    Exit codes: 0 made, 1 the file is there already or cannot be written.
    """
    key = generate(key_file, _passphrase())
    if as_json:
        print_json({"key": str(key_file), "update_key": public_hex(key)})
    else:
        click.echo(f"update_key={public_hex(key)}")


@update.command()
@_key_option
@json_option
@click.argument("kind", type=click.Choice(["application", "config", "files", "base"]))
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--version", required=True, help="As 1.2.3; nodes report it.")
@click.option("--serial", type=click.IntRange(1, 2**32 - 1), help="Must grow; by default seconds since 2020.")
@click.option("--board", default="", help="Only for this board; by default for every one.")
@click.option(
    "--running", type=click.Path(exists=True, path_type=Path), help="What runs now: leave that out."
)
@click.option("--architecture", type=click.Choice(["xtensawin", "rv32imc"]), help="Of a base image.")
@click.option("--downgrade", is_flag=True, help="Nodes may take it though it is older.")
def sign(
    key_file: Path,
    as_json: bool,
    kind: str,
    source: Path,
    out: Path,
    version: str,
    serial: int | None,
    board: str,
    running: Path | None,
    architecture: str | None,
    downgrade: bool,
) -> None:
    """Make a signed bundle.

    application: a folder as `meetnet flash application` writes it, compiled for one architecture. files: a
    folder of calibrations or models. config: a JSON file with keys of config.json. base: a MicroPython image
    for the second partition.

    \b
    Example:
      meetnet flash application xtensawin -o release/xtensawin
      meetnet update sign application release/xtensawin release.mnu --version 0.2.1

    Exit codes: 0 written, 1 the source or the key is wrong, 2 wrong usage.
    """
    key = load_private(key_file, _passphrase())
    number = serial if serial is not None else int(time.time()) - 1_577_836_800
    release = Release(parse_version(version), number, board, downgrade)
    if kind == "application":
        bundle = build_application(source, release, key, running)
    elif kind == "files":
        bundle = build_files(source, release, key)
    elif kind == "config":
        bundle = build_config(_object(source), release, key)
    elif architecture is None:
        raise click.UsageError("--architecture is needed for a base image")
    else:
        bundle = build_base(source, architecture, release, key)
    read(bundle.data, public_bytes(key))  # what does not verify must not leave the house
    out.write_bytes(bundle.data)
    found = _described(bundle)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{bundle.id}: {bundle.kind} {bundle.version}, {len(bundle.data)} bytes, serial {number}")


def _object(path: Path) -> dict[str, Any]:
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Failure(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Failure(f"{path} is no JSON object: give keys of config.json")
    return cast("dict[str, Any]", found)


def _described(bundle: Bundle) -> dict[str, Any]:
    return {
        "id": bundle.id,
        "kind": bundle.kind,
        "version": bundle.version,
        "serial": bundle.head.serial,
        "board": bundle.head.board,
        "bytes": len(bundle.data),
        "unpacked_bytes": bundle.head.unpacked,
    }


@update.command()
@config_option
@json_option
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("devices", metavar="[DEVICE]...", nargs=-1)
@click.option("--soak", "soak_h", type=click.FloatRange(0, 720), default=24, show_default=True, help="Hours.")
@click.option(
    "--trial", "trial_min", type=click.IntRange(5, 65535), default=720, show_default=True, help="Minutes."
)
def offer(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    file: Path,
    devices: tuple[str, ...],
    soak_h: float,
    trial_min: int,
) -> None:
    """Roll a bundle out: to 5 % of the devices, a quarter, then all; without DEVICE to every registered one
    that runs Meetnet.

    A stage begins when every device of the one before runs it, was heard with it for --soak hours, and is
    well. One
    that goes back halts everything. Devices whose owners said no (`meetnet update refuse`) are left out. A
    node keeps
    an update once the network has confirmed an uplink of it, within --trial minutes, else it goes back by
    itself.

    \b
    Example:
      meetnet update offer release.mnu

    Exit codes: 0 begun, 1 the bundle is damaged or another roll-out is under way, 2 no such device.
    """
    directory = DataDirectory(configuration(config_file, data).directory)
    bundle = read(file.read_bytes())
    registry = Registry(directory.path)
    book = UpdateBook(directory.path)
    try:
        known = {device.dev_eui for device in takers(registry.devices())}
        wanted = [eui("dev_eui", device) for device in devices] or sorted(known)
        missing = [device for device in wanted if device not in known]
        if missing:
            raise click.UsageError(f"{missing[0]} is not registered, or runs no Meetnet")
        if not wanted:
            raise Failure("no device is registered: `meetnet device add` first")
        refused = [device for device in wanted if device in book.refusals()]
        part = [device for device in wanted if device not in refused]
        book.begin(bundle, part, int(time.time() * 1000), soak_h * 3600, trial_min)
    finally:
        book.close()
        registry.close()
    sizes = [share(len(part), percent) for percent in STAGES_PERCENT]
    if as_json:
        print_json({**_described(bundle), "devices": len(part), "stages": sizes, "owners_refused": refused})
    else:
        click.echo(f"{bundle.id}: {len(part)} devices in stages of {', '.join(map(str, sizes))}")
        if refused:
            click.echo(f"left out because the owner said no: {len(refused)}")


@update.command()
@config_option
@json_option
@click.argument("rollout", required=False)
def status(config_file: Path | None, data: Path | None, as_json: bool, rollout: str | None) -> None:
    """Show roll-outs; with ROLLOUT (the id of a bundle) every device of it.

    \b
    Example:
      meetnet update status

    Exit codes: 0, or 1 when there is no such roll-out.
    """
    book = UpdateBook(DataDirectory(configuration(config_file, data).directory).path)
    try:
        if rollout is None:
            found = book.state()
            if as_json:
                print_json(found)
                return
            rows = [
                (row["id"], row.get("kind"), row.get("version"), row["state"], _counts(row), row["reason"])
                for row in found
            ]
            table(rows, ("id", "kind", "version", "state", "devices", "reason"))
            return
        _known(book, rollout)
        targets = list(book.targets(rollout).values())
    finally:
        book.close()
    if as_json:
        print_json(
            [{"dev_eui": t.dev_eui, "state": t.state, "reason": t.reason, "well": t.well} for t in targets]
        )
    else:
        table(
            [(t.dev_eui, t.state, t.reason, "yes" if t.well else "no") for t in targets],
            ("device", "state", "reason", "well"),
        )


def _counts(row: dict[str, object]) -> str:
    devices = cast("dict[str, int]", row["devices"])
    return " ".join(f"{n} {state}" for state, n in sorted(devices.items()))


def _known(book: UpdateBook, rollout: str) -> None:
    if book.rollout(rollout) is None:
        raise Failure(f"there is no roll-out {rollout}: `meetnet update status` lists them")


@update.command()
@config_option
@json_option
@click.argument("rollout")
def halt(config_file: Path | None, data: Path | None, as_json: bool, rollout: str) -> None:
    """Stop a roll-out: nobody else gets it. Nodes that run it keep it.

    \b
    Example:
      meetnet update halt 1a2b3c4d

    Exit codes: 0 halted, 1 no such roll-out.
    """
    _set(config_file, data, as_json, rollout, HALTED, BY_HAND)


@update.command()
@config_option
@json_option
@click.argument("rollout")
def stop(config_file: Path | None, data: Path | None, as_json: bool, rollout: str) -> None:
    """End a roll-out for good. Nodes that run it keep it; to begin it again, offer it again.

    \b
    Example:
      meetnet update stop 1a2b3c4d

    Exit codes: 0 stopped, 1 no such roll-out.
    """
    _set(config_file, data, as_json, rollout, STOPPED, BY_HAND)


@update.command()
@config_option
@json_option
@click.argument("rollout")
def resume(config_file: Path | None, data: Path | None, as_json: bool, rollout: str) -> None:
    """Go on with a roll-out that was halted by hand. One that a node's failure halted halts again.

    \b
    Example:
      meetnet update resume 1a2b3c4d

    Exit codes: 0 resumed, 1 no such roll-out.
    """
    _set(config_file, data, as_json, rollout, RUNNING, "")


def _set(
    config_file: Path | None, data: Path | None, as_json: bool, rollout: str, state: str, reason: str
) -> None:
    book = UpdateBook(DataDirectory(configuration(config_file, data).directory).path)
    try:
        _known(book, rollout)
        book.set_state(rollout, state, reason)
    finally:
        book.close()
    if as_json:
        print_json({"rollout": rollout, "state": state})


@update.command()
@config_option
@json_option
@click.argument("dev_eui", metavar="DEVICE")
def refuse(config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str) -> None:
    """The owner of a device wants no updates from afar. The node itself can be told the same: updates=false.

    \b
    Example:
      meetnet update refuse 70b3d57ed0000001

    Exit codes: 0 noted.
    """
    book = UpdateBook(DataDirectory(configuration(config_file, data).directory).path)
    book.refuse(eui("dev_eui", dev_eui), int(time.time() * 1000))
    book.close()
    if as_json:
        print_json({"device": eui("dev_eui", dev_eui), "updates": False})


@update.command()
@config_option
@json_option
@click.argument("dev_eui", metavar="DEVICE")
def allow(config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str) -> None:
    """The owner of a device wants updates again.

    \b
    Example:
      meetnet update allow 70b3d57ed0000001

    Exit codes: 0 noted.
    """
    book = UpdateBook(DataDirectory(configuration(config_file, data).directory).path)
    book.allow(eui("dev_eui", dev_eui))
    book.close()
    if as_json:
        print_json({"device": eui("dev_eui", dev_eui), "updates": True})

"""`meetnet noise`: calibrate noise nodes, list calibrations, ask for the seconds of an event."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.cli.move import ask
from gateway.datadir import DataDirectory
from gateway.registry import Registry
from gateway.registry.model import Calibration
from gateway.registry.rules import eui
from gateway.store import SqlitePublicReader, SqliteStore
from wire import ports, sound
from wire.errors import WireError

_POLL_S = 1.0
_EVENT_ROWS = 100_000
REASONS = {
    "not_steady": "the level is not steady: wait until the calibrator has settled, and keep it still",
    "not_1khz": "it is no pure tone of 1 kHz: seat the coupler, and check the calibrator's battery",
    "too_far": "the level is more than 6 dB off: check --level, the coupler, and noise_sensitivity_centidb",
    "meter_fault": "the meter itself is at fault: `meetnet status --json` names it under meter_notes",
    "not_kept": "the node could not store it: its flash is at fault",
}


@click.group()
def noise() -> None:
    """Calibrate noise nodes and ask for the seconds of an event."""


@noise.command()
@config_option
@json_option
@click.argument("dev_eui", metavar="DEVICE")
@click.option("--level", type=click.FloatRange(80, 124), default=94.0, show_default=True, help="dB, 1 kHz.")
@click.option("--instrument", required=True, help="Calibrator and its number: 24 characters of ASCII.")
@click.option(
    "--seconds", type=click.IntRange(3, 30), default=5, show_default=True, help="How long to listen."
)
@click.option("--wait", "wait_s", type=click.IntRange(0, 7200), default=900, show_default=True)
def calibrate(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    level: float,
    instrument: str,
    seconds: int,
    wait_s: int,
) -> None:
    """Calibrate a node whose microphone sits in a calibrator that is switched on.

    The command reaches the node with its next uplink (the reset button makes it speak at once), and the
    result comes with the one after that. Date and instrument are kept here and in the node.

    \b
    Example:
      meetnet noise calibrate 70b3d57ed0000001 --level 94 --instrument "B&K 4231 no 1234567"

    Exit codes: 0 calibrated, 1 refused or no answer (the reason is on stderr), 3 no gateway is running.
    """
    directory = DataDirectory(configuration(config_file, data).directory)
    dev_eui = eui("dev_eui", dev_eui)
    token = secrets.randbelow(256)
    try:
        payload = cast("bytes", sound.pack_calibrate(token, round(level * 100), seconds, instrument))
    except WireError as error:
        raise click.UsageError(str(error)) from error
    registry = Registry(directory.path)
    try:
        device = registry.device(dev_eui)
        if device is None or device.kind != "noise":
            raise Failure(f"device {dev_eui} is no noise node that is registered here")
        known = {(found.at_ms, found.token) for found in registry.calibrations(dev_eui)}
        queued = ask(
            directory,
            f"/devices/{dev_eui}/downlinks",
            {"f_port": ports.COMMANDS, "payload": payload.hex(), "confirmed": False},
        )
        if not as_json:
            click.echo(f"queued as {queued['id']}; leave the calibrator on, or press the node's reset button")
        found = _wait(registry, dev_eui, token, known, wait_s)
    finally:
        registry.close()
    if as_json:
        print_json({"queued": queued["id"], "result": asdict(found) if found else None})
    if found is None:
        raise Failure(f"no answer within {wait_s} s: `meetnet noise calibrations` will show it when it comes")
    if found.outcome != "done":
        raise Failure(f"not calibrated: {REASONS.get(found.outcome, found.outcome)}")
    if not as_json:
        click.echo(f"calibrated: correction {found.correction_db:+.2f} dB from {_moment(found.at_ms)} on")


def _wait(
    registry: Registry, dev_eui: str, token: int, known: set[tuple[int, int]], wait_s: int
) -> Calibration | None:
    until = time.monotonic() + wait_s
    while True:
        for found in registry.calibrations(dev_eui):
            if found.token == token and (found.at_ms, found.token) not in known:
                return found
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL_S)


@noise.command()
@config_option
@json_option
@click.argument("dev_eui", metavar="[DEVICE]", required=False)
def calibrations(config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str | None) -> None:
    """List calibrations with their validity, also those that were refused.

    \b
    Example:
      meetnet noise calibrations --json
    """
    registry = Registry(configuration(config_file, data).directory)
    try:
        rows = registry.calibrations(eui("dev_eui", dev_eui) if dev_eui else None)
    finally:
        registry.close()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table(
        [
            (
                row.dev_eui,
                _moment(row.at_ms),
                _moment(row.to_ms) if row.to_ms else None,
                row.outcome,
                f"{row.level_db:.2f}",
                f"{row.correction_db:+.2f}",
                row.instrument,
            )
            for row in rows
        ],
        ("DEVEUI", "FROM", "TO", "OUTCOME", "LEVEL", "CORRECTION", "INSTRUMENT"),
    )


@noise.command()
@config_option
@json_option
@click.argument("dev_eui", metavar="DEVICE")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), required=True, help="UTC.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), required=True, help="UTC.")
def seconds(
    config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str, first: datetime, last: datetime
) -> None:
    """Ask a node for LAeq of each second of an event, at most 15 minutes of what it still has.

    They arrive as records of laeq_1s with their true times, in the air time that live records leave.

    \b
    Example:
      meetnet noise seconds 70b3d57ed0000001 --from 2026-11-23T18:00:00Z --to 2026-11-23T18:02:00Z

    Exit codes: 0 queued, 1 refused, 3 no gateway is running.
    """
    directory = DataDirectory(configuration(config_file, data).directory)
    first_s, last_s = (round(moment.replace(tzinfo=UTC).timestamp()) for moment in (first, last))
    try:
        payload = sound.pack_send_seconds(first_s, last_s)
    except WireError as error:
        raise click.UsageError(str(error)) from error
    body = {"f_port": ports.COMMANDS, "payload": payload.hex(), "confirmed": False}
    found = ask(directory, f"/devices/{eui('dev_eui', dev_eui)}/downlinks", body)
    if as_json:
        print_json(found)
    else:
        click.echo(f"queued as {found['id']}; `meetnet noise event` with the same times shows what has come")


@noise.command()
@config_option
@json_option
@click.argument("dev_eui", metavar="DEVICE")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), required=True, help="UTC.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), required=True, help="UTC.")
def event(
    config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str, first: datetime, last: datetime
) -> None:
    """Show the seconds of an event that have come: time, LAeq, what the meter said of it, and a bar.

    \b
    Example:
      meetnet noise event 70b3d57ed0000001 --from 2026-11-23T18:00:00Z --to 2026-11-23T18:02:00Z

    Exit codes: 0 shown, 1 the device is not at a site, or none of its seconds has come.
    """
    directory = DataDirectory(configuration(config_file, data).directory)
    first_ms, last_ms = (round(moment.replace(tzinfo=UTC).timestamp() * 1000) for moment in (first, last))
    registry = Registry(directory.path)
    store = SqliteStore(directory.store)
    try:
        site = registry.site_of(eui("dev_eui", dev_eui), last_ms)
        if site is None:
            raise Failure(f"device {dev_eui} was at no site then")
        reader = SqlitePublicReader(store, lambda: [site])
        rows = [
            (row.observed_at_ms, row.value, row.state)
            for row in reader.observations(first_ms, last_ms + 1, limit=_EVENT_ROWS)
            if row.quantity == "laeq_1s" and row.value is not None
        ]
    finally:
        store.close()
        registry.close()
    rows.sort()
    if as_json:
        print_json([{"at": _moment(at), "laeq_db": level, "state": state} for at, level, state in rows])
        return
    if not rows:
        raise Failure("none of these seconds has come yet: ask for them with `meetnet noise seconds`")
    for at, level, state in rows:
        click.echo(f"{_moment(at)}  {level:5.1f}  {'' if state == 'ok' else state:9}  {_bar(level)}")


def _bar(level: float) -> str:
    """Return a bar of a mark a decibel above 30."""
    return "#" * max(0, round(level) - 30)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

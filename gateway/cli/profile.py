"""`meetnet profile`: how devices write that are not ours, and whether a profile reads a message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import (
    SOME_REFUSED,
    Failure,
    config_option,
    configuration,
    json_option,
    print_json,
    table,
)
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.decode.foreign import Foreign, ProfileError, Profiles
from gateway.decode.foreign.checking import faults
from gateway.decode.foreign.formats import FORMATS
from gateway.decode.foreign.loading import load
from gateway.envelope import wrapped
from gateway.errors import IngestError
from gateway.model import Uplink


@click.group()
def profile() -> None:
    """Read devices of others: what they send, and what it is in the measurement table."""


@profile.command("list")
@config_option
@json_option
def list_profiles(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """List the profiles: the built-in ones and those in the data directory's profiles/.

    \b
    Example:
      meetnet profile list

    Exit codes: 0 done, 4 some files are broken (named on stderr).
    """
    profiles = _profiles(configuration(config_file, data))
    found = [profiles.get(name) for name in profiles.names()]
    if as_json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "format": one.format,
                "quantities": [row.quantity for row in one.fields],
                "built_in": one.built_in,
                "source": one.source,
            }
            for one in found
        ]
        print_json({"profiles": rows, "broken": profiles.broken()})
    else:
        table([(one.name, one.format, one.title) for one in found], ("PROFILE", "FORMAT", "WHAT"))
    for name, why in profiles.broken().items():
        click.echo(f"{name}: {why}", err=True)
    if profiles.broken():
        raise SystemExit(SOME_REFUSED)


@profile.command("check")
@json_option
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def check(as_json: bool, files: tuple[Path, ...]) -> None:
    """Check profile files: keys, units against the measurement table, and their own [[test]] rows.

    \b
    Example:
      meetnet profile check my-sensor.toml

    Exit codes: 0 all are right, 4 some are not.
    """
    found: dict[str, list[str]] = {}
    for path in files:
        try:
            found[str(path)] = faults(load(path))
        except ProfileError as error:
            found[str(path)] = [str(error)]
    if as_json:
        print_json(found)
    else:
        for name, wrong in found.items():
            click.echo(
                f"{name}: right" if not wrong else "\n".join(f"{name}: {one}" for one in wrong),
                err=bool(wrong),
            )
    if any(found.values()):
        raise SystemExit(SOME_REFUSED)


@profile.command("try")
@config_option
@json_option
@click.argument("name")
@click.argument("message")
@click.option("--port", type=click.IntRange(0, 255), default=1, show_default=True, help="LoRaWAN port.")
def try_message(
    config_file: Path | None, data: Path | None, as_json: bool, name: str, message: str, port: int
) -> None:
    """Read a message (HEX, or the text itself for JSON forms) by a profile, by its name or its file.

    \b
    Example:
      meetnet profile try milesight-em300-th 01755C03673401046865
      meetnet profile try senml '[{"n":"temperature","u":"Cel","v":23.1}]'

    Exit codes: 0 read, 1 refused (the reason is on stderr).
    """
    profiles = _profiles(configuration(config_file, data))
    try:
        found = load(Path(name)) if name.endswith(".toml") else profiles.get(name)
    except ProfileError as error:
        raise Failure(str(error)) from error
    uplink = Uplink("try", "0" * 16, port, _payload(found.format, message), time.time_ns() // 1_000_000)
    try:
        records, notes = Foreign(lambda _: found).decode(uplink, found.name)
    except IngestError as error:
        raise Failure(str(error)) from error
    ignored = found.read(uplink.payload, port, uplink.received_at_ms / 1000).ignored
    if as_json:
        print_json(
            {
                "records": [
                    {
                        "observed_at_ms": record.observed_at_ms,
                        "time": record.time_quality,
                        "readings": [
                            {"quantity": r.quantity, "value": r.value, "unit": r.unit, "state": r.state}
                            for r in record.readings
                        ],
                    }
                    for record in records
                ],
                "ignored": ignored,
                "notes": [dict(zip(("name", "detail"), note, strict=True)) for note in notes],
            }
        )
        return
    rows: list[tuple[Any, ...]] = [
        (reading.quantity, reading.value, reading.unit, reading.state)
        for record in records
        for reading in record.readings
    ]
    table(rows, ("QUANTITY", "VALUE", "UNIT", "STATE"))
    if ignored:
        click.echo(f"passed by: {', '.join(ignored)}", err=True)


def _payload(form: str, message: str) -> bytes:
    if form == "object":
        import msgspec

        return wrapped(b"", msgspec.Raw(message.encode()))
    is_text = form in FORMATS and (FORMATS[form].is_text or form == "senml")
    if is_text and message.lstrip()[:1] in ("{", "["):
        return message.encode()
    try:
        return bytes.fromhex(message)
    except ValueError:
        raise Failure(f"{message[:40]!r} is no hex: give pairs of hex digits") from None


def _profiles(config: Config) -> Profiles:
    return Profiles(DataDirectory(config.directory).profiles)

"""`meetnet explain`: one reading, from its frame to its recipients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import httpx

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.decode import Profiles
from gateway.errors import StoreError
from gateway.explaining import Sources
from gateway.explaining import explain as told
from gateway.model import Uplink
from gateway.registry import Registry
from gateway.store import SegmentLog, open_store
from gateway.store.assessments import Assessments
from gateway.store.frames import decode_uplink


@click.command()
@config_option
@json_option
@click.argument("reading")
def explain(config_file: Path | None, data: Path | None, as_json: bool, reading: str) -> None:
    """Tell where a READING came from, what was done to it, and where it went.

    READING is SITE/QUANTITY for the newest, SITE/QUANTITY@TIME for the nearest to a time (UTC), or a position
    in the store. It works beside a running gateway and without one. What it prints names devices: it is for
    those who run the network.

    \b
    Example:
      meetnet explain plein-1/pm2_5
      meetnet explain plein-1/pm2_5@2026-11-30T12:00:00Z --json

    Exit codes: 0 done, 1 there is no such reading.
    """
    config = configuration(config_file, data)
    directory = DataDirectory(config.directory)
    control = directory.read_control()
    found = _of_running(control, reading) if control else None
    if found is None:
        found = _without(config, directory, reading)
    if as_json:
        print_json(found)
        return
    for name, text in (
        ("reading", "READING"),
        ("came_from", "CAME FROM"),
        ("decoded", "DECODED"),
        ("judged", "JUDGED"),
        ("went_to", "WENT TO"),
    ):
        click.echo(text)
        _show(found[name], "  ")


def _of_running(control: tuple[int, str], reading: str) -> dict[str, Any] | None:
    port, token = control
    try:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/explain",
            params={"reading": reading},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
    except httpx.HTTPError:
        return None  # left over by one that was killed
    found: dict[str, Any] = answer.json()
    if answer.status_code != 200:
        raise Failure(str(found.get("error", answer.text)))
    return found


def _without(config: Config, directory: DataDirectory, reading: str) -> dict[str, Any]:
    directory.lock()  # or somebody would write to the log meanwhile
    try:
        segments = SegmentLog(directory.segments, config.whole("data.segment_mib") << 20)
        registry = Registry(config.path("data.registry") or directory.path)
        store = open_store(directory.store, config.text("data.postgres"))
        assessments = Assessments(directory.review)

        def frame(sequence: int) -> Uplink | StoreError | None:
            records = segments.read(sequence - 1, 1)
            if not records or records[0][0] != sequence:
                return None
            try:
                return decode_uplink(records[0][1])
            except StoreError as error:
                return error

        try:
            profiles = Profiles(directory.profiles)
            return told(
                Sources(config, registry, store, assessments, profiles, directory.side, frame), reading
            )
        finally:
            assessments.close()
            store.close()
            registry.close()
            segments.close()
    finally:
        directory.unlock()


def _show(found: Any, indent: str) -> None:
    if isinstance(found, dict):
        for name, value in found.items():  # type: ignore[reportUnknownVariableType]
            if isinstance(value, (dict, list)) and value:
                click.echo(f"{indent}{name}:")
                _show(value, indent + "  ")
            elif value not in (None, "", [], {}):
                click.echo(f"{indent}{name}: {value}")
        return
    for one in found:
        if isinstance(one, dict):
            cells = [f"{k} {_short(v)}" for k, v in one.items() if v not in (None, "", [], {})]  # type: ignore[reportUnknownVariableType]
            click.echo(f"{indent}- {', '.join(cells)}")
        else:
            click.echo(f"{indent}- {one}")


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{k} {v}" for k, v in value.items()) + ")"  # type: ignore[reportUnknownVariableType]
    return str(value)

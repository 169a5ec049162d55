"""`meetnet device export`, `reset-join` and `send`: devices and the networks they are on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import httpx

from gateway.cli.common import (
    NOT_RUNNING,
    SOME_REFUSED,
    Failure,
    config_option,
    configuration,
    json_option,
    print_json,
)
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.provision import FORMATS, Moving, devices_to_move, write_file
from gateway.registry import Registry, RowReport
from gateway.registry.rules import eui

_GRPC = "chirpstack-grpc"
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_path = click.Path(path_type=Path)


@click.command()
@config_option
@json_option
@click.option("--format", "form", type=click.Choice([*FORMATS, _GRPC]), required=True)
@click.option("-o", "--output", type=_path, help="File to write, mode 0600.")
@click.option("--to-terminal", is_flag=True, help="Print the keys instead of writing a file.")
@click.option("--dev-eui", "euis", multiple=True, help="Only this device; may be given again.")
@click.option("--server", help="chirpstack-grpc: host:port of the API.")
@click.option("--token-file", type=click.Path(path_type=Path, exists=True), help="File with an API key.")
@click.option("--application", help="Id of the application at ChirpStack.")
@click.option("--device-profile", help="Id of the device profile at ChirpStack.")
@click.option("--insecure", is_flag=True, help="Send keys to another machine without TLS.")
@click.option("--tls-ca", type=click.Path(path_type=Path, exists=True), help="Certificates (PEM) to trust.")
def export(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    form: str,
    euis: tuple[str, ...],
    **options: Any,
) -> None:
    """Hand LoRaWAN devices with their keys to The Things Stack or ChirpStack.

    \b
    Example:
      meetnet device export --format tts-csv -o devices.csv
      meetnet device export --format chirpstack-grpc --server 127.0.0.1:8080 --token-file token.txt \\
          --application ID --device-profile ID

    Exit codes: 0 done, 1 failed, 4 some devices were refused.
    """
    registry = Registry(configuration(config_file, data).directory)
    try:
        now_ms = time.time_ns() // 1_000_000
        devices = devices_to_move(registry, now_ms, {eui("dev_eui", name) for name in euis})
    finally:
        registry.close()
    if form == _GRPC:
        _report(_to_chirpstack(devices, options), as_json)
        return
    text = FORMATS[form](devices)
    output: Path | None = options["output"]
    if options["to_terminal"]:
        click.echo(text, nl=False)
        return
    if output is None:
        raise click.UsageError("give -o FILE, or --to-terminal: these are keys")
    write_file(output, text)
    if as_json:
        print_json({"file": str(output), "devices": len(devices)})
    else:
        click.echo(f"{len(devices)} devices with their keys in {output}: delete it after the import")


def _to_chirpstack(devices: Sequence[Moving], options: dict[str, Any]) -> list[RowReport]:
    from gateway.provision.chirpstack import ChirpStackDevices, Target

    missing = [
        f"--{name.replace('_', '-')}"
        for name in ("server", "token_file", "application", "device_profile")
        if not options[name]
    ]
    if missing:
        raise click.UsageError(f"{_GRPC} also needs {', '.join(missing)}")
    server: str = options["server"]
    local = server.rpartition(":")[0] in _LOCAL
    target = Target(
        server,
        options["application"],
        options["device_profile"],
        tls=options["tls_ca"] is not None or not (local or options["insecure"]),
        tls_ca=options["tls_ca"],
    )
    client = ChirpStackDevices(target, options["token_file"].read_text(encoding="utf-8").strip())
    try:
        return client.put_all(devices)
    finally:
        client.close()


def _report(reports: list[RowReport], as_json: bool) -> None:
    if as_json:
        print_json([asdict(report) for report in reports])
    else:
        for report in reports:
            if report.outcome == "refused":
                click.echo(f"{report.dev_eui}: refused: {report.message}", err=True)
        outcomes = [report.outcome for report in reports]
        counted = [f"{outcomes.count(name)} {name}" for name in ("added", "updated", "unchanged", "refused")]
        click.echo(", ".join(text for text in counted if not text.startswith("0 ")) or "no LoRaWAN devices")
    if any(report.outcome == "refused" for report in reports):
        raise SystemExit(SOME_REFUSED)


@click.command("reset-join")
@config_option
@json_option
@click.argument("dev_eui")
def reset_join(config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str) -> None:
    """Let a device join again whose memory was erased: any DevNonce is taken once.

    Works beside a running gateway and without one.

    \b
    Example:
      meetnet device reset-join 70b3d57ed0000001
    """
    config = configuration(config_file, data)
    dev_eui = eui("dev_eui", dev_eui)
    directory = DataDirectory(config.directory)
    try:
        ask(directory, f"/devices/{dev_eui}/reset-join")
    except Failure as failure:
        if failure.exit_code != NOT_RUNNING:
            raise
        asyncio.run(_reset_stored(config, directory, dev_eui))
    if as_json:
        print_json({"dev_eui": dev_eui, "reset": True})
    else:
        click.echo(f"{dev_eui} may join again with any DevNonce")


async def _reset_stored(config: Config, directory: DataDirectory, dev_eui: str) -> None:
    from gateway.lns import SessionStore, forget_dev_nonce

    directory.lock()
    registry = Registry(config.directory)
    try:
        if registry.device_keys(dev_eui) is None:
            raise Failure(f"device {dev_eui} is not registered for LoRaWAN: add it first")
        store = SessionStore(directory.lns)
        try:
            await forget_dev_nonce(store, dev_eui)
        finally:
            await store.close()
    finally:
        registry.close()
        directory.unlock()


@click.command()
@config_option
@json_option
@click.argument("dev_eui")
@click.argument("f_port", type=click.IntRange(1, 223))
@click.argument("payload")
@click.option("--confirmed", is_flag=True, help="Ask the device for an acknowledgement.")
def send(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    f_port: int,
    payload: str,
    confirmed: bool,
) -> None:
    """Queue a downlink (hexadecimal) for a device's next uplink, on whichever network it is.

    \b
    Example:
      meetnet device send 70b3d57ed0000001 3 0102 --confirmed

    Exit codes: 0 queued, 1 refused, 3 no gateway is running.
    """
    try:
        bytes.fromhex(payload)
    except ValueError:
        raise click.UsageError("PAYLOAD is not hexadecimal") from None
    directory = DataDirectory(configuration(config_file, data).directory)
    body = {"f_port": f_port, "payload": payload, "confirmed": confirmed}
    found = ask(directory, f"/devices/{eui('dev_eui', dev_eui)}/downlinks", body)
    if as_json:
        print_json(found)
    else:
        click.echo(f"queued as {found['id']}")


def ask(directory: DataDirectory, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the gateway that runs on a data directory to do something; Failure with its reason."""
    control = directory.read_control()
    if control is None:
        raise Failure(f"no gateway is running on {directory.path}: start it, or give --data", NOT_RUNNING)
    port, token = control
    try:
        answer = httpx.post(
            f"http://127.0.0.1:{port}{path}",
            headers={"Authorization": f"Bearer {token}"},
            json=body or {},
            timeout=20,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Failure(f"the gateway does not answer ({error}): is it running?", NOT_RUNNING) from error
    found: dict[str, Any] = answer.json()
    if answer.is_error:
        raise Failure(str(found.get("error", answer.status_code)))
    return found

"""`meetnet secrets`: keys of devices, sealed at rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.datadir import DataDirectory
from gateway.lns.store import SessionStore
from gateway.registry import Registry
from gateway.vault import Vault, key_id, open_vault, read_keys, remember, write_key


@click.group()
def secrets() -> None:
    """Seal the keys of devices in the data directory with a key that is kept elsewhere."""


@secrets.command("keygen")
@json_option
@click.argument("key_file", type=click.Path(path_type=Path))
def keygen(as_json: bool, key_file: Path) -> None:
    """Write a new key file of mode 0600. Keep a copy where the backups are not.

    \b
    Example:
      meetnet secrets keygen /etc/meetnet/key
    """
    write_key(key_file)
    if as_json:
        print_json({"key_file": str(key_file), "key_id": key_id(read_keys(key_file)[0]).hex()})
        return
    click.echo(f"{key_file} written; without it devices must join again, and their keys be entered anew")


@secrets.command("seal")
@config_option
@json_option
@click.option("--key-file", type=click.Path(path_type=Path), required=True, help="The key, first line first.")
def seal(config_file: Path | None, data: Path | None, as_json: bool, key_file: Path) -> None:
    """Seal every key of a device; later starts read the key from that file. The gateway must be stopped.

    To change the key, put the new one above the old one in the file and run this again; the old line may
    then go. A run that was cut short is run again.

    \b
    Example:
      meetnet secrets seal --key-file /etc/meetnet/key
    """
    directory = DataDirectory(configuration(config_file, data).directory)
    if key_file.absolute().is_relative_to(directory.path.absolute()):
        raise Failure(f"{key_file} is in the data directory, and would be copied with it: keep it elsewhere")
    keys = read_keys(key_file)
    vault = Vault(keys)
    directory.lock()
    try:
        remember(directory.path, key_file, keys[0])
        registry = Registry(directory.path)
        try:
            app_keys = registry.seal_secrets(vault)
        finally:
            registry.close()
        sessions = 0
        if directory.lns.exists():
            store = SessionStore(directory.lns)
            try:
                sessions = store.seal_all(vault)
            finally:
                asyncio.run(store.close())
    finally:
        directory.unlock()
    if as_json:
        print_json({"key_id": key_id(keys[0]).hex(), "app_keys": app_keys, "sessions": sessions})
        return
    click.echo(
        f"sealed with the key {key_id(keys[0]).hex()}: {app_keys} application keys, {sessions} sessions"
    )


@secrets.command("status")
@config_option
@json_option
def status(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Tell whether keys are sealed, and whether the key can be had.

    \b
    Example:
      meetnet secrets status

    Exit codes: 0 sealed or in clear, 1 sealed and the key cannot be had.
    """
    vault = open_vault(DataDirectory(configuration(config_file, data).directory).path)
    vault.seal(b"", "a check")  # says why when it cannot
    if as_json:
        print_json({"sealed": vault.seals})
        return
    click.echo("sealed" if vault.seals else "in clear, in files of mode 0600: meetnet secrets seal")

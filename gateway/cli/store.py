"""`meetnet store`: backup and restore, another engine, and whether it is whole."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.datadir import DataDirectory
from gateway.errors import StoreError
from gateway.store import SegmentLog, Store
from gateway.store.backup import backup, restore
from gateway.store.checking import check
from gateway.store.choice import open_store
from gateway.store.copying import copy


@click.group("store")
def store() -> None:
    """Back up, restore, move and check what was measured."""


@store.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def backup_(file: Path, config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Write the whole data directory into one file, also while the gateway runs.

    It holds keys and passwords: keep it like them. Observations in PostgreSQL are not in it; back those up
    with pg_dump.

    \b
    Example:
      meetnet store backup /backup/meetnet-2026-11-30.tar.gz

    Exit codes: 0 done, 1 failed: then nothing was written.
    """
    count = backup(configuration(config_file, data).directory, file)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "files": count, "bytes": size})
    else:
        click.echo(f"{count} files, {size / 1e6:.1f} MB: {file}")


@store.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@json_option
def restore_(file: Path, config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Unpack a backup into a data directory that is empty.

    \b
    Example:
      meetnet store restore /backup/meetnet-2026-11-30.tar.gz --data meetnet-data

    Exit codes: 0 done, 1 failed.
    """
    directory = configuration(config_file, data).directory
    count = restore(file, directory)
    if as_json:
        print_json({"directory": str(directory), "files": count})
    else:
        click.echo(f"{count} files in {directory}; see whether it is whole: meetnet store check")


@store.command("copy")
@click.argument("target")
@config_option
@json_option
@click.option("--back", is_flag=True, help="From TARGET into the data directory instead.")
def copy_(target: str, config_file: Path | None, data: Path | None, as_json: bool, back: bool) -> None:
    """Copy all observations into an empty store: a PostgreSQL address, or a SQLite file.

    Stop the gateway first. Every number and position stays, so publishers go on where they were; then set
    data.postgres to the address.

    \b
    Example:
      meetnet store copy postgresql://meetnet@db.example.org/meetnet
      meetnet store copy --back postgresql://meetnet@db.example.org/meetnet

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    directory = DataDirectory(found.directory)
    directory.lock()
    try:
        here = open_store(directory.store, "")
        other = open_store(Path(target), target if target.startswith("postgres") else "")
        try:
            ends = (other, here) if back else (here, other)
            with click.progressbar(length=max(1, ends[0].count()), label="records", hidden=as_json) as bar:
                count = copy(*ends, lambda table, done: _show(bar, table, done))
        finally:
            here.close()
            other.close()
    finally:
        directory.unlock()
    if as_json:
        print_json({"records": count})
    else:
        click.echo(f"{count} records copied")


@store.command("check")
@config_option
@json_option
def check_(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Read everything, and say what is not as it must be.

    \b
    Example:
      meetnet store check

    Exit codes: 0 all is well, 1 something is wrong.
    """
    found = configuration(config_file, data)
    directory = DataDirectory(found.directory)
    kept = open_store(directory.store, found.text("data.postgres"))
    try:
        faults = check(kept, _end_of(directory))
        count = kept.count()
    finally:
        kept.close()
    if as_json:
        print_json({"records": count, "faults": faults})
    else:
        for fault in faults:
            click.echo(fault, err=True)
        click.echo(f"{count} records: " + (f"{len(faults)} faults" if faults else "all is well"))
    if faults:
        raise SystemExit(1)


def _end_of(directory: DataDirectory) -> int | None:
    """Return the last sequence of the log; None where there is none or a gateway writes to it."""
    if not directory.segments.exists():
        return None
    try:
        directory.lock()
    except StoreError:
        return None
    try:
        log = SegmentLog(directory.segments)
        found = log.last_sequence
        log.close()
        return found
    finally:
        directory.unlock()


def _show(bar: object, table: str, done: int) -> None:
    if table == "records":
        bar.update(done - bar.pos)  # type: ignore[attr-defined]


__all__ = ("Failure", "Store", "store")

"""`meetnet store`: backup and restore, another engine, and whether it is whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway import retention
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.decode import Decoder, Foreign, Profiles
from gateway.erasures import pseudonym
from gateway.errors import StoreError
from gateway.exports import iso_utc
from gateway.places import locked_house
from gateway.privacy import erase_site
from gateway.rerunning import Rerun
from gateway.store import SegmentLog, Store
from gateway.store.backup import backup, erased_since, restore
from gateway.store.checking import check
from gateway.store.choice import open_store
from gateway.store.copying import copy
from gateway.store.history import rolling, sealing


@contextlib.contextmanager
def _opened(config: Config) -> Generator[Store]:
    """Open the observations that a configuration names, and close them."""
    kept = open_store(DataDirectory(config.directory).store, config.text("data.postgres"))
    try:
        yield kept
    finally:
        kept.close()


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
    found = configuration(config_file, data)
    count = backup(found.directory, file)
    size = file.stat().st_size
    is_elsewhere = bool(found.text("data.postgres"))
    if as_json:
        print_json({"file": str(file), "files": count, "bytes": size, "observations": not is_elsewhere})
        return
    click.echo(f"{count} files, {size / 1e6:.1f} MB: {file}")
    if is_elsewhere:
        click.echo("without the observations: those are in PostgreSQL, back them up with pg_dump", err=True)


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
    found = configuration(config_file, data)
    directory = found.directory
    count = restore(file, directory)
    again = _erase_again(found, erased_since(file, directory))
    if as_json:
        print_json({"directory": str(directory), "files": count, "erased_again": again})
    else:
        for site_id in again:
            click.echo(f"{site_id} was erased after this backup: it is erased again")
        click.echo(
            f"{count} files in {directory}; see whether it is whole: meetnet store check --data {directory}"
        )


def _erase_again(config: Config, pseudonyms: set[str]) -> list[str]:
    """Erase the sites of a restored directory that were erased after its backup."""
    if not pseudonyms:
        return []
    with locked_house(config) as house:
        names = [site.id for site in house.registry.sites() if pseudonym(site.id) in pseudonyms]
        for site_id in names:
            erase_site(house, site_id, time.time_ns() // 1_000_000)
    return names


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
        is_address = "://" in target or target.startswith("postgres")
        other = open_store(Path(target), target if is_address else "")
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
    with _opened(found) as kept:
        faults = check(kept, _end_of(directory))
        count = kept.count()
    if as_json:
        print_json({"records": count, "faults": faults})
    else:
        for fault in faults:
            click.echo(fault, err=True)
        click.echo(f"{count} records: " + (f"{len(faults)} faults" if faults else "all is well"))
    if faults:
        raise SystemExit(1)


@store.command("rollup")
@click.argument("site_ids", nargs=-1)
@config_option
@json_option
def rollup(site_ids: tuple[str, ...], config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Make hours and days of SITE_IDS (all, without any) again from their records.

    Days of which records were deleted by age keep what they have.

    \b
    Example:
      meetnet store rollup plein-1

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    with _opened(found) as kept:
        rolling.roll_all(kept)
        names = site_ids or tuple(
            row[0] for row in kept.database.query("SELECT site_id FROM sites ORDER BY 1")
        )
        done: dict[str, int] = {}
        with click.progressbar(names, label="sites", hidden=as_json) as bar:
            for name in bar:
                done[name] = rolling.rebuild(kept, name)
    if as_json:
        print_json({"records": done})
    else:
        click.echo(f"{sum(done.values())} records of {len(done)} sites")


@store.command("pack")
@config_option
@json_option
@click.option("--days", type=click.IntRange(1, 36500), help="Age in days [default: data.seal_days].")
def pack_(config_file: Path | None, data: Path | None, as_json: bool, days: int | None) -> None:
    """Pack old records now: a running gateway does so by itself, a few at a time.

    \b
    Example:
      meetnet store pack --days 3

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    before_ms = time.time_ns() // 1_000_000 - (days or found.whole("data.seal_days")) * 86_400_000
    with _opened(found) as kept:
        rolling.roll_all(kept)
        n = sealing.waiting(kept, before_ms)
        with click.progressbar(length=max(1, n), label="records", hidden=as_json) as bar:
            done = 0
            for moved in sealing.seal(kept, before_ms, 1 << 30):
                done += moved
                bar.update(moved)
    if as_json:
        print_json({"records": done})
    else:
        click.echo(f"{done} records packed")


@store.command("retention")
@config_option
@json_option
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
def retention_(config_file: Path | None, data: Path | None, as_json: bool, dry_run: bool) -> None:
    """Delete what is older than the settings retention.* allow, or show what is due.

    A running gateway does it by itself, a little at a time.

    \b
    Example:
      meetnet store retention --dry-run

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    directory = DataDirectory(found.directory)
    now_ms = time.time_ns() // 1_000_000
    with _opened(found) as kept:
        rows = retention.due(found, directory.path, kept, now_ms)
        gone: dict[str, int] = {}
        if not dry_run:
            rolling.roll_all(kept)
            for _ in retention.carry_out(
                found,
                directory.path,
                kept,
                now_ms,
                lambda name, n: gone.update({name: gone.get(name, 0) + n}),
            ):
                pass
    if as_json:
        print_json({
            "dry_run": dry_run,
            "classes": [
                {"class": row.name, "days": row.days, "due": row.n, "deleted": gone.get(row.name, 0)}
                for row in rows
            ],
        })  # fmt: skip
        return
    for row in rows:
        what = retention.CLASSES.get(row.name, "raw frames, by whole files (data.raw_days, data.raw_mib)")
        until = f"{row.days} days" if row.days else "for ever"
        count = f"{row.n} due" if dry_run else f"{gone.get(row.name, 0)} deleted"
        click.echo(f"{row.name:<14} {until:>10}  {count:>14}  {what}")


@store.command("rerun")
@click.option("--from", "from_", required=True, help="First day or moment, as 2026-11-01 (UTC).")
@click.option("--to", "to", required=True, help="End: a day or moment that is no longer part of it.")
@click.option("--site", "site_ids", multiple=True, help="Only this site; may be given again.")
@click.option(
    "--decode", is_flag=True, help="Decode the raw frames again first, as far back as they are kept."
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@config_option
@json_option
def rerun_(
    from_: str,
    to: str,
    site_ids: tuple[str, ...],
    decode: bool,
    dry_run: bool,
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Judge history again after a change of method, calibration or codec; try it with --dry-run first.

    Both results are kept, with their methods; the new ones go out to publishers like anything new. Stop the
    gateway first (but for a dry run without --decode).

    \b
    Example:
      meetnet store rerun --from 2026-11-01 --to 2026-12-01 --site plein-1 --dry-run

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    start_ms, end_ms = _moment(from_), _moment(to)
    if start_ms >= end_ms:
        raise Failure("--to must be after --from")
    with locked_house(found, with_lock=decode or not dry_run) as house:
        rerun = Rerun(house.store, house.registry, start_ms, end_ms)
        if decode:
            profiles = Profiles(found.directory / "profiles")
            rerun.decode(house.frames(), Decoder(None, house.registry.profile_of, Foreign(profiles.get)))
        names = site_ids or tuple(site.id for site in house.registry.sites())
        with click.progressbar(length=len(names), label="sites", hidden=as_json) as bar:
            changes = rerun.run(names, apply=not dry_run, told=lambda _site: bar.update(1))
    if as_json:
        print_json({"dry_run": dry_run, **asdict(changes)})
        return
    click.echo(f"{changes.seen} records seen, {changes.changed} {'would change' if dry_run else 'changed'}")
    if changes.added:
        click.echo(f"{changes.added} records that could not be used before")
    for quantity, n in _most_first(changes.values):
        click.echo(f"  {quantity}: {n} values, by {changes.largest[quantity]:g} at most")
    for name, n in (*_most_first(changes.flags), *_most_first(changes.methods)):
        click.echo(f"  {name}: {n}")
    for one in changes.examples:
        click.echo(
            f"  {one.site_id} {one.quantity} {iso_utc(one.observed_at_ms)}: "
            f"{one.before} ({one.method_before}) -> {one.after} ({one.method_after})"
        )


def _most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{text!r} is no moment: write 2026-11-01 or 2026-11-01T06:00") from error
    return round(found.replace(tzinfo=found.tzinfo or UTC).timestamp() * 1000)


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

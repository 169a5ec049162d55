"""`meetnet publish`: outlets, their positions and side lists; a check of each; sending again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.config import Config
from gateway.counters import Counters
from gateway.datadir import DataDirectory
from gateway.exports import iso_utc
from gateway.outlets import Outlet, Surroundings, outlets
from gateway.publish import FileSideList, Publisher, Rejection
from gateway.publish.check import Finding, check_clock, check_mapping, check_sending, send_again
from gateway.publish.sidelist import mended
from gateway.readers import reader_for
from gateway.registry import Registry
from gateway.store import SqlitePublicReader, Store, open_store
from gateway.store.assessments import Assessments


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the subcommands work on, beside a running gateway or without one."""

    config: Config
    directory: DataDirectory
    registry: Registry
    store: Store
    side: FileSideList
    assessments: Assessments

    def reader(self, recipient: str) -> SqlitePublicReader:
        return reader_for(recipient, self.store, self.registry, self.assessments, _now_ms)

    def outlet(self, name: str) -> Outlet:
        found = {outlet.name: outlet for outlet in outlets(self.config)}
        if name not in found:
            raise Failure(f"no outlet {name!r} is configured; there are: {', '.join(found) or 'none'}")
        return found[name]

    def publisher(self, outlet: Outlet) -> Publisher:
        folder = self.directory.path / "publish"
        folder.mkdir(exist_ok=True, mode=0o700)
        publisher = outlet.publisher(Surroundings(Counters(), folder, reader_of=self.reader))
        if publisher is None:
            raise Failure(f"{outlet.name} only answers requests: nothing is sent")
        return publisher

    def close(self) -> None:
        self.assessments.close()
        self.store.close()
        self.registry.close()


@click.group()
def publish() -> None:
    """Look after the platforms that this network publishes to."""


@publish.command("list")
@config_option
@json_option
def list_outlets(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """List outlets: to whom, how many sites agreed, how far they are, what they refused.

    \b
    Example:
      meetnet publish list
    """
    desk = _desk(config_file, data)
    try:
        positions, newest = desk.store.publisher_positions(), desk.store.newest_position()
        rows: list[dict[str, Any]] = []
        for outlet in outlets(desk.config):
            is_served = outlet.kind.serve is not None and outlet.name not in positions
            position = positions.get(outlet.name, 0)
            rows.append(
                {
                    "name": outlet.name,
                    "type": outlet.type,
                    "recipient": outlet.recipient,
                    "sites": len(desk.registry.consenting_sites(outlet.recipient, _now_ms())),
                    "position": None if is_served else position,
                    "newest": newest,
                    "rejected": sum(1 for _ in desk.side.read(outlet.name)),
                }
            )
    finally:
        desk.close()
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("nothing is configured: write a table [publish.<name>], see gateway/publish/README.md")
    else:
        table([tuple(row.values()) for row in rows], tuple(name.upper() for name in rows[0]))


@publish.command()
@config_option
@json_option
@click.argument("name")
def show(config_file: Path | None, data: Path | None, as_json: bool, name: str) -> None:
    """Show what an outlet's platform refused, with the numbers that `retry`, `mend` and `drop` take.

    \b
    Example:
      meetnet publish show ngsi_ld
    """
    desk = _desk(config_file, data)
    try:
        found = _items(desk, name)
    finally:
        desk.close()
    if as_json:
        print_json(
            [
                {"item": item, "reason": one.reason, **msgspec.structs.asdict(one.row)}
                for item, one in found.items()
            ]
        )
        return
    rows = [
        (item, one.row.site_id, one.row.quantity, one.row.value, iso_utc(one.row.observed_at_ms), one.reason)
        for item, one in found.items()
    ]
    table(rows, ("ITEM", "SITE", "QUANTITY", "VALUE", "OBSERVED", "REASON"))


@publish.command()
@config_option
@json_option
@click.argument("name")
@click.argument("items", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All items.")
def drop(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    name: str,
    items: tuple[int, ...],
    everything: bool,
) -> None:
    """Take items off the side list for good. The observations themselves stay in the store.

    \b
    Example:
      meetnet publish drop ngsi_ld 3 4
    """
    desk = _desk(config_file, data)
    try:
        chosen = _chosen(_items(desk, name), items, everything)
        count = desk.side.remove(name, _among(chosen))
    finally:
        desk.close()
    _say(as_json, {"dropped": count}, f"{count} dropped")


@publish.command()
@config_option
@json_option
@click.argument("name")
@click.argument("item", type=int)
@click.option("--value", type=float, required=True, help="The value to send in its place.")
def mend(
    config_file: Path | None, data: Path | None, as_json: bool, name: str, item: int, value: float
) -> None:
    """Give an item of the side list another value; `retry` sends it, marked as mended by hand.

    \b
    Example:
      meetnet publish mend ngsi_ld 3 --value 100
    """
    desk = _desk(config_file, data)
    try:
        (old,) = _chosen(_items(desk, name), (item,), False)
        desk.side.add(name, [mended(old, value)])
        desk.side.remove(name, _among([old]))
    finally:
        desk.close()
    text = f"{old.row.site_id} {old.row.quantity}: {old.row.value} is now {value}; send it with retry"
    _say(as_json, {"was": old.row.value, "value": value}, text)


@publish.command()
@config_option
@json_option
@click.argument("name")
@click.argument("items", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All items.")
def retry(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    name: str,
    items: tuple[int, ...],
    everything: bool,
) -> None:
    """Send items of the side list again; what is taken now leaves the list.

    \b
    Example:
      meetnet publish retry ngsi_ld --all
      meetnet publish replay ngsi_ld --all   # the same

    Exit codes: 0 all were taken, 1 some were refused again.
    """
    desk = _desk(config_file, data)
    try:
        outlet = desk.outlet(name)
        chosen = _chosen(_items(desk, name), items, everything)
        publisher = desk.publisher(outlet)

        async def send() -> tuple[set[int], list[Rejection]]:
            try:
                return await send_again(publisher, desk.reader(outlet.recipient), chosen)
            finally:
                await publisher.close()

        done, again = asyncio.run(send())
        among = _among(chosen)
        desk.side.remove(name, lambda one: among(one) and one.row.position in done)
    finally:
        desk.close()
    found = {"done": len(done), "refused": len(again)}
    _say(as_json, found, f"{len(done)} done, {len(again)} refused again")
    if again:
        raise Failure(again[0].reason)


publish.add_command(retry, "replay")  # the word that people look for


@publish.command()
@config_option
@json_option
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Send nothing.")
def check(config_file: Path | None, data: Path | None, as_json: bool, name: str, dry_run: bool) -> None:
    """Try an outlet: settings, clock, consents, mapping, and a test observation.

    The test observation is the newest real one: platforms know an observation by series and time, so it is
    there once, whoever sends it first.

    \b
    Example:
      meetnet publish check ngsi_ld

    Exit codes: 0 all is well, 1 something is not.
    """
    desk = _desk(config_file, data)
    try:
        outlet = desk.outlet(name)
        findings = asyncio.run(_check(desk, outlet, desk.publisher(outlet), dry_run))
    finally:
        desk.close()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.is_good else 'FAIL'} {finding.what}: {finding.text}")
    if not all(finding.is_good for finding in findings):
        raise SystemExit(1)


async def _check(desk: _Desk, outlet: Outlet, publisher: Publisher, dry_run: bool) -> list[Finding]:
    reader = desk.reader(outlet.recipient)
    findings = [Finding("settings", True, f"{outlet.type}, for {outlet.recipient}")]
    try:
        url = getattr(outlet.settings, "url", "")
        if url.startswith("http"):
            findings.append(await check_clock(url, _now_ms()))
        findings += check_mapping(publisher, reader)
        if not dry_run:
            findings.append(await check_sending(publisher, reader))
    finally:
        await publisher.close()
    return findings


def _desk(config_file: Path | None, data: Path | None) -> _Desk:
    config = configuration(config_file, data)
    directory = DataDirectory(config.directory)
    if not directory.store.exists():
        raise Failure(f"no store in {directory.path}: run the gateway first, or give --data")
    registry = Registry(directory.path)
    return _Desk(
        config,
        directory,
        registry,
        open_store(directory.store, config.text("data.postgres")),
        FileSideList(directory.side),
        Assessments(directory.review),
    )


def _items(desk: _Desk, name: str) -> dict[int, Rejection]:
    return dict(enumerate(desk.side.read(name), 1))


def _chosen(found: dict[int, Rejection], items: tuple[int, ...], everything: bool) -> list[Rejection]:
    if everything == bool(items):
        raise click.UsageError("give the numbers of items, or --all")
    unknown = [item for item in items if item not in found]
    if unknown:
        raise Failure(f"no item {unknown[0]}: there are {len(found)}")
    return list(found.values()) if everything else [found[item] for item in items]


def _among(chosen: list[Rejection]) -> Callable[[Rejection], bool]:
    keys = {(one.row.position, one.row.value, one.reason) for one in chosen}
    return lambda one: (one.row.position, one.row.value, one.reason) in keys


def _say(as_json: bool, found: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

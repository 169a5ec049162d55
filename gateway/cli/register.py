"""`meetnet register`: which sensors must be reported to the city's register, and that it was done."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.exports import iso_utc
from gateway.outlets import outlets
from gateway.publish.catalog import CatalogSettings
from gateway.publish.catalog.register import record
from gateway.publish.catalog.reporting import CHANGED, GONE, Due, ReportBook, due
from gateway.readers import reader_for
from gateway.registry import Registry
from gateway.store import open_store
from gateway.store.assessments import Assessments

SOMETHING_DUE = 4


@click.group()
def register() -> None:
    """See what the sensor register must hear of, and note that it did."""


@register.command("due")
@config_option
@json_option
def show_due(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """List sensors that must be reported: planned, changed, gone. A new one at least five days before.

    \b
    Example:
      meetnet register due

    Exit codes: 0 nothing is due, 1 failed, 4 something is due.
    """
    found, _, _ = _look(configuration(config_file, data))
    if as_json:
        print_json({"due": [asdict(one) for one in found]})
    else:
        for one in found:
            click.echo(_line(one))
        if not found:
            click.echo("everything is reported as it is")
    if found:
        raise SystemExit(SOMETHING_DUE)


@register.command()
@config_option
@json_option
@click.argument("site_ids", metavar="[SITE]...", nargs=-1)
def reported(config_file: Path | None, data: Path | None, as_json: bool, site_ids: tuple[str, ...]) -> None:
    """Note that sites were reported as they are now; without SITE all that is due.

    \b
    Example:
      meetnet register reported plein-1

    Exit codes: 0 noted, 1 no such site.
    """
    found, records, book = _look(configuration(config_file, data))
    wanted = list(site_ids) or [one.site_id for one in found]
    kept = book.load()
    for site_id in wanted:
        if site_id in records:
            kept[site_id] = records[site_id]
        elif kept.pop(site_id, None) is None:
            raise Failure(f"no public site {site_id!r}: see meetnet register due")
    book.save(kept)
    if as_json:
        print_json({"reported": wanted})
    else:
        click.echo(f"{len(wanted)} noted")


def _line(one: Due) -> str:
    if one.what == CHANGED:
        return f"{one.site_id}: report again, {', '.join(one.fields)} changed"
    if one.what == GONE:
        return f"{one.site_id}: report that it is gone"
    when = (
        "" if one.by_ms is None else f" by {iso_utc(one.by_ms)}" + (": that is over" if one.is_late else "")
    )
    return f"{one.site_id}: report it{when}"


def _look(config: Config) -> tuple[list[Due], dict[str, dict[str, Any]], ReportBook]:
    """Return what is due, all records as they are now, and the book."""
    directory = DataDirectory(config.directory)
    if not directory.store.exists():
        raise Failure(f"no store in {directory.path}: run the gateway first, or give --data")
    settings = next((one.settings for one in outlets(config) if one.type == "catalog"), None)
    if not isinstance(settings, CatalogSettings):
        settings = CatalogSettings(title=config.text("web.title"))
    now_ms = time.time_ns() // 1_000_000
    origin = settings.base_url.rstrip("/") or config.text("web.url").rstrip("/") or "http://localhost"
    registry = Registry(directory.path)
    store, assessments = (
        open_store(directory.store, config.text("data.postgres")),
        Assessments(directory.review),
    )
    try:
        reader = reader_for("public", store, registry, assessments, lambda: now_ms)
        records = {site.site_id: record(site, None, origin, settings) for site in reader.sites()}
        placed: dict[str, int] = {}
        for device in registry.devices():
            for one in registry.deployments(device.dev_eui):
                placed[one.site_id] = min(one.from_ms, placed.get(one.site_id, one.from_ms))
    finally:
        assessments.close()
        store.close()
        registry.close()
    book = ReportBook(directory.path / "reported.json")
    return due(book.load(), records, placed, now_ms), records, book

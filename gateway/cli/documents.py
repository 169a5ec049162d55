"""`meetnet documents`: what a city must have on paper, made from the configuration."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.datadir import DataDirectory
from gateway.outlets import outlets
from gateway.publish.catalog import CatalogSettings, processing_record
from gateway.publish.catalog.processing import outlet_rows
from gateway.publish.catalog.settings import UNSAID
from gateway.registry import Registry
from gateway.retention import declared, in_dutch


@click.command()
@config_option
@json_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [default: stdout].")
def documents(config_file: Path | None, data: Path | None, as_json: bool, output: Path | None) -> None:
    """Write the record of processing with the start of a DPIA, in Dutch, from the configuration.

    Every outlet that is configured is in it; what only people know is asked for in [brackets].

    \b
    Example:
      meetnet documents -o verwerkingsregister.md

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    configured = outlets(found)
    settings = next((one.settings for one in configured if one.type == "catalog"), None)
    if not isinstance(settings, CatalogSettings):
        settings = CatalogSettings(title=found.text("web.title"))
    rows = outlet_rows(found.publish, {one.name: one.recipient for one in configured})
    kinds: Counter[str] = Counter()
    directory = DataDirectory(found.directory)
    if (directory.path / "registry.db").exists():
        registry = Registry(directory.path)
        try:
            now_ms = time.time_ns() // 1_000_000
            kinds.update(site.kind for site in registry.consenting_sites("public", now_ms))
        finally:
            registry.close()
    if settings.retention == UNSAID:
        settings = replace(settings, retention=in_dutch(declared(found, time.time_ns() // 1_000_000)))
    text = processing_record(settings, rows, found.whole("data.raw_days"), kinds)
    if as_json:
        print_json({"outlets": rows, "kinds": kinds, "markdown": text})
    elif output is None:
        click.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Failure(f"{output}: {error.strerror}") from error

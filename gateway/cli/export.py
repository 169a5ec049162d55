"""`meetnet export`: open files from the store, also while a gateway runs on it."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option
from gateway.datadir import DataDirectory
from gateway.exports import (
    DAY_MS,
    HOUR_MS,
    latest_geojson,
    observations_geojson,
    pages,
    write_city_means,
    write_csv,
    write_means,
)
from gateway.publish.files import citation, csv_metadata, write_json, write_parquet
from gateway.readers import reader_for
from gateway.registry import Registry
from gateway.store import open_store
from gateway.store.assessments import Assessments


@click.command()
@config_option
@json_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(("csv", "geojson", "json", "parquet")),
    help="[default: by the file's name, or csv]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [default: stdout].")
@click.option("--from", "start", type=click.DateTime(), help="First observed time, UTC.")
@click.option("--to", "end", type=click.DateTime(), help="Observed times before this, UTC.")
@click.option("--site", "site_id", help="One site only.")
@click.option("--latest", is_flag=True, help="GeoJSON of the newest values only.")
@click.option(
    "--means", type=click.Choice(("hour", "day", "city")), help="Means of each, as CSV; city: by hour."
)
def export(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    kind: str | None,
    output: Path | None,
    start: datetime | None,
    end: datetime | None,
    site_id: str | None,
    latest: bool,
    means: str | None,
) -> None:
    """Export public observations as CSV, JSON, GeoJSON or Parquet; --json is short for --format geojson.

    Beside a CSV file FILE its columns are described in FILE-metadata.json (CSVW). Positions are those that
    the hosts allow, and no device is named.

    \b
    Example:
      meetnet export --from 2026-11-01 --to 2026-12-01 -o november.csv
      meetnet export --latest -o now.geojson
      meetnet export --means city --from 2026-11-01 --to 2026-12-01 -o city.csv

    Exit codes: 0 done, 1 failed.
    """
    found = configuration(config_file, data)
    directory = DataDirectory(found.directory)
    if not directory.store.exists():
        raise Failure(f"no store in {directory.path}: run the gateway first, or give --data")
    if kind is None:
        kind = _kind(output) if not (as_json or latest) else "geojson"
    if kind == "parquet" and output is None:
        raise Failure("Parquet is not for the screen: give a file with -o")
    registry = Registry(directory.path)
    store = open_store(directory.store, found.text("data.postgres"))
    assessments = Assessments(directory.review)
    try:
        now_ms = time.time_ns() // 1_000_000
        reader = reader_for("public", store, registry, assessments, lambda: now_ms)
        start_ms, end_ms = _ms(start, 0), _ms(end, 2**53)
        cite = citation(found.text("web.title"), "", start_ms, min(end_ms, now_ms + 1))
        if kind == "parquet" and output is not None:
            write_parquet(reader, start_ms, end_ms, output, site_id, cite)
            return
        try:
            target = (
                nullcontext(sys.stdout) if output is None else output.open("w", encoding="utf-8", newline="")
            )
        except OSError as error:
            raise Failure(f"{output}: {error.strerror}") from error
        with target as stream:
            if means == "city":
                if start is None:
                    raise Failure("--means city: say from when, with --from")
                end_ms = min(end_ms, now_ms) // HOUR_MS * HOUR_MS
                write_city_means(reader, start_ms // HOUR_MS * HOUR_MS, end_ms, stream)
            elif means is not None:
                step_ms = DAY_MS if means == "day" else HOUR_MS
                write_means(reader, start_ms // step_ms * step_ms, end_ms, step_ms, stream, site_id)
            elif latest:
                json.dump(latest_geojson(reader), stream)
            elif kind == "geojson":
                sites = {site.site_id: site for site in reader.sites()}
                rows = [row for page in pages(reader, start_ms, end_ms, site_id) for row in page]
                json.dump(observations_geojson(rows, sites), stream)
            elif kind == "json":
                write_json(reader, start_ms, end_ms, stream, site_id, cite)
            else:
                write_csv(reader, start_ms, end_ms, stream, site_id)
        if kind == "csv" and output is not None and means is None:
            licences = tuple(sorted({site.licence for site in reader.sites()}))
            about = csv_metadata(output.name, found.text("web.title"), "", licences, cite)
            path = output.with_name(f"{output.name}-metadata.json")
            path.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    finally:
        assessments.close()
        store.close()
        registry.close()


def _kind(output: Path | None) -> str:
    suffix = output.suffix.lower() if output else ""
    return {".json": "geojson", ".geojson": "geojson", ".parquet": "parquet"}.get(suffix, "csv")


def _ms(moment: datetime | None, default: int) -> int:
    return default if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)

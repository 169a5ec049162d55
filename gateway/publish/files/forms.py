"""The forms beside CSV: JSON, and Parquet where pyarrow is installed. Same columns, same order, same rows."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any, TextIO

from gateway.errors import ConfigError
from gateway.exports import iso_utc, observation_json, pages
from gateway.model import PublicReader, PublicSite


def citation(title: str, publisher: str, start_ms: int, end_ms: int, address: str = "") -> str:
    """Return how a file may be cited."""
    who = publisher or title
    span = f"{iso_utc(start_ms)[:10]} to {iso_utc(end_ms - 1)[:10]}"
    return f"{who}: {title}, observations from {span}" + (f", {address}" if address else "")


def write_json(
    reader: PublicReader, start_ms: int, end_ms: int, out: TextIO, site_id: str | None = None, cite: str = ""
) -> int:
    """Write observations as one JSON document, a page at a time; return the number of rows."""
    sites = {site.site_id: site for site in reader.sites()}
    licences = sorted({site.licence for site in sites.values()})
    head = json.dumps({"citation": cite, "licences": licences}, ensure_ascii=False)
    out.write(head[:-1] + ', "observations": [')
    count = 0
    for rows in pages(reader, start_ms, end_ms, site_id):
        for row in rows:
            if row.site_id in sites:
                found = {**_place(sites[row.site_id]), **observation_json(row)}
                out.write((",\n" if count else "\n") + json.dumps(found, ensure_ascii=False))
                count += 1
    out.write("\n]}\n")
    return count


def has_parquet() -> bool:
    """Say whether Parquet can be written here."""
    return importlib.util.find_spec("pyarrow") is not None


def write_parquet(
    reader: PublicReader,
    start_ms: int,
    end_ms: int,
    path: Path,
    site_id: str | None = None,
    cite: str = "",
) -> int:
    """Write observations as Parquet (zstd, a row group a page); return the number of rows."""
    if not has_parquet():
        raise ConfigError("format", "Parquet needs pyarrow: pip install pyarrow, or take CSV")
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    sites = {site.site_id: site for site in reader.sites()}
    moment = arrow.timestamp("ms", tz="UTC")
    text, number, whole = arrow.string(), arrow.float64(), arrow.int32()
    fields = [
        ("site_id", text), ("site_name", text), ("kind", text), ("longitude", number), ("latitude", number),
        ("precision_m", whole), ("quantity", text), ("unit", text), ("unit_ucum", text),
        ("observed_at", moment), ("received_at", moment), ("value", number), ("raw_value", number),
        ("state", text), ("flags", arrow.list_(text)), ("method", text), ("method_version", whole),
        ("licence", text),
    ]  # fmt: skip
    licences = sorted({site.licence for site in sites.values()})
    schema = arrow.schema(fields, metadata={"citation": cite, "licences": json.dumps(licences)})
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in pages(reader, start_ms, end_ms, site_id):
            found = [
                {
                    **_place(sites[row.site_id]),
                    **observation_json(row),
                    "observed_at": row.observed_at_ms,
                    "received_at": row.received_at_ms,
                }
                for row in rows
                if row.site_id in sites
            ]
            if found:
                writer.write_table(arrow.Table.from_pylist(found, schema=schema))
                count += len(found)
    return count


def _place(site: PublicSite) -> dict[str, Any]:
    return {
        "site_name": site.name,
        "kind": site.kind,
        "longitude": site.longitude,
        "latitude": site.latitude,
        "precision_m": site.precision_m,
        "licence": site.licence,
    }

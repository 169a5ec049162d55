"""Files: CSV with CSVW metadata, GeoJSON, JSON, Parquet; a file a day.

The writing of CSV and GeoJSON, which the page offers too, lives in `gateway.exports`, beside the stages,
because the page and this publisher may not know one another.
"""

from gateway.exports import (
    CSV_COLUMNS,
    csv_header,
    csv_lines,
    iso_utc,
    latest_geojson,
    observation_json,
    observations_geojson,
    pages,
    sites_geojson,
    write_csv,
)
from gateway.publish.files.csvw import csv_metadata
from gateway.publish.files.dumps import FilesPublisher, FilesSettings, write_day
from gateway.publish.files.forms import citation, has_parquet, write_json, write_parquet

__all__ = [
    "CSV_COLUMNS",
    "FilesPublisher",
    "FilesSettings",
    "citation",
    "csv_header",
    "csv_lines",
    "csv_metadata",
    "has_parquet",
    "iso_utc",
    "latest_geojson",
    "observation_json",
    "observations_geojson",
    "pages",
    "sites_geojson",
    "write_csv",
    "write_day",
    "write_json",
    "write_parquet",
]

"""CSV and GeoJSON files: the same text that the page offers for download.

The writing lives in `gateway.exports`, beside the stages, because the page and this publisher may not know
one another.
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

__all__ = [
    "CSV_COLUMNS",
    "csv_header",
    "csv_lines",
    "iso_utc",
    "latest_geojson",
    "observation_json",
    "observations_geojson",
    "pages",
    "sites_geojson",
    "write_csv",
]

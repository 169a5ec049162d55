"""CSVW: what the columns of our CSV mean, for machines (W3C Metadata Vocabulary for Tabular Data).

The document lies beside the file as `<name>.csv-metadata.json`, where CSVW looks by itself.
"""

from __future__ import annotations

from typing import Any

from gateway.exports import CSV_COLUMNS

# column -> (datatype, what it means); a column that may be empty is not required
_COLUMNS: dict[str, tuple[Any, str]] = {
    "site_id": ("string", "Identifier of the measuring site"),
    "site_name": ("string", "Name of the site"),
    "kind": ("string", "Kind of site: air, noise, bin or garden"),
    "longitude": ("number", "Longitude in degrees, WGS 84, of the middle of the published grid cell"),
    "latitude": ("number", "Latitude in degrees, WGS 84, of the middle of the published grid cell"),
    "precision_m": ("integer", "Size of that cell in metres; 0 is the exact point"),
    "quantity": ("string", "What was measured"),
    "unit": ("string", "Unit in ASCII"),
    "unit_ucum": ("string", "Unit as the Unified Code for Units of Measure writes it"),
    "observed_at": ("dateTimeStamp", "End of the measurement, UTC"),
    "received_at": ("dateTimeStamp", "When the gateway received it, UTC"),
    "value": ("double", "The value, corrected by `method`; empty when the sensor gave none"),
    "raw_value": ("double", "The value as the sensor gave it; empty when there is none"),
    "state": ("string", "What the sensor said of the value: ok, warmup, degraded, no_answer, ..."),
    "flags": ("string", "Quality checks that spoke up, parted by spaces; empty when none did"),
    "method": ("string", "Correction or derivation that gave `value`; none for the raw value"),
    "method_version": ("integer", "Version of that method"),
    "licence": ("string", "Licence of the row"),
}
_MAY_BE_EMPTY = frozenset({"value", "raw_value", "flags", "unit_ucum"})


def csv_metadata(
    url: str, title: str = "Meetnet", publisher: str = "", licences: tuple[str, ...] = (), citation: str = ""
) -> dict[str, Any]:
    """Return the metadata of a CSV file. url: the file's address or name, relative to this document."""
    found: dict[str, Any] = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": url,
        "dc:title": title,
        "dialect": {"header": True, "encoding": "utf-8", "delimiter": ",", "lineTerminators": ["\r\n"]},
        "tableSchema": {
            "columns": [_column(name) for name in CSV_COLUMNS],
            "aboutUrl": "#{site_id}-{quantity}-{observed_at}",
        },
    }
    if publisher:
        found["dc:publisher"] = publisher
    if licences:
        found["dc:license"] = licences[0] if len(licences) == 1 else list(licences)
    if citation:
        found["dc:bibliographicCitation"] = citation
    return found


def _column(name: str) -> dict[str, Any]:
    datatype, meaning = _COLUMNS[name]
    found: dict[str, Any] = {
        "name": name,
        "titles": name,
        "datatype": datatype,
        "dc:description": meaning,
        "required": name not in _MAY_BE_EMPTY,
    }
    if name == "flags":
        found["separator"] = " "
    return found

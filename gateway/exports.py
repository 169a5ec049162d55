"""Open files from the public reader: CSV and GeoJSON, for the page, the command line and publishers.

CSV columns are fixed and in English, times are RFC 3339 in UTC, decimals use a point, and what is absent is
an empty field: a value of 0 is a measured 0. Each row carries its quality, method and licence, because a
file travels without the page it came from.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TextIO

from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.units import unit

CSV_COLUMNS = (
    "site_id", "site_name", "kind", "longitude", "latitude", "precision_m",
    "quantity", "unit", "unit_ucum", "observed_at", "received_at",
    "value", "raw_value", "state", "flags", "method", "method_version", "licence",
)  # fmt: skip

MEANS_COLUMNS = (
    "site_id", "site_name", "longitude", "latitude", "precision_m", "quantity", "unit", "from", "to",
    "mean", "least", "greatest", "values", "flagged", "licence",
)  # fmt: skip
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
Notes = Callable[[str, int], str]  # what was written on a moment of a site, "" for nothing
PAGE_ROWS = 20_000
_DAYS_AT_ONCE = 7


def iso_utc(ms: int) -> str:
    """Return RFC 3339 in UTC with Z; three fractional digits only where there are milliseconds."""
    moment = _second(ms // 1000)
    return f"{moment}.{ms % 1000:03d}Z" if ms % 1000 else f"{moment}Z"


@lru_cache(4096)  # the values of a record share their moment
def _second(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def pages(
    reader: PublicReader, start_ms: int, end_ms: int, site_id: str | None = None, page_rows: int = PAGE_ROWS
) -> Iterator[Sequence[PublicObservation]]:
    """Yield all observations of [start_ms, end_ms) by observed time, a page at a time, none twice.

    The reader limits by count, and several rows may share a millisecond: a full page is cut before its last
    millisecond, which opens the next one.
    """
    while start_ms < end_ms:
        rows = reader.observations(start_ms, end_ms, site_id, page_rows)
        if len(rows) < page_rows:
            if rows:
                yield rows
            return
        last_ms = rows[-1].observed_at_ms
        whole = [row for row in rows if row.observed_at_ms < last_ms]
        if not whole:  # one millisecond fills the page: ask for a larger one
            page_rows *= 2
            continue
        yield whole
        start_ms = last_ms


def csv_header(comma: bool = False, notes: bool = False) -> str:
    """Return the header line; comma: for a spreadsheet that reads a decimal comma; notes: a column more."""
    columns = (*CSV_COLUMNS, "note") if notes else CSV_COLUMNS
    return ("\ufeff" if comma else "") + _csv_text([columns], comma)


def csv_lines(
    rows: Sequence[PublicObservation],
    sites: dict[str, PublicSite],
    comma: bool = False,
    notes: Notes | None = None,
) -> str:
    """Return the rows as CSV text (RFC 4180: CRLF, quotes where needed).

    comma: the form that a Dutch, Belgian or French spreadsheet opens by double click: decimal comma,
    fields parted by semicolons, a byte order mark before the header. Programs take the other one.
    notes: what people wrote on a moment of a site, for a last column.
    """
    lines = (_csv_row(row, sites[row.site_id]) for row in rows if row.site_id in sites)
    if notes is not None:
        told = (notes(row.site_id, row.observed_at_ms) for row in rows if row.site_id in sites)
        lines = ((*line, plain_text(text)) for line, text in zip(lines, told, strict=True))
    return _csv_text(lines, comma)


def write_csv(
    reader: PublicReader, start_ms: int, end_ms: int, out: TextIO, site_id: str | None = None
) -> int:
    """Write the observations of [start_ms, end_ms) to a text file opened with newline=""; return the rows."""
    sites = {site.site_id: site for site in reader.sites()}
    out.write(csv_header())
    count = 0
    for rows in pages(reader, start_ms, end_ms, site_id):
        out.write(csv_lines(rows, sites))
        count += sum(row.site_id in sites for row in rows)
    return count


def write_means(
    reader: PublicReader, start_ms: int, end_ms: int, step_ms: int, out: TextIO, site_id: str | None = None
) -> int:
    """Write what hours or days of each series amount to as CSV; return the rows. Levels: means by energy.

    Quick for years: made from what the store keeps added up. start_ms: whole steps; days are those of UTC.
    """
    writer = csv.writer(out)
    writer.writerow(MEANS_COLUMNS)
    count = 0
    units = {(row.site_id, row.quantity): row.unit for row in reader.latest()}
    for site in reader.sites():
        if site_id is not None and site.site_id != site_id:
            continue
        place = (site.site_id, plain_text(site.name), site.longitude, site.latitude, site.precision_m)
        for quantity in site.quantities:
            for one in reader.buckets(site.site_id, quantity, start_ms, end_ms, step_ms):
                begin, end = iso_utc(one.start_ms), iso_utc(one.start_ms + step_ms)
                numbers = (_short(one.mean), _short(one.low), _short(one.high), one.n, one.flagged)
                symbol = units.get((site.site_id, quantity), "")
                writer.writerow((*place, quantity, symbol, begin, end, *numbers, site.licence))
                count += 1
    return count


class HourlyReader(PublicReader, Protocol):
    """A reader that gives the hourly means of all sites at once."""

    def hourly(self, quantity: str, start_ms: int, end_ms: int) -> Any:
        """Return the means of whole hours of every public site."""
        ...


def write_city_means(reader: HourlyReader, start_ms: int, end_ms: int, out: TextIO) -> int:
    """Write the mean of all sites for each hour and quantity as CSV; return the rows.

    Each site counts the same, by the mean of its good values of the hour. start_ms, end_ms: whole hours.
    """
    writer = csv.writer(out)
    writer.writerow(("quantity", "unit", "from", "to", "mean", "sites"))
    count = 0
    units = {row.quantity: row.unit for row in reader.latest()}
    for quantity in sorted(units):
        for at_ms in range(start_ms, end_ms, _DAYS_AT_ONCE * DAY_MS):
            found = reader.hourly(quantity, at_ms, min(at_ms + _DAYS_AT_ONCE * DAY_MS, end_ms))
            means = found.of_all(units[quantity].startswith("dB"))
            for hour, (mean, n) in enumerate(zip(means, found.n, strict=True)):
                if mean is not None:
                    begin_ms = at_ms + hour * HOUR_MS
                    moments = iso_utc(begin_ms), iso_utc(begin_ms + HOUR_MS)
                    writer.writerow((quantity, units[quantity], *moments, _short(mean), int((n > 0).sum())))
                    count += 1
    return count


def _short(value: float) -> float:
    return round(value, 4)


def sites_geojson(reader: PublicReader) -> dict[str, Any]:
    """Return the public sites as an RFC 7946 FeatureCollection (longitude, latitude; WGS 84)."""
    return _collection(_feature(site, _site_properties(site)) for site in reader.sites())


def latest_geojson(reader: PublicReader) -> dict[str, Any]:
    """Return the sites with their newest values, one feature a site."""
    values: dict[str, dict[str, Any]] = {}
    for row in reader.latest():
        values.setdefault(row.site_id, {})[row.quantity] = observation_json(row)
    return _collection(
        _feature(site, {**_site_properties(site), "latest": values.get(site.site_id, {})})
        for site in reader.sites()
    )


def observations_geojson(rows: Sequence[PublicObservation], sites: dict[str, PublicSite]) -> dict[str, Any]:
    """Return observations as features at their sites' public positions."""
    return _collection(
        _feature(sites[row.site_id], {**observation_json(row), "licence": sites[row.site_id].licence})
        for row in rows
        if row.site_id in sites
    )


def observation_json(row: PublicObservation) -> dict[str, Any]:
    """Return one observation as JSON-ready fields: absent values are null, never 0."""
    return {
        "site_id": row.site_id,
        "quantity": row.quantity,
        "unit": row.unit,
        "unit_ucum": unit(row.unit).ucum,
        "observed_at": iso_utc(row.observed_at_ms),
        "received_at": iso_utc(row.received_at_ms),
        "value": row.value,
        "raw_value": row.raw_value,
        "state": row.state,
        "flags": list(row.flags),
        "method": row.method,
        "method_version": row.method_version,
    }


class JsonWriter:
    """Writes observations with their place as JSON text: observation_json and more, several times as fast.

    more: the fields of a site to add. What rows of a series share is written once and kept.
    """

    def __init__(self, more: Callable[[PublicSite], dict[str, Any]]) -> None:
        self._more = more
        self._kept: dict[tuple[Any, ...], tuple[str, str]] = {}

    def text(self, row: PublicObservation, site: PublicSite) -> str:
        """Return one observation; its numbers are finite or None."""
        key = (row.quantity, row.unit, row.state, row.flags, row.method, row.method_version, site)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= 20_000:
                self._kept.clear()
            fields = observation_json(row)
            head = {name: fields[name] for name in ("site_id", "quantity", "unit", "unit_ucum")}
            tail = {name: fields[name] for name in ("state", "flags", "method", "method_version")}
            tail |= self._more(site)
            found = self._kept[key] = _compact(head)[:-1], _compact(tail)[1:]
        value = "null" if row.value is None else repr(row.value)
        raw_value = "null" if row.raw_value is None else repr(row.raw_value)
        return (
            f'{found[0]},"observed_at":"{iso_utc(row.observed_at_ms)}",'
            f'"received_at":"{iso_utc(row.received_at_ms)}","value":{value},"raw_value":{raw_value},{found[1]}'
        )


def _compact(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _csv_row(row: PublicObservation, site: PublicSite) -> tuple[object, ...]:
    return (
        row.site_id, plain_text(site.name), site.kind, site.longitude, site.latitude, site.precision_m,
        row.quantity, row.unit, unit(row.unit).ucum, iso_utc(row.observed_at_ms), iso_utc(row.received_at_ms),
        row.value, row.raw_value, row.state, " ".join(row.flags),
        row.method, row.method_version, site.licence,
    )  # fmt: skip


def plain_text(text: str) -> str:
    """Keep a host's text from being a formula in a spreadsheet (a leading = + - @ tab or return)."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv_text(rows: Iterable[Sequence[object]], comma: bool = False) -> str:
    text = io.StringIO(newline="")
    if comma:
        rows = ([_with_comma(cell) for cell in row] for row in rows)
    csv.writer(text, delimiter=";" if comma else ",").writerows(rows)
    return text.getvalue()


def _with_comma(cell: object) -> object:
    return repr(cell).replace(".", ",") if isinstance(cell, float) else cell


def _collection(features: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def _feature(site: PublicSite, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
        "properties": properties,
    }


def _site_properties(site: PublicSite) -> dict[str, Any]:
    last = site.last_observed_at_ms
    return {
        "site_id": site.site_id,
        "name": site.name,
        "kind": site.kind,
        "precision_m": site.precision_m,
        "licence": site.licence,
        "quantities": list(site.quantities),
        "last_observed_at": None if last is None else iso_utc(last),
    }

"""CSV and GeoJSON: what is written can be read back, and says what it is worth.

RFC 4180 (CSV) through Python's csv module; RFC 7946 (GeoJSON): longitude first, no crs member.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.publish.files import (
    CSV_COLUMNS,
    csv_header,
    csv_lines,
    iso_utc,
    latest_geojson,
    pages,
    sites_geojson,
    write_csv,
)
from tests.gateway.memory_reader import NOW_MS, MemoryReader, street


def written(reader: MemoryReader, start: int = 0, end: int = NOW_MS + 1) -> list[dict[str, str]]:
    out = io.StringIO(newline="")
    count = write_csv(reader, start, end, out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert len(rows) == count
    return rows


def test_csv_reads_back_to_the_same_data() -> None:
    reader = street()
    rows = written(reader)
    assert tuple(rows[0]) == CSV_COLUMNS
    expected = sorted(reader.rows, key=lambda row: (row.observed_at_ms, row.position))
    assert len(rows) == len(expected)
    for line, row in zip(rows, expected, strict=True):
        assert line["site_id"] == row.site_id
        assert line["quantity"] == row.quantity
        assert (float(line["value"]) if line["value"] else None) == row.value
        assert (float(line["raw_value"]) if line["raw_value"] else None) == row.raw_value
        assert round(datetime.fromisoformat(line["observed_at"]).timestamp() * 1000) == row.observed_at_ms
        assert tuple(line["flags"].split()) == row.flags
        assert (line["state"], line["method"], int(line["method_version"])) == (
            row.state,
            row.method,
            row.method_version,
        )
        assert line["licence"] == "CC-BY-4.0"


def test_absent_is_empty_and_zero_is_zero() -> None:
    by_key = {(line["site_id"], line["quantity"]): line for line in written(street())}
    assert by_key["tuin-1", "temperature"]["value"] == ""
    assert by_key["tuin-1", "temperature"]["state"] == "no_answer"
    assert by_key["lucht-1", "relative_humidity"]["value"] == "0.0"


def test_the_form_for_spreadsheets_has_decimal_commas_and_nothing_else_changes() -> None:
    reader = street()
    sites = {site.site_id: site for site in reader.sites()}
    text = csv_header(comma=True) + csv_lines(reader.rows, sites, comma=True)
    assert text.startswith("\ufeffsite_id;site_name;")
    lines = list(csv.DictReader(io.StringIO(text[1:], newline=""), delimiter=";"))
    plain = csv_header() + csv_lines(reader.rows, sites)
    for line, other in zip(lines, csv.DictReader(io.StringIO(plain, newline="")), strict=True):
        numbers = ("value", "raw_value", "longitude", "latitude")
        assert {name: line[name].replace(",", ".") for name in numbers} == {
            name: other[name] for name in numbers
        }
        assert {k: v for k, v in line.items() if k not in numbers} == {
            k: v for k, v in other.items() if k not in numbers
        }
    assert {line["value"] for line in lines if line["quantity"] == "temperature"} == {"-1,25", ""}


def test_a_name_is_no_formula_in_a_spreadsheet() -> None:
    reader = MemoryReader()
    reader.add_site("a", "air", '=HYPERLINK("http://x")')
    reader.add("a", "pm10", "ug/m3", 1.0)
    assert written(reader)[0]["site_name"].startswith("'=")


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(st.integers(0, 12), max_size=40),
    page_rows=st.integers(1, 7),
    span=st.tuples(st.integers(0, 13), st.integers(0, 13)),
)
def test_pages_hold_every_row_once_whatever_shares_a_millisecond(
    moments: list[int], page_rows: int, span: tuple[int, int]
) -> None:
    reader = MemoryReader()
    reader.add_site("a", "air")
    for moment in moments:
        reader.add("a", "pm10", "ug/m3", 1.0, moment)
    start, end = min(span), max(span)
    got = [row.position for page in pages(reader, start, end, None, page_rows) for row in page]
    assert got == [row.position for row in reader.observations(start, end)]


def test_geojson_puts_longitude_first_and_closes_every_key() -> None:
    found = sites_geojson(street())
    assert set(found) == {"type", "features"}
    school = next(f for f in found["features"] if f["properties"]["site_id"] == "lucht-1")
    assert school["geometry"] == {"type": "Point", "coordinates": [3.7205, 51.0503]}
    assert school["properties"]["licence"] == "CC-BY-4.0"
    newest = latest_geojson(street())["features"]
    school = next(f for f in newest if f["properties"]["site_id"] == "lucht-1")
    assert school["properties"]["latest"]["pm2_5"]["method"] == "koehler"


def test_times_are_utc_with_z() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00Z"
    assert iso_utc(1_763_920_800_007) == "2025-11-23T18:00:00.007Z"

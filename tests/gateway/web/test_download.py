"""The form on the page of open data: whole days of the reader's clock, a file that a spreadsheet opens."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from gateway.web import create_app
from tests.gateway.memory_reader import FixedClock, MemoryReader
from tests.gateway.web.conftest import visitor


async def chosen(client: httpx.AsyncClient, query: str, language: str = "nl") -> dict[str, str]:
    """Return the fields of the file's address that a choice leads to."""
    answer = await client.get(f"/{language}/data?{query}")
    assert answer.status_code == 303, answer.text
    target = urlsplit(answer.headers["location"])
    assert target.path == "/api/observations.csv"
    return dict(parse_qsl(target.query))


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        ("2025-11-22", "2025-11-22", "2025-11-21T23:00:00", "2025-11-22T23:00:00"),
        ("2025-07-01", "2025-07-31", "2025-06-30T22:00:00", "2025-07-31T22:00:00"),
        ("2025-10-26", "2025-10-26", "2025-10-25T22:00:00", "2025-10-26T23:00:00"),  # a day of 25 hours
        ("2025-03-30", "2025-03-30", "2025-03-29T23:00:00", "2025-03-30T22:00:00"),  # a day of 23 hours
    ],
)
async def test_days_are_those_of_the_clock_on_the_wall(
    client: httpx.AsyncClient, first: str, last: str, start: str, end: str
) -> None:
    fields = await chosen(client, f"site=&first={first}&last={last}")
    assert (fields["from"][:19], fields["to"][:19]) == (start, end)
    assert fields["from"].endswith("Z")
    assert "site" not in fields


async def test_what_was_chosen_is_a_file_with_a_decimal_comma(client: httpx.AsyncClient) -> None:
    fields = await chosen(client, "site=lucht-1&first=2025-11-23&last=2025-11-23")
    file = await client.get("/api/observations.csv", params=fields)
    rows = file.content.decode("utf-8-sig").splitlines()
    assert len(rows) > 1
    assert all(";lucht-1;" in f";{row};" for row in rows[1:])
    assert fields["decimal"] == "comma"
    assert "decimal" not in await chosen(client, "first=2025-11-23&last=2025-11-23", "en")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("first=gisteren", "Eerste dag: “gisteren” is geen dag. Schrijf hem als 2026-11-23."),
        ("first=2025-11-23&last=2025-11-22", "Laatste dag: de laatste dag ligt voor de eerste."),
        ("first=2023-01-01&last=2025-01-01", "366 dagen"),
        ("first=0001-01-01&last=9999-12-31", "Eerste dag: “0001-01-01” is geen dag."),
        ("site=weg", "site: “weg” is hier niet bekend."),
    ],
)
async def test_what_does_not_fit_is_told_on_the_page(
    client: httpx.AsyncClient, query: str, sentence: str
) -> None:
    answer = await client.get(f"/nl/data?{query}")
    assert answer.status_code == 400
    assert sentence in answer.text


async def test_the_form_stands_before_what_is_for_programs(client: httpx.AsyncClient) -> None:
    text = (await client.get("/fr/data")).text
    assert text.index("Pour un tableur") < text.index('id="api-title"')
    assert 'value="2025-11-17"' in text
    assert 'value="2025-11-23" max="2025-11-23"' in text


async def test_a_network_without_sites_has_no_percentages_and_nothing_to_download() -> None:
    async with visitor(create_app(MemoryReader(), dict, FixedClock())) as client:
        quality, data = [(await client.get(path)).text for path in ("/nl/quality", "/nl/data")]
    assert "Nog geen openbare meetpunten." in quality
    assert "0,0" not in quality
    assert 'name="first"' not in data

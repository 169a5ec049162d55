"""The open addresses: formats, filters, refusals."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.web import create_app
from gateway.web.query import QueryError, moment, span, whole
from gateway.web.series import STEPS_MS, series_json, step_for
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, FixedClock, MemoryReader
from tests.gateway.web.conftest import visitor


async def test_csv_streams_what_the_filters_ask_for(client: httpx.AsyncClient, reader: MemoryReader) -> None:
    answer = await client.get(
        "/api/observations.csv",
        params={"from": "2025-11-23T10:00:00Z", "to": "2025-11-23T12:00:00+01:00", "site": "geluid-1"},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert 'filename="meetnet-2025-11-23-2025-11-23.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    start, end = NOW_MS - 8 * 60 * MINUTE_MS, NOW_MS - 7 * 60 * MINUTE_MS
    assert len(rows) == len(reader.observations(start, end, "geluid-1")) == 12
    assert {"state", "flags", "method", "method_version", "licence", "raw_value"} <= set(rows[0])


async def test_the_last_day_is_the_default(client: httpx.AsyncClient, reader: MemoryReader) -> None:
    lines = (await client.get("/api/observations.csv")).text.splitlines()
    assert len(lines) - 1 == len(reader.observations(NOW_MS - 86_400_000 + 1, NOW_MS + 1))


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("from=gisteren", "from", "is geen tijdstip"),
        ("from=2025-11-23T10:00", "from", "is geen tijdstip"),
        ("to=1789-07-14", "to", "ligt buiten de jaren"),
        ("to=99999999999999", "to", "is geen tijdstip"),
        ("from=2025-11-23&to=2025-11-22", "from", "moet vóór"),
        ("from=2020-01-01&to=2025-11-22", "from", "hoogstens 366 dagen"),
        ("site=nergens", "site", "is hier niet bekend"),
        ("decimal=dot", "decimal", "is geen van de woorden die passen: point, comma"),
        ("sites=bak-1", "sites", "dit adres kent dat veld niet"),
    ],
)
async def test_a_wrong_filter_is_refused_by_name(
    client: httpx.AsyncClient, query: str, field: str, sentence: str
) -> None:
    answer = await client.get(f"/api/observations.csv?{query}", headers={"accept-language": "nl"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["field"] == field
    assert sentence in body["title"]
    assert body["title"].endswith(".")


async def test_too_many_features_are_refused_never_cut(reader: MemoryReader) -> None:
    for i in range(10_001):
        reader.add("lucht-1", "pm4", "ug/m3", 1.0, NOW_MS - i)
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        answer = await client.get("/api/observations.geojson?lang=en")
        assert answer.status_code == 400
        assert "more than 10000 observations" in answer.json()["title"]
        answer = await client.get("/api/observations.geojson?site=bak-1")
    assert [f["properties"]["value"] for f in answer.json()["features"]] == [640.0]


async def test_latest_and_sites_agree_and_leak_no_device(client: httpx.AsyncClient) -> None:
    latest = (await client.get("/api/latest.json")).json()
    sites = (await client.get("/api/sites.geojson")).json()
    features = (await client.get("/api/latest.geojson")).json()
    assert latest["generated_at"] == "2025-11-23T18:00:00Z"
    assert {o["site_id"] for o in latest["observations"]} < {
        f["properties"]["site_id"] for f in sites["features"]
    }
    school = next(f for f in features["features"] if f["properties"]["site_id"] == "lucht-1")
    assert school["properties"]["latest"]["relative_humidity"]["value"] == 0.0
    for text in (str(latest), str(sites), str(features)):
        assert "eui" not in text.lower()


async def test_status_and_health(reader: MemoryReader) -> None:
    async with visitor(create_app(reader, lambda: {"lns": {"joins": 3}}, FixedClock())) as client:
        assert (await client.get("/api/status")).json() == {"lns": {"joins": 3}}
        assert (await client.get("/healthz")).status_code == 200
        reader.sites = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        assert (await client.get("/healthz")).status_code == 503


async def test_a_series_has_at_most_the_points_that_were_asked_for(client: httpx.AsyncClient) -> None:
    address = "/api/series.json?site=geluid-1&quantity=laeq&points="
    whole_day: dict[str, Any] = (await client.get(address + "800")).json()
    assert whole_day["count"] == 288
    assert sum(value is not None for value in whole_day["v"]) == 285
    assert sum(value is not None for value in whole_day["d"]) == 3
    small = (await client.get(address + "64")).json()
    assert len(small["t"]) <= 64
    assert small["t"] == sorted(small["t"])
    assert small["step_s"] == 1800
    values = [value for value in whole_day["v"] if value is not None]
    assert max(v for v in small["hi"] if v is not None) == max(values)
    assert min(v for v in small["lo"] if v is not None) == min(values)
    for bad in ("15", "4001", "x", "-1", "1e3", "٣٣"):
        answer = await client.get(address + bad)
        assert (answer.status_code, answer.json()["field"]) == (400, "points")


async def test_columns_of_levels_are_means_of_energy(reader: MemoryReader) -> None:
    reader.add_site("x", "noise")
    for i, level in enumerate((40.0, 80.0)):
        reader.add("x", "laeq", "dB(A)", level, NOW_MS - 120_000 + i * MINUTE_MS)
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        found = (await client.get("/api/series.json?site=x&quantity=laeq&form=buckets&points=16")).json()
    assert [round(value, 1) for value in found["v"]] == [77.0]
    assert (found["lo"], found["hi"], found["unit"]) == ([40.0], [80.0], "dB(A)")


async def test_a_gap_in_a_series_is_a_gap_in_the_line() -> None:
    reader = MemoryReader()
    reader.add_site("x", "air")
    for i in [*range(20), *range(60, 80)]:
        reader.add("x", "pm10", "ug/m3", 1.0 + i, NOW_MS - i * MINUTE_MS)
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        found = (await client.get("/api/series.json?site=x&quantity=pm10")).json()
    assert found["v"].count(None) == 1
    assert found["v"].index(None) == 20


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=300),
    points=st.integers(16, 60),
    apart_ms=st.sampled_from([7, 60_000, 86_400_000]),
)
def test_no_series_has_more_points_than_pixels_or_loses_an_extreme(
    values: list[float | None], points: int, apart_ms: int
) -> None:
    reader = MemoryReader()
    for i, value in enumerate(values):
        reader.add("x", "pm10", "ug/m3", value, i * apart_ms)
    found = series_json(reader, "x", "pm10", 0, len(values) * apart_ms + 1, points)
    assert len(found["t"]) <= points
    assert found["t"] == sorted(set(found["t"]))
    numbers = [value for value in values if value is not None]
    highs = [v for v in found["hi"] + found["v"] if v is not None]
    lows = [v for v in found["lo"] + found["v"] if v is not None]
    if numbers:
        assert (min(lows), max(highs)) == (min(numbers), max(numbers))


@given(st.integers(1, 10**13), st.integers(16, 4000))
def test_a_step_covers_the_span(span_ms: int, points: int) -> None:
    step = step_for(span_ms, points)
    assert step in STEPS_MS
    assert span_ms <= step * (points - 1) or step == STEPS_MS[-1]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["from", "to", "points"]), st.text(max_size=30)))
def test_any_text_in_the_address_is_a_value_or_a_refusal(query: dict[str, str]) -> None:
    try:
        start, end = span(query, NOW_MS)
        assert 0 <= start < end
        assert 16 <= whole(query, "points", 100, 16, 4000) <= 4000
    except QueryError as refused:
        assert refused.field in query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-23", NOW_MS - 18 * 3_600_000),
        ("2025-11-23T18:00:00Z", NOW_MS),
        ("2025-11-23T19:00:00+01:00", NOW_MS),
        ("2025-11-23T19:00:00 01:00", NOW_MS),  # a plus that was not escaped
        ("2025-11-23T18:00:00.250Z", NOW_MS + 250),
    ],
)
def test_moments(text: str, expected: int) -> None:
    assert moment({"from": text}, "from", 0) == expected


async def test_raw_and_corrected_are_two_series(client: httpx.AsyncClient, reader: MemoryReader) -> None:
    base = "/api/series.json?site=lucht-1&quantity=pm2_5"
    shown, raw = [(await client.get(base + more)).json() for more in ("", "&value=raw")]
    # The street's wave: measured 11 + wave, corrected 8 + wave.
    assert [round(b - a, 6) for a, b in zip(shown["v"], raw["v"], strict=True)] == [3.0] * len(raw["v"])
    few = (await client.get(base + "&value=raw&points=16")).json()
    assert len(few["t"]) <= 16 < len(raw["t"])
    assert min(few["lo"]) == min(raw["v"])
    page = (await client.get("/nl/site/lucht-1?quantity=pm2_5&raw=yes")).text
    assert "value=raw" in page
    assert "zoals gemeten" in page
    assert "value=raw" not in (await client.get("/nl/site/lucht-1?quantity=pm10&raw=yes")).text
    assert (await client.get(base + "&value=x")).status_code == 400

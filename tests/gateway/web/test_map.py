"""The map's layers, its classes and its week; the page of one site."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
import pytest

from gateway.web import create_app
from gateway.web.languages import tongues
from gateway.web.layers import BY_NAME, LAYERS, LEVEL_WORDS, class_of, legend
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, FixedClock, MemoryReader
from tests.gateway.web.conftest import visitor
from tests.gateway.web.test_page import Page, page

HOUR_MS = 60 * MINUTE_MS


def air(reader: MemoryReader, site_id: str, **means: float) -> None:
    reader.add_site(site_id, "air")
    for i in range(12):
        for name, value in means.items():
            reader.add(site_id, name, "ug/m3", value, NOW_MS - i * 5 * MINUTE_MS)


async def rows_of(reader: MemoryReader, address: str) -> dict[str, list[str]]:
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        found = (await page(client, address)).rows
    return {row[0].split(" ")[0]: row for row in found if len(row) >= 3}


async def test_an_index_is_the_worst_of_hourly_means_and_says_that_it_is_a_part() -> None:
    reader = MemoryReader()
    air(reader, "a", pm2_5=8.0, pm10=50.0)  # BelAQI: PM2.5 level 3, PM10 level 5
    air(reader, "b", pm2_5=3.5)  # on the bound: still level 1
    rows = await rows_of(reader, "/nl/part/sites?layer=belaqi")
    assert rows["a"][1] == "Luchtindex BelAQI 5 matig (deelindex, Fijnstof PM10)"
    assert rows["b"][1] == "Luchtindex BelAQI 1 uitstekend (deelindex, Fijnstof PM2,5)"
    rows = await rows_of(reader, "/nl/part/sites?layer=eaqi")
    assert rows["a"][1].startswith("Luchtindex van Europa 3 matig")


async def test_doubtful_values_make_no_index_and_old_ones_no_index_of_now() -> None:
    reader = MemoryReader()
    reader.add_site("a", "air")
    reader.add("a", "pm2_5", "ug/m3", 900.0, NOW_MS - MINUTE_MS, flags=("range",))
    reader.add_site("b", "air")
    reader.add("b", "pm2_5", "ug/m3", 5.0, NOW_MS - 2 * HOUR_MS)
    rows = await rows_of(reader, "/nl/part/sites?layer=belaqi")
    assert "–" in rows["a"][1]
    assert "twijfelachtig" in rows["a"][2]
    assert "geen waarde" in rows["b"][2]


@pytest.mark.parametrize(
    ("value", "klass"), [(0.0, 1), (25.0, 1), (25.1, 2), (50.0, 2), (75.0, 3), (75.1, 4), (100.0, 4)]
)
def test_bins_go_by_quarters(value: float, klass: int) -> None:
    assert class_of(BY_NAME["filling_level"], value) == klass


def test_every_layer_has_a_colour_and_words_for_each_class() -> None:
    from gateway.web.static_files import STATIC

    css = (STATIC / "meetnet.css").read_text()
    for layer in LAYERS:
        rows = legend(layer, tongues("Europe/Brussels")["nl"])
        classes = len(layer.upper) + 1 if layer.upper else len(LEVEL_WORDS.get(layer.index, ()))
        assert len(rows) == classes
        for row in rows:
            assert f".scale-{layer.scale}-{row.klass} " in css
    assert not re.search(r"https?:", css)


async def test_the_week_goes_back_hour_by_hour() -> None:
    reader = MemoryReader()
    reader.add_site("x", "air")
    for hours, value in ((0, 1.0), (1, 2.0), (168, 3.0)):
        reader.add("x", "pm2_5", "ug/m3", value, NOW_MS - hours * HOUR_MS + MINUTE_MS)
    for back, number in (("", "1,0"), ("&back=1", "2,0"), ("&back=2", "–"), ("&back=168", "3,0")):
        rows = await rows_of(reader, f"/nl/part/sites?layer=pm2_5{back}")
        assert rows["x"][1].split()[2] == number, back
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        past = (await client.get("/nl/part/sites?layer=pm2_5&back=1")).text
        assert "Het uur vanaf 23 nov 18:00" in past
        assert "every" not in past  # what is past is not asked for again
        assert (await client.get("/nl/?back=169")).status_code == 400
        assert (await client.get("/nl/?layer=moon")).status_code == 400


async def test_noise_shows_day_evening_and_night() -> None:
    reader = MemoryReader()
    reader.add_site("x", "noise")
    for hours in range(1, 25):
        at = NOW_MS - hours * HOUR_MS
        local = datetime.fromtimestamp(at / 1000, tongues("Europe/Brussels")["nl"].zone).hour
        level = 60.0 if 7 <= local < 19 else 55.0 if 19 <= local < 23 else 50.0
        reader.add("x", "laeq", "dB(A)", level, at)
    rows = await rows_of(reader, "/nl/part/sites?layer=laeq")
    assert rows["x"][3] == "60,0 · 55,0 · 50,0"


async def test_a_site_has_a_page_with_every_span(client: httpx.AsyncClient) -> None:
    for span in ("hour", "day", "week", "month", "year", "years"):
        answer = await client.get(f"/nl/site/geluid-1?quantity=laeq&span={span}")
        assert answer.status_code == 200
        found = Page(answer.text)
        assert any("Laagste" in text for text in found.text)
    text = " ".join(found.text)
    assert "Geluidskalender" in text
    assert "buiten wat waar kan zijn: 3" in text
    assert (await client.get("/nl/site/weg")).status_code == 404
    assert (await client.get("/nl/site/tuin-2")).status_code == 303  # nothing came yet
    assert (await client.get("/nl/site/lucht-1?span=eeuw")).status_code == 400


async def test_the_table_of_a_site_is_the_twin_of_its_chart(client: httpx.AsyncClient) -> None:
    text = (await client.get("/nl/site/lucht-1?quantity=pm2_5&span=day")).text
    rows = [row for row in Page(text).rows if len(row) == 6][1:]
    assert sum(int(row[4]) for row in rows) == 288
    assert "koehler, versie 1: veranderde" in text


async def test_sites_are_compared_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nl/site/lucht-1?quantity=pm2_5&with=lucht-2")
    assert "Bakkerij" in answer.text
    assert "<b>Bol" not in answer.text
    assert "form=buckets" in answer.text
    assert (await client.get("/nl/site/lucht-1?quantity=pm2_5&with=geluid-1")).status_code == 400


async def test_means_of_levels_are_of_energy() -> None:
    reader = MemoryReader()
    reader.add_site("x", "noise")
    for minutes, level in ((10, 40.0), (90, 80.0)):
        reader.add("x", "laeq", "dB(A)", level, NOW_MS - minutes * MINUTE_MS)
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        text = (await client.get("/nl/site/x?span=day")).text
    assert re.search(r"Gemiddelde <b>77,0</b>", text)

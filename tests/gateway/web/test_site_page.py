"""The page of one site when things are not as they should be: silent, doubtful, one value, nothing yet."""

from __future__ import annotations

import re

import pytest

from gateway.web import create_app
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, FixedClock, MemoryReader
from tests.gateway.web.conftest import visitor

HOUR_MS, DAY_MS = 60 * MINUTE_MS, 1440 * MINUTE_MS


async def text_of(reader: MemoryReader, path: str) -> str:
    """Return a page as one line of words and tags."""
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


@pytest.fixture
def silent() -> MemoryReader:
    """A microphone that has said nothing for 33 days."""
    reader = MemoryReader()
    reader.add_site("stil", "noise", "Stille knoop")
    for n in range(30):
        reader.add("stil", "laeq", "dB(A)", 50.0 + n % 5, NOW_MS - 33 * DAY_MS - n * 10 * MINUTE_MS)
    return reader


async def test_a_silent_site_says_since_when_and_leads_there(silent: MemoryReader) -> None:
    found = await text_of(silent, "/nl/site/stil")
    assert "In deze tijd is niets gemeten. De laatste meting is van 21 okt 2025." in found
    way = re.search(r'<a href="([^"]+)">Toon die meting</a>', found)
    assert way is not None
    there = await text_of(silent, way[1].replace("&amp;", "&"))
    assert "span=year" in way[1]
    assert "<b>50,0</b>" in there
    assert 'id="chart-source"' in there
    assert "Toon die meting" not in there
    french = await text_of(silent, "/fr/site/stil")
    assert "La dernière mesure date du 21 oct. 2025." in french
    assert "Montrer cette mesure" in french


async def test_where_nothing_was_measured_nothing_is_drawn_and_no_check_is_praised(
    silent: MemoryReader,
) -> None:
    found = await text_of(silent, "/nl/site/stil")
    assert 'id="chart-source"' not in found  # a chart from 0 to 1 of nothing
    assert "twijfelde sinds" not in found
    assert "Sinds 22 nov 19:00 is niets gemeten." in found
    assert "In deze vier weken is niets gemeten." in found
    assert 'class="drawing' not in found
    year = await text_of(silent, "/nl/site/stil?span=year")
    assert "In de laatste week is niets gemeten." in year
    assert "Geen controle" not in year


async def test_what_was_doubted_was_measured() -> None:
    reader = MemoryReader()
    reader.add_site("vast", "air", "Vaste sensor")
    for n in range(12):
        reader.add("vast", "pm2_5", "ug/m3", 500.0, NOW_MS - n * HOUR_MS, flags=("stuck",))
    found = await text_of(reader, "/nl/site/vast")
    assert "Alles wat in deze tijd gemeten is, is twijfelachtig. Hieronder staat waarom." in found
    assert "niets gemeten" not in found
    assert "beweegt al te lang niet: 12" in found
    assert "scale-eaqi" not in found  # no index of what is doubted


async def test_one_day_is_one_day() -> None:
    reader = MemoryReader()
    reader.add_site("tuin", "garden", "Tuin")
    for n in range(24 * 6):
        reader.add("tuin", "temperature", "Cel", -11.0 + n / 100, NOW_MS - n * 10 * MINUTE_MS)
    found = await text_of(reader, "/nl/site/tuin")
    assert "Van 1 dag met minstens 20 gemeten uren." in found
    assert "&nbsp;°C" in found


@pytest.mark.parametrize(("language", "words"), [("nl", "matig"), ("fr", "moyen"), ("en", "moderate")])
async def test_the_air_of_the_last_hour_has_the_name_that_the_map_gives_it(language: str, words: str) -> None:
    """Europe's index of 2024: PM2.5 above 15 up to 50 is moderate, above 15 PM10 up to 45 fair."""
    reader = MemoryReader()
    reader.add_site("lucht", "air", "Lucht")
    for n in range(1, 12):
        reader.add("lucht", "pm2_5", "ug/m3", 30.0, NOW_MS - n * 5 * MINUTE_MS)
        reader.add("lucht", "pm10", "ug/m3", 30.0, NOW_MS - n * 5 * MINUTE_MS)
        reader.add("lucht", "pm2_5", "ug/m3", 900.0, NOW_MS - n * 5 * MINUTE_MS, flags=("range",))
    found = await text_of(reader, f"/{language}/site/lucht")
    tile = re.search(r'<span class="value pill scale-eaqi-(\d)">(\d)</span> ([^<(]+) \(', found)
    assert tile is not None
    shown = await text_of(reader, f"/{language}/?layer=eaqi")
    row = re.search(
        r'<span class="value pill scale-eaqi-(\d)" data-value>(\d)</span> <span class="reasons">([^<(]+) \(',
        shown,
    )
    assert row is not None
    assert tile.groups() == row.groups() == ("3", "3", words)

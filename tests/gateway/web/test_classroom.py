"""The page for a class: guesses beside what was, nothing kept of anybody, a table that Excel opens."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gateway.web import create_app
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader
from tests.gateway.web.conftest import visitor
from tests.gateway.web.people import Town

HOUR_MS = 3_600_000
MIDNIGHT_MS = 1_763_766_000_000  # 22 November 2025 in Brussels
GUESS = "site=stoep&with=gras&quantity=temperature&day=2025-11-22"


def two_gardens(midnight_ms: int = MIDNIGHT_MS, hours: int = 24) -> MemoryReader:
    """The pavement is 2 degrees warmer; 14:00 is the warmest hour of both."""
    reader = MemoryReader()
    reader.add_site("stoep", "garden", "Stoep; met <punt>")
    reader.add_site("gras", "garden", "Gras")
    for hour in range(hours):
        for part in (0, 30):
            at_ms = midnight_ms + hour * HOUR_MS + part * 60_000
            level = 10.0 - abs(hour - 14) * 0.5 + (0.2 if part else 0.0)
            reader.add("stoep", "temperature", "Cel", level + 2, at_ms)
            reader.add("gras", "temperature", "Cel", level, at_ms)
    reader.add("stoep", "temperature", "Cel", 85.0, midnight_ms + 3 * HOUR_MS + 1, flags=("range",))
    return reader


@pytest.fixture
def page() -> httpx.AsyncClient:
    return visitor(create_app(two_gardens(), dict, FixedClock()))


async def test_a_guess_stands_beside_what_was(page: httpx.AsyncClient) -> None:
    text = (await page.get(f"/nl/class?{GUESS}")).text
    assert "Hoe het was</h2>" not in text  # first think
    text = (await page.get(f"/nl/class?{GUESS}&when=16&top=11,5&where=there")).text
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>([^<]*)</td><td><b>([^<]*)</b></td><td>([^<]*)', text)
    # Of the hour from 14 on: 12.0 and 12.2, so 12.1 on average; means over the day differ by 2.0 exactly.
    assert rows[0] == ("Het uur van het hoogste", "16 u", "14 u", "2 uur ernaast")
    assert rows[1] == ("Het hoogste gemiddelde van een uur", "11,5", "12,1", "0,6 ernaast")
    assert rows[2][1] == "Gras"
    assert rows[2][2].startswith("Stoep; met &lt;punt&gt; (")
    here, there = (
        float(one.replace(",", ".").replace("−", "-")) for one in re.findall(r"[−\d]+,\d", rows[2][2])
    )
    assert here - there == pytest.approx(2.0, abs=0.11)
    assert rows[2][3] == "anders"
    axis = re.findall(r'class="axis end">([^<]+)<', text)
    assert len(axis) == 2
    assert all(re.fullmatch(r"−?\d+,\d", one) for one in axis)  # numbers of a chart are Dutch, too
    right = (await page.get(f"/nl/class?{GUESS}&when=14&top=12.1&where=here")).text
    assert right.count("<td>precies</td>") == 2
    assert "85" not in re.sub(
        r'viewBox="[^"]+"|[MLHV][\d. ]+', "", right.split('id="reveal"')[1].split("<svg")[0]
    )


async def test_the_table_opens_in_a_dutch_spreadsheet(page: httpx.AsyncClient) -> None:
    answer = await page.get(f"/api/class.csv?{GUESS}&lang=nl")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff")), delimiter=";"))
    assert len(rows) == 25 <= 50
    assert rows[0] == ["Uur", "Stoep; met <punt>", "Gras"]
    assert rows[15][1:] == ["12,1", "10,1"]
    english = (await page.get(f"/api/class.csv?{GUESS}&lang=en")).text
    assert "12.1,10.1" in english


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25)])
async def test_days_on_which_the_clock_moves(day: str, hours: int) -> None:
    start = {
        "2025-03-30": datetime(2025, 3, 29, 23, tzinfo=UTC),
        "2025-10-26": datetime(2025, 10, 25, 22, tzinfo=UTC),
    }
    reader = two_gardens(round(start[day].timestamp() * 1000), hours)
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        answer = await client.get(
            f"/api/class.csv?site=stoep&with=gras&quantity=temperature&day={day}&lang=nl"
        )
        rows = list(csv.reader(io.StringIO(answer.text), delimiter=";"))
        assert len(rows) == 1 + hours
        assert len({row[0] for row in rows}) == 1 + hours  # two o'clock comes twice, told apart
        assert all(cell for row in rows for cell in row)
        assert (await client.get(f"/nl/class?site=stoep&day={day}&when=3&top=1")).status_code == 200


async def test_a_class_of_thirty_leaves_nothing_behind(tmp_path: Path) -> None:
    town = Town(tmp_path, two_gardens())

    def kept() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    before = kept()

    async def pupil(n: int) -> None:
        async with town.client() as client:
            for path in (f"/nl/class?{GUESS}", f"/nl/class?{GUESS}&when={n % 24}&top={n}&where=same"):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert "set-cookie" not in answer.headers
            assert (await client.get(f"/nl/class/worksheet?{GUESS}")).status_code == 200

    await asyncio.gather(*(pupil(n) for n in range(30)))
    assert kept() == before
    assert town.accounts.audit(10) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [("day=gisteren", "day"), ("day=2035-01-01", "day"), ("when=vroeg", "when"), ("top=nan", "top"),
     ("site=weg", "site"), ("with=weg", "with"), ("naam=Jan", "naam"), ("quantity=pm10", "quantity")],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_by_name(page: httpx.AsyncClient, wrong: str, field: str) -> None:
    answer = await page.get(f"/nl/class?{wrong}")
    assert answer.status_code == 400
    assert f"{field}:" in answer.text


async def test_without_sites_and_without_values_it_says_so() -> None:
    async with visitor(create_app(MemoryReader(), dict, FixedClock())) as client:
        assert "Nog geen openbare meetpunten" in (await client.get("/nl/class")).text
        assert (await client.get("/api/class.csv")).status_code == 400
    async with visitor(create_app(two_gardens(), dict, FixedClock())) as client:
        text = (await client.get("/nl/class?site=stoep&day=2025-11-10&when=3&top=1")).text
        assert "In deze tijd is niets gemeten" in text


async def test_levels_are_compared_as_energy() -> None:
    reader = MemoryReader()
    for site, levels in (("a", (40.0, 80.0)), ("b", (70.0, 70.0))):
        reader.add_site(site, "noise")
        for hour, level in enumerate(levels):
            reader.add(site, "laeq", "dB(A)", level, MIDNIGHT_MS + hour * HOUR_MS)
    async with visitor(create_app(reader, dict, FixedClock(NOW_MS))) as client:
        text = (await client.get("/en/class?site=a&with=b&day=2025-11-22&when=1&top=80&where=here")).text
    assert "a (77.0 / 70.0)" in text  # 40 and 80 dB for equal times are 77.0, not 60

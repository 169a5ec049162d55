"""A simulated festival night: what neighbour, organiser and city see of it, the report, who may what."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pypdfium2
import pytest

from gateway.insight.events import Level
from gateway.web import svg
from gateway.web.languages import tongues
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, FixedClock, MemoryReader
from tests.gateway.web.people import Town
from tests.gateway.web.real_town import token_in

START_MS = NOW_MS + 3_600_000  # 23 November 2025, 20:00 in Brussels


@pytest.fixture
def town(tmp_path: Path) -> Town:
    reader = MemoryReader()
    reader.add_site("podium", "noise", "Podium")
    reader.add_site("gevel", "noise", "Gevel")
    reader.add("gevel", "laeq", "dB(A)", 50.0, NOW_MS)
    for minute in range(-30, 91):
        music = 60.0 if minute < 0 else 92.0 if minute < 40 else 97.0
        at_ms = START_MS + (minute + 1) * MINUTE_MS
        broken = minute == 20
        reader.add(
            "podium", "laeq", "dB(A)", 812.0 if broken else music, at_ms, flags=("range",) if broken else ()
        )
    return Town(tmp_path, reader, FixedClock(START_MS + 36 * MINUTE_MS))


@pytest.fixture
async def staff(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    async with town.client("staff") as client:
        yield client


async def make(client: httpx.AsyncClient, **other: str) -> tuple[int, str, str]:
    """Make an event; return the status, its id and the organiser's key."""
    fields = {
        "form_token": await token_in(client), "name": "Feest op de Kaai", "from": "2025-11-23T20:00",
        "to": "2025-11-23T23:30", "regime": "vlarem2", "site": "podium", "open": "yes", **other,
    }  # fmt: skip
    answer = await client.post("/nl/events", data=fields)
    found = re.search(r"http://gateway/nl/events/([0-9a-f]+)\?key=([\w-]+)", answer.text)
    return answer.status_code, *(found.groups() if found else ("", answer.text))  # type: ignore[return-value]


async def test_the_colour_turns_within_a_minute_after_the_mean_passes(
    town: Town, staff: httpx.AsyncClient
) -> None:
    status, event_id, _ = await make(staff)
    assert status == 200
    async with town.client() as neighbour:
        # By hand, with n of 15 minutes at 97 dB and the rest at 92: n = 1 gives 92.6, n = 2 93.1 (within
        # 2 dB of the limit), n = 7 95.03, which is told as 95.0 and is not above, n = 8 95.33.
        states: list[str] = []
        for minute in range(36, 56):
            town.clock.time_ms = START_MS + minute * MINUTE_MS + 5_000
            page = (await neighbour.get(f"/nl/part/event/{event_id}")).text
            states.append(re.search(r'data-site="podium" data-state="(\w+)"', page)[1])  # type: ignore[index]
        assert states == ["under"] * 6 + ["close"] * 6 + ["over"] * 8
        town.clock.time_ms = START_MS + 70 * MINUTE_MS
        page = (await neighbour.get(f"/nl/events/{event_id}")).text
        assert "boven de norm" in page
        assert "97,0" in page
        assert "812" not in page


async def test_each_sees_what_is_theirs(town: Town, staff: httpx.AsyncClient) -> None:
    _, event_id, key = await make(staff)
    address = f"/nl/events/{event_id}"
    async with town.client() as guest:
        neighbour = (await guest.get(address)).text
        organiser = await guest.get(f"{address}?key={key}")
        assert organiser.headers["cache-control"] == "no-store"
        level = re.search(r'class="figure">([\d,]+)', neighbour)
        assert level is not None
        assert f'class="figure">{level[1]}' in organiser.text
        assert f'class="figure">{level[1]}' in (await staff.get(address)).text
        for inner in (
            "De volgende vijf minuten",
            "Nieuwste waarden",
            "twijfelachtig en tellen niet mee",
            "report.pdf",
        ):
            assert inner not in neighbour
            assert inner in organiser.text
        assert "1 van 36 waarden" in organiser.text
        assert key not in neighbour
        for path in (f"{address}/report.pdf", f"/api/events/{event_id}/levels.csv"):
            assert (await guest.get(path)).status_code == 403
            assert (await guest.get(f"{path}?key=wrong")).status_code == 403
            assert (await guest.get(f"{path}?key={key}")).status_code == 200
    town.reader.registered.pop("podium")  # its host takes it back
    async with town.client() as guest:
        assert "Podium" not in (await guest.get(address)).text
        assert "Geen openbaar meetpunt" in (await guest.get(f"{address}?key={key}")).text


async def test_an_event_that_is_not_for_neighbours_is_not_there_for_them(
    town: Town, staff: httpx.AsyncClient
) -> None:
    _, event_id, key = await make(staff, open="")
    async with town.client() as guest:
        assert (await guest.get(f"/nl/events/{event_id}")).status_code == 404
        assert "Feest" not in (await guest.get("/nl/events")).text
        assert (await guest.get(f"/nl/events/{event_id}?key={key}")).status_code == 200
    assert "Feest" in (await staff.get("/nl/events")).text


async def test_the_report_lists_what_was_above(town: Town, staff: httpx.AsyncClient) -> None:
    _, event_id, _ = await make(staff)
    town.clock.time_ms = START_MS + 91 * MINUTE_MS
    for language, words in (("nl", "Feest op de Kaai"), ("fr", "Dépassement"), ("en", "Above by")):
        answer = await staff.get(f"/{language}/events/{event_id}/report.pdf")
        assert answer.headers["content-type"] == "application/pdf"
        document = pypdfium2.PdfDocument(answer.content)
        text = "".join(page.get_textpage().get_text_range() for page in document)
        assert words in text
    assert "97.0" in text
    assert "VLAREM" in text
    page = (await staff.get(f"/nl/events/{event_id}")).text
    # The means of 20:48 to 21:31 lie above, each that of a minute more: 44 minutes.
    assert re.search(r"20:48</th><td>21:31</td><td class=\"n\">44<", page)
    rows = list(csv.DictReader(io.StringIO((await staff.get(f"/api/events/{event_id}/levels.csv")).text)))
    over = [row for row in rows if row["over"] == "1"]
    assert over[0]["until"] == "2025-11-23T19:48:00Z"
    assert len(rows) == 91 - 1  # every minute but the doubtful one
    assert {row["limit_db"] for row in rows} == {"95.0"}


async def test_own_limits_and_wrong_forms(town: Town, staff: httpx.AsyncClient) -> None:
    status, event_id, _ = await make(staff, regime="own", own_laeq="75,5", own_lafmax="", site="gevel")
    assert status == 200
    assert "75,5" in (await staff.get(f"/nl/events/{event_id}")).text
    for wrong, word in [
        ({"regime": "own"}, "own"), ({"regime": "own", "own_laeq": "veel"}, "own"),
        ({"regime": "x"}, "regime"),
        ({"site": "weg"}, "sites"), ({"site": ""}, "sites"), ({"to": "2025-11-22T20:00"}, "to"),
        ({"from": "morgen"}, "from"), ({"name": " "}, "name"), ({"to": "2026-11-22T20:00"}, "to"),
    ]:  # fmt: skip
        status, _, text = await make(staff, **wrong)
        assert status == 400, wrong
        assert f"{word}:" in text, wrong


async def test_ending_and_removing_is_written_down(town: Town, staff: httpx.AsyncClient) -> None:
    _, event_id, _ = await make(staff)
    token = await token_in(staff)
    await staff.post(f"/nl/events/{event_id}/end", data={"form_token": token})
    town.clock.time_ms += MINUTE_MS
    assert "Het evenement is voorbij" in (await staff.get(f"/nl/events/{event_id}")).text
    await staff.post(f"/nl/events/{event_id}/remove", data={"form_token": token})
    assert (await staff.get(f"/nl/events/{event_id}")).status_code == 404
    actions = [entry.action for entry in town.accounts.audit(10)]
    assert actions[:3] == ["event removed", "event ended", "event made"]


@pytest.mark.parametrize("step_min", [1, 10])
def test_levels_are_joined_whatever_the_nodes_interval_and_holes_stay(step_min: int) -> None:
    tongue = tongues("Europe/Brussels")["nl"]
    minutes = [m for m in range(0, 300, step_min) if not 120 <= m < 200]
    found = [Level(START_MS + m * MINUTE_MS, 90.0, 95.0) for m in minutes]
    drawn = str(svg.levels(found, START_MS, START_MS + 300 * MINUTE_MS, tongue, "x"))
    line = re.search(r'<path d="([^"]+)" class="spark"', drawn)
    assert line is not None
    assert line[1].count("M") == 2

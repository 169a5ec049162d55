"""Notes on a time of a site: who writes and sees them, on the chart, in the files, gone with the site."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway import exports
from gateway.privacy import holding
from gateway.registry.notes import NoteBook
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import AIR, GARDEN, RealTown, token_in

AN = "an@example.org"
HOUR_MS = 3_600_000


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    made = RealTown(tmp_path, days=0.3)
    made.host(AN, GARDEN)
    yield made
    made.close()


def local(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo("Europe/Brussels")).strftime("%Y-%m-%dT%H:%M")


async def write(client: Any, site: str, **fields: str) -> Any:
    """Write a note on the hour before the last one."""
    token = await token_in(client)
    times = {"from": local(NOW_MS - 2 * HOUR_MS), "to": local(NOW_MS - HOUR_MS)}
    return await client.post(f"/nl/site/{site}/notes", data={"form_token": token, **times, **fields})


def drawn(page: str) -> list[dict[str, Any]]:
    found = re.search(r'data-notes="([^"]*)"', page)
    assert found is not None
    return json.loads(html.unescape(found[1]))


async def test_a_note_is_for_hosts_and_staff_and_for_all_where_its_writer_chose_so(
    town: RealTown,
) -> None:
    async with town.client(AN) as an, town.staff("staff") as staff, town.client() as guest:
        assert (await write(an, GARDEN, text="buurman  stookt", public="yes")).status_code == 303
        assert (await write(an, GARDEN, text="sleutel ligt bij An")).status_code == 303
        assert (await write(staff, GARDEN, text="klacht 123")).status_code == 303
        path = f"/nl/site/{GARDEN}"
        public, own = (await guest.get(path)).text, (await an.get(path)).text
        assert [one["text"] for one in drawn(public)] == ["buurman stookt"]
        (one,) = drawn(public)
        minute = NOW_MS // 60_000 * 60
        assert (one["from"], one["to"]) == (minute - 7200, minute - 3600)
        assert "sleutel" not in public and "Schrijf een notitie" not in public
        assert len(drawn(own)) == len(drawn((await staff.get(path)).text)) == 3
        assert "sleutel ligt bij An" in (await an.get(f"/nl/mine/{GARDEN}")).text
        # Only public ones are in the open files.
        told = (await guest.get("/api/notes.json")).json()["notes"]
        assert [one["note"] for one in told] == ["buurman stookt"]
        text = (await an.get(f"/api/notes.csv?site={GARDEN}")).text
        assert [row["note"] for row in csv.DictReader(io.StringIO(text, newline=""))] == ["buurman stookt"]


async def test_a_file_of_values_has_the_notes_of_its_moments_when_asked_for(town: RealTown) -> None:
    async with town.client(AN) as an, town.client() as guest:
        await write(an, GARDEN, text="=1+1", public="yes")
        await write(an, GARDEN, text="geheim")
        plain = (await guest.get(f"/api/observations.csv?site={GARDEN}")).text
        assert plain.splitlines()[0] == ",".join(exports.CSV_COLUMNS)
        text = (await guest.get(f"/api/observations.csv?site={GARDEN}&notes=yes")).text
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        marked = {row["observed_at"] for row in rows if row["note"]}
        assert {row["note"] for row in rows} == {"", "'=1+1"}  # and is no formula in a spreadsheet
        first, last = (exports.iso_utc(NOW_MS // 60_000 * 60_000 - n * HOUR_MS) for n in (2, 1))
        assert marked == {row["observed_at"] for row in rows if first <= row["observed_at"] <= last} != set()
        mine = (await an.get(f"/api/mine/{GARDEN}/observations.csv")).text
        assert "geheim" in mine
        link = re.search(
            rf'/api/observations\.csv\?site={GARDEN}[^"]*notes=yes',
            (await guest.get(f"/nl/site/{GARDEN}")).text,
        )
        assert link is not None


async def test_who_may_not_is_refused_and_what_is_wrong_is_said(town: RealTown) -> None:
    town.host("bo@example.org", AIR)
    async with town.client(AN) as an, town.client("bo@example.org") as bo, town.staff("staff") as staff:
        assert (await write(bo, GARDEN, text="x")).status_code == 403
        await write(an, GARDEN, text="van An", public="yes")
        (note,) = town.notes.of([GARDEN])
        for client, site, status in ((bo, GARDEN, 403), (staff, GARDEN, 403), (an, AIR, 404)):
            fields = {"form_token": await token_in(client), "id": str(note.id)}
            answer = await client.post(f"/nl/site/{site}/notes/remove", data=fields)
            assert answer.status_code == status
        for fields, words in (
            ({"text": ""}, "Wat er aan de hand was: schrijf 1 tot 200 letters"),
            ({"text": "x" * 201}, "Wat er aan de hand was: schrijf 1 tot 200 letters"),
            ({"text": "x", "from": "soon"}, "from: “soon” is geen dag en uur"),
            ({"text": "x", "to": local(NOW_MS - 9 * HOUR_MS)}, "to: mag niet voor"),
            ({"text": "x", "from": local(NOW_MS + 99 * HOUR_MS), "to": ""}, "to: mag niet voor"),
        ):
            answer = await write(an, GARDEN, **fields)
            assert answer.status_code == 400
            assert words in html.unescape(answer.text)
        fields = {"form_token": await token_in(an), "id": str(note.id), "back": "https://evil.example/"}
        answer = await an.post(f"/nl/site/{GARDEN}/notes/remove", data=fields)
        assert answer.headers["location"] == f"/nl/site/{GARDEN}"
        assert town.notes.of([GARDEN]) == []


async def test_a_withdrawn_site_shows_no_notes_and_an_erased_one_keeps_none(
    town: RealTown, tmp_path: Path
) -> None:
    async with town.client(AN) as an, town.client() as guest:
        await write(an, GARDEN, text="kampvuur-xyz", public="yes")
        token = await token_in(an)
        await an.post(f"/nl/mine/{GARDEN}/pause", data={"form_token": token})
        assert (await guest.get("/api/notes.json")).json() == {"notes": []}
        name = town.registry.site(GARDEN).name  # type: ignore[union-attr]
        answer = await an.post(f"/nl/mine/{GARDEN}/delete", data={"form_token": token, "name": name})
        assert answer.status_code == 200
    assert town.notes.of([GARDEN], public_only=False) == []
    assert [path.name for path in holding(tmp_path, [b"kampvuur-xyz"])] == []


def test_the_same_note_twice_is_one_and_another_process_is_seen(tmp_path: Path) -> None:
    one, other = NoteBook(tmp_path), NoteBook(tmp_path)
    before = other.version()
    first = one.add("a", 1, 2, "x  y", True, 1, 9)
    assert one.add("a", 1, 2, "x y", True, 1, 10) == first
    assert other.version() != before
    assert [note.text for note in other.of(["a"])] == ["x y"]
    assert other.of(["a"], 3, 9) == other.of(["b"]) == []
    one.close()
    other.close()

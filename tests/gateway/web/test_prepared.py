"""Answers that are kept for a moment: who withdrew is gone, many wait for one, nobody sees another's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from gateway.web import create_app, now
from gateway.web.languages import tongues
from gateway.web.prepared import Prepared
from gateway.web.turns import Turns
from tests.gateway.memory_reader import FixedClock, MemoryReader, street
from tests.gateway.web.conftest import visitor
from tests.gateway.web.people import Town


class Kept:
    """A page whose street counts how often it is read. `register`, `position`: what answers depend on."""

    def __init__(self, town: Town | None = None) -> None:
        self.reader = street()
        self.reads = 0
        self.register, self.position = 1, 1
        latest = self.reader.latest

        def counted() -> object:
            self.reads += 1
            return latest()

        self.reader.latest = counted  # type: ignore[method-assign,assignment]
        house = town.house if town else None
        self.app = create_app(
            self.reader, dict, FixedClock(), house=house, version=lambda: (self.register, self.position)
        )

    def forget(self, site_id: str) -> None:
        del self.reader.registered[site_id]
        self.reader.rows = [row for row in self.reader.rows if row.site_id != site_id]
        self.register += 1


def a_request(path: str) -> Request:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "state": {}}
    return Request({**scope, "server": ("x", 80), "scheme": "http"})


@pytest.fixture
def time_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until a test moves it."""
    at = [1000.0]
    monkeypatch.setattr(now.time, "monotonic", lambda: at[0])
    return at


ADDRESSES = ["/nl/", "/nl/part/sites", "/fr/?layer=pm2_5", "/nl/quality", "/nl/data"]


@pytest.mark.parametrize("path", ADDRESSES)
async def test_who_withdrew_is_in_no_answer_made_after_that(path: str, time_s: list[float]) -> None:
    kept = Kept()
    async with visitor(kept.app) as client:
        assert "Schoolpoort" in (await client.get(path)).text
        kept.forget("lucht-1")
        assert "Schoolpoort" not in (await client.get(path)).text
    files = ["/api/sites.geojson", "/api/latest.json", "/api/latest.geojson", "/api/quality.json"]
    kept = Kept()
    async with visitor(kept.app) as client:
        for address in files:
            assert "lucht-1" in (await client.get(address)).text
        kept.forget("lucht-1")
        for address in files:
            assert "lucht-1" not in (await client.get(address)).text
        assert (await client.get("/nl/site/lucht-1")).status_code == 404


async def test_a_new_value_is_shown_two_seconds_later_and_ages_go_on_after_five(time_s: list[float]) -> None:
    kept = Kept()
    async with visitor(kept.app) as client:
        first = await client.get("/nl/")
        reads = kept.reads
        kept.reader.add("lucht-1", "pm2_5", "ug/m3", 77.7)
        time_s[0] += 1.9
        kept.position += 1
        assert (await client.get("/nl/")).text == first.text
        assert kept.reads == reads
        time_s[0] += 0.2
        assert "77,7" in (await client.get("/nl/")).text
        assert kept.reads == reads + 1
        time_s[0] += 4.9
        await client.get("/nl/")
        assert kept.reads == reads + 1
        time_s[0] += 0.2
        await client.get("/nl/")
        assert kept.reads == reads + 2


async def test_many_at_once_wait_for_one_making(time_s: list[float]) -> None:
    kept = Kept()
    async with visitor(kept.app) as client:
        answers = await asyncio.gather(*(client.get("/nl/") for _ in range(40)))
    assert kept.reads == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


async def test_who_came_first_is_answered_first() -> None:
    """200 who share a processor evenly all wait for the last: each is begun once the one before is done."""
    seen: list[tuple[str, str]] = []

    async def handler(request: Request) -> Response:
        seen.append(("begun", request.url.path))
        for _ in range(3):  # reading, putting into words, packing
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        seen.append(("done", request.url.path))
        return Response(request.url.path)

    answer = Prepared(lambda: (1, 1), None).wrap(handler)
    paths = [f"/nl/site/{n}" for n in range(8)]
    answers = await asyncio.gather(*(answer(a_request(path)) for path in paths))
    assert [bytes(found.body).decode() for found in answers] == paths
    assert seen == [(what, path) for path in paths for what in ("begun", "done")]


async def test_who_takes_long_keeps_nobody_waiting() -> None:
    turns, end, order = Turns(long_s=0.01), asyncio.Event(), list[str]()

    async def long() -> None:
        async with turns.turn():
            await end.wait()
            order.append("long")

    async def short(name: str) -> None:
        async with turns.turn():
            order.append(name)

    waiting = asyncio.create_task(long())
    await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(short("a"), short("b")), 5)
    end.set()
    await waiting
    assert order == ["a", "b", "long"]
    async with turns.turn():  # what ended twice was given back once
        late = asyncio.create_task(short("c"))
        await asyncio.sleep(0)
        assert "c" not in order
        await asyncio.wait_for(late, 5)


async def test_new_values_count_from_when_an_answer_was_begun(time_s: list[float]) -> None:
    """Who waited for a turn does not get, and keep, an answer that counts as older than it is."""
    made, position, first = 0, 1, asyncio.Event()

    async def handler(request: Request) -> Response:
        nonlocal made, position
        if request.url.path == "/first":
            await first.wait()
            time_s[0] += 4.0
            position = 2  # values came in while the other waited
        else:
            made += 1
        return Response(request.url.path)

    answer = Prepared(lambda: (1, position), None).wrap(handler)
    both = asyncio.gather(answer(a_request("/first")), answer(a_request("/second")))
    await asyncio.sleep(0)
    first.set()
    await both
    time_s[0] += 3.0
    await answer(a_request("/second"))
    assert made == 1


async def test_who_has_it_already_gets_no_bytes(time_s: list[float]) -> None:
    kept = Kept()
    async with visitor(kept.app) as client:
        first = await client.get("/api/latest.json")
        again = await client.get("/api/latest.json", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        plain = await client.get("/api/latest.json", headers={"accept-encoding": "identity"})
        assert plain.content == first.content
        assert "content-encoding" not in plain.headers
        assert first.headers["content-encoding"] == "gzip"
        assert first.headers["access-control-allow-origin"] == "*"
        assert "Accept-Encoding" in first.headers["vary"]


async def test_languages_and_questions_are_kept_apart(time_s: list[float]) -> None:
    kept = Kept()
    async with visitor(kept.app) as client:
        texts = [
            (await client.get(path)).text for path in ("/nl/", "/fr/", "/nl/?site=tuin-1", "/nl/?back=3")
        ]
        assert len(set(texts)) == 4
        assert 'class="chosen"' in texts[2]
        assert texts == [
            (await client.get(path)).text for path in ("/nl/", "/fr/", "/nl/?site=tuin-1", "/nl/?back=3")
        ]
        assert (await client.get("/nl/?site=weg")).status_code == 400
        assert (await client.get("/nl/?site=weg")).status_code == 400


async def test_nothing_of_a_person_is_kept_for_others(tmp_path: Path, time_s: list[float]) -> None:
    town = Town(tmp_path)
    kept = Kept(town)
    async with visitor(kept.app) as guest, town.client("host") as known:
        known._transport = httpx.ASGITransport(kept.app)  # type: ignore[arg-type]
        mine = await known.get("/nl/")
        assert "host@example.org" in mine.text
        assert mine.headers["cache-control"] == "no-store"
        theirs = await guest.get("/nl/")
        assert "host@example.org" not in theirs.text
        assert "host@example.org" in (await known.get("/nl/")).text


async def test_a_store_that_breaks_while_it_is_read_is_asked_again(time_s: list[float]) -> None:
    kept = Kept()
    good, kept.reader.latest = kept.reader.latest, lambda: 1 / 0  # type: ignore[method-assign,assignment]
    async with visitor(kept.app) as client:
        answers = await asyncio.gather(*(client.get("/nl/") for _ in range(3)))
        assert {answer.status_code for answer in answers} == {500}
        kept.reader.latest = good  # type: ignore[method-assign]
        assert (await client.get("/nl/")).status_code == 200


async def test_without_a_version_everything_is_made_anew(
    client: httpx.AsyncClient, reader: MemoryReader
) -> None:
    await client.get("/nl/")
    reader.add("lucht-1", "pm2_5", "ug/m3", 77.7)
    assert "77,7" in (await client.get("/nl/")).text


@given(st.floats(-1e9, 1e9), st.integers(0, 3), st.sampled_from(("nl", "fr", "en")))
def test_numbers_are_written_as_babel_writes_them(value: float, decimals: int, language: str) -> None:
    tongue = tongues("Europe/Brussels")[language]
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    wanted = format_decimal(value, format=pattern, locale=tongue.locale)
    assert tongue.number(value, decimals) == wanted.replace("-", "\N{MINUS SIGN}")

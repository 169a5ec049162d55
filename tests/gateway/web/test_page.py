"""The page as a reader without JavaScript gets it."""

from __future__ import annotations

import asyncio
import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.web import WebSettings, create_app
from gateway.web.static_files import StaticFiles
from simulator.loop import LoopClock, VirtualLoop, run
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader, street
from tests.gateway.web.conftest import visitor

APP = create_app(street(), dict, FixedClock())
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Rows of tables as texts, links, and whether tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[dict[str, str | None]] = []
        self.text: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a":
            self.links.append(values)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if values.get("id"):
            self.ids.append(str(values["id"]))
        self.sources += [str(values[key]) for key in ("src", "href") if values.get(key) and tag != "a"]
        self.inline += [name for name in values if name == "style" or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.rows and self.rows[-1] and {"td", "th"} & set(self._open):
            self.rows[-1][-1] = " ".join((self.rows[-1][-1] + " " + data).split())
        if self._open and self._open[-1] in ("script", "style") and data.strip():
            self.inline.append(data)


async def page(client: httpx.AsyncClient, path: str) -> Page:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


async def test_the_table_is_a_twin_of_the_map_with_unit_age_and_quality(client: httpx.AsyncClient) -> None:
    rows = {row[0].split(" ")[0]: row for row in (await page(client, "/nl/")).rows if len(row) == 3}
    assert rows["Schoolpoort"] == [
        "Schoolpoort Lucht",
        "Fijnstof PM2,5 8,0 µg/m³",
        "recent , 30 seconden geleden",
    ]
    assert rows["Plein"][1] == "Geluidsniveau LAeq 48,5 dB(A)"
    assert rows["Hoek"][2] == "verouderd , 3 uur geleden"
    assert rows["Bakkerij"][1:] == [
        "Fijnstof PM2,5 1.234,5 µg/m³",
        "twijfelachtig , zojuist buiten wat waar kan zijn",
    ]
    assert rows["Tuin"][1:] == ["Temperatuur –", "geen waarde , zojuist de sensor antwoordt niet"]
    assert rows["Nieuwe"][2] == "nog niets ontvangen"


async def test_sites_stand_by_kind_and_house_number() -> None:
    reader = MemoryReader()
    for name in ("Kaai 12", "kaai 5", "Kaai 100", "Kaai"):
        reader.add_site(name, "air")
    reader.add_site("0 tuin", "garden")
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        names = [row[0] for row in (await page(client, "/nl/part/sites")).rows[1:]]
    assert names == ["Kaai Lucht", "kaai 5 Lucht", "Kaai 12 Lucht", "Kaai 100 Lucht", "0 tuin Tuin"]


async def test_numbers_follow_the_language(client: httpx.AsyncClient) -> None:
    for path, number in (("/nl/", "1.234,5"), ("/fr/", "1\u202f234,5"), ("/en/", "1,234.5")):
        assert number in (await client.get(path)).text


async def test_a_value_of_zero_is_shown_and_minus_is_a_minus(client: httpx.AsyncClient) -> None:
    rows = {row[0]: row[1] for row in (await page(client, "/nl/?site=lucht-1")).rows if row}
    assert rows["Relatieve luchtvochtigheid"] == "0 %"
    assert rows["Temperatuur"] == "\N{MINUS SIGN}1,2 °C"


async def test_a_corrected_value_shows_what_was_measured(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/nl/?site=lucht-1")).text
    assert "gemeten 11,0 µg/m³, gecorrigeerd met koehler, versie 1" in answer


async def test_the_day_is_there_as_a_table_of_hours(client: httpx.AsyncClient) -> None:
    hours = [row for row in (await page(client, "/nl/?site=geluid-1&quantity=laeq")).rows if len(row) == 5][
        1:
    ]
    assert len(hours) == 24
    assert hours[0][0] == "23 nov 18:00"  # 17:00 UTC, in Brussels
    assert sum(int(row[3]) for row in hours) == 288
    assert sum(int(row[4]) for row in hours) == 3
    assert all(float(row[1].replace(",", ".")) >= 48.5 for row in hours)


async def test_doubtful_values_stay_out_of_lowest_and_highest(reader: MemoryReader) -> None:
    reader.add_site("x", "noise")
    reader.add("x", "laeq", "dB(A)", 50.0, NOW_MS - 60_000)
    reader.add("x", "laeq", "dB(A)", 800.0, NOW_MS - 30_000, flags=("range",))
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        (hour,) = [row for row in (await page(client, "/nl/?site=x")).rows if len(row) == 5][1:]
    assert hour[1:] == ["50,0", "50,0", "2", "1"]


@pytest.mark.parametrize(("day", "twice"), [("2025-10-26T04:00:00Z", True), ("2025-03-30T06:00:00Z", False)])
async def test_days_of_25_and_23_hours_name_each_hour_once(day: str, twice: bool) -> None:
    from datetime import datetime

    now = round(datetime.fromisoformat(day).timestamp() * 1000)
    reader = MemoryReader()
    reader.add_site("x", "air")
    for i in range(6):
        reader.add("x", "pm10", "ug/m3", 1.0, now - i * 3_600_000)
    async with visitor(create_app(reader, dict, FixedClock(now))) as client:
        hours = [row[0] for row in (await page(client, "/nl/?site=x")).rows if len(row) == 5][1:]
    assert len(hours) == len(set(hours)) == 6
    assert sum("02:00" in hour for hour in hours) == (2 if twice else 0)


async def test_names_of_hosts_are_text_never_markup(client: httpx.AsyncClient) -> None:
    html = (await client.get("/nl/")).text
    assert "<b>Bol" not in html
    assert "Bakkerij &lt;b&gt;Bol&lt;/b&gt;" in html


async def test_language_comes_from_path_then_query_then_browser_then_dutch(client: httpx.AsyncClient) -> None:
    async def arrives(path: str, accept: str = "") -> str:
        answer = await client.get(path, headers={"accept-language": accept})
        assert answer.status_code == 307
        return answer.headers["location"]

    assert await arrives("/") == "/nl/"
    assert await arrives("/", "de-DE,fr;q=0.5,en;q=0.4") == "/fr/"
    assert await arrives("/", "en-GB;q=0.1, nl;q=0") == "/en/"
    assert await arrives("/", "nl;q=x, ;;,*") == "/nl/"
    assert await arrives("/?lang=en&site=bak-1", "fr") == "/en/?site=bak-1"
    assert await arrives("/fr") == "/fr/"
    assert await arrives("/nl/?lang=fr&site=bak-1") == "/fr/?site=bak-1"
    answer = await client.get("/fr/", headers={"accept-language": "nl"})
    assert answer.headers["content-language"] == "fr"
    assert '<html lang="fr">' in answer.text


async def test_the_switch_keeps_the_site_and_says_its_language(client: httpx.AsyncClient) -> None:
    links = {
        link.get("hreflang"): link for link in (await page(client, "/nl/?site=bak-1&quantity=distance")).links
    }
    assert links["fr"]["href"] == "/fr/?site=bak-1&quantity=distance"
    assert links["fr"]["lang"] == "fr"
    assert links["nl"]["aria-current"] == "true"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nl/?site=weg", "site: “weg” is hier niet bekend. De namen staan op /api/sites.geojson."),
        ("/fr/?site=weg", "site\xa0: «\xa0weg\xa0» est inconnu ici."),
        ("/en/?site=bak-1&quantity=x", "quantity: “x” is not known here."),
        ("/nl/?stie=bak-1", "stie: dit adres kent dat veld niet."),
        ("/nl/?site=<script>", "&lt;script&gt;"),
    ],
)
async def test_a_wrong_value_is_named_in_the_language_of_the_page(
    client: httpx.AsyncClient, path: str, sentence: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 400
    assert sentence in answer.text
    assert "<script>" not in answer.text.replace("<script ", "")


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from(
        ["/nl/", "/fr/part/site", "/en/part/sites", "/", "/api/series.json", "/api/observations.csv"]
    ),
    query=st.dictionaries(
        st.sampled_from(["site", "quantity", "lang", "from", "to", "points", "decimal"])
        | st.text(max_size=5),
        st.sampled_from(["lucht-1", "pm2_5", "nl", "2025-11-23"]) | st.text(max_size=20),
        max_size=4,
    ),
)
def test_any_address_is_answered_or_refused(place: str, query: dict[str, str]) -> None:
    async def ask() -> httpx.Response:
        async with visitor(APP) as client:
            return await client.get(place, params=query)

    answer = asyncio.run(ask())
    assert answer.status_code in (200, 307, 400)
    assert answer.headers["content-security-policy"]


async def test_unknown_pages_and_methods_answer_with_a_way_on(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nl/weg")
    assert (answer.status_code, "Begin bij de kaart" in answer.text) == (404, True)
    answer = await client.post("/fr/")
    assert (answer.status_code, "lecture seule" in answer.text) == (405, True)


async def test_a_store_that_fails_is_a_page_that_says_so(
    reader: MemoryReader, caplog: pytest.LogCaptureFixture
) -> None:
    def latest() -> list[object]:
        raise OSError("disk")

    reader.latest = latest  # type: ignore[method-assign,assignment]
    with caplog.at_level(logging.CRITICAL):
        async with visitor(create_app(reader, dict, FixedClock())) as client:
            answer = await client.get("/nl/")
    assert answer.status_code == 500
    assert "Probeer het over een minuut opnieuw" in answer.text
    assert "disk" not in answer.text


async def test_an_empty_network_has_a_page(client: httpx.AsyncClient) -> None:
    async with visitor(create_app(MemoryReader(), dict, FixedClock())) as empty:
        assert "Nog geen openbare meetpunten" in (await empty.get("/nl/")).text
        assert (await empty.get("/nl/part/site")).status_code == 200


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nl/")
    found = Page(answer.text)
    assert found.inline == []
    assert all(source.startswith(("/", "#")) for source in found.sources)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert len(found.ids) == len(set(found.ids))


async def test_tiles_open_the_policy_for_one_host_only(reader: MemoryReader) -> None:
    with_tiles = WebSettings(
        tiles_url="https://tegels.example:8443/{z}/{x}/{y}.png", tiles_attribution="© wij"
    )
    async with visitor(create_app(reader, dict, FixedClock(), with_tiles)) as client:
        answer = await client.get("/nl/")
    assert "img-src 'self' data: https://tegels.example:8443;" in answer.headers["content-security-policy"]
    assert 'data-tiles="https://tegels.example:8443/{z}/{x}/{y}.png"' in answer.text


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("web.tiles_url", {"tiles_url": "tegels"}),
        (
            "web.tiles_url",
            {"tiles_url": "https://{s}.tile.example/{z}/{x}/{y}.png", "tiles_attribution": "x"},
        ),
        ("web.tiles_attribution", {"tiles_url": "https://tile.example/{z}/{x}/{y}.png"}),
        ("web.refresh_s", {"refresh_s": 0}),
        ("web.stale_after_s.air", {"stale_after_s": {"air": 0}}),
    ],
)
def test_a_wrong_setting_is_refused_by_name(key: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        WebSettings(**settings)  # type: ignore[arg-type]
    assert caught.value.key == key


async def test_the_parts_equal_what_the_whole_page_holds(client: httpx.AsyncClient) -> None:
    whole = (await client.get("/nl/?site=bak-1")).text
    assert (await client.get("/nl/part/sites?site=bak-1")).text.strip() in whole
    assert (await client.get("/nl/part/site?site=bak-1")).text.strip() in whole


async def test_a_part_of_a_withdrawn_site_is_the_part_of_none(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nl/part/site?site=weg")
    assert (answer.status_code, "Kies een meetpunt" in answer.text) == (200, True)
    assert (await client.get("/nl/part/sites?site=weg")).status_code == 200


def test_ages_follow_the_clock_of_a_simulated_world() -> None:
    """Pages and streams on a loop whose time jumps: nothing waits, nothing is a thread's own business."""

    async def look() -> tuple[str, str, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with visitor(create_app(street(), dict, LoopClock(loop))) as client:
            before = (await client.get("/nl/part/sites")).text
            lines = (await client.get("/api/observations.csv")).text
            took_s = loop.time()
            await asyncio.sleep(3600)
            after = (await client.get("/nl/part/sites")).text
        assert lines.count("\r\n") > 800
        return before, after, took_s

    before, after, took_s = run(look(), start_us=NOW_MS * 1000)
    assert "30 seconden geleden" in before
    assert "1 uur geleden" in after
    assert after.count('data-grade="stale"') == 3
    assert took_s == 0.0


async def test_static_files_are_kept_for_ever_under_their_hash(client: httpx.AsyncClient) -> None:
    address = re.search(r"/static/meetnet\.css\?v=\w+", (await client.get("/nl/")).text)
    assert address
    answer = await client.get(address[0])
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert (
        await client.get(address[0], headers={"if-none-match": answer.headers["etag"]})
    ).status_code == 304
    assert (await client.get("/static/meetnet.css")).headers["cache-control"] == "no-cache"
    assert (await client.get("/static/../app.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/app.py")).status_code == 404


def test_without_the_libraries_the_page_still_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "meetnet.css").write_text("p{}")
    files = StaticFiles(tmp_path)
    assert files.url("vendor/htmx.js") == ""
    assert "python -m tools.assets" in caplog.text


async def test_documents_are_served_at_their_path(reader: MemoryReader) -> None:
    settings = WebSettings(documents={"/contexts/A.jsonld": ("application/ld+json", b"{}")})
    async with visitor(create_app(reader, dict, FixedClock(), settings)) as client:
        answer = await client.get("/contexts/A.jsonld")
    assert (answer.content, answer.headers["content-type"]) == (b"{}", "application/ld+json")


def test_an_unknown_time_zone_is_refused_by_name() -> None:
    for zone in ("Europa/Brussel", "", "../etc/passwd"):
        with pytest.raises(ConfigError, match=r"web\.time_zone"):
            create_app(MemoryReader(), dict, FixedClock(), WebSettings(time_zone=zone))

"""Data quality counted, the register complete, and an OpenAPI document whose examples run."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from gateway.calibrated import calibrated
from gateway.errors import ConfigError
from gateway.registry.model import Correction
from gateway.web import WebSettings, create_app
from gateway.web.openapi import PATHS
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader
from tests.gateway.web.conftest import visitor
from tests.gateway.web.real_town import AIR, NOISE, RealTown
from tests.gateway.web.test_page import Page

HOUR_MS = 3_600_000


async def test_capture_counts_hours_with_a_value_that_nobody_doubts() -> None:
    reader = MemoryReader()
    reader.add_site("x", "noise")
    for hour in range(1, 85):  # half of the week
        flags = ("range",) if hour <= 21 else ()
        reader.add("x", "laeq", "dB(A)", 50.0, NOW_MS - hour * HOUR_MS, flags=flags)
    async with visitor(create_app(reader, dict, FixedClock())) as client:
        (row,) = (await client.get("/api/quality.json")).json()
        assert (row["hours"], row["of_hours"], row["values"], row["flagged"]) == (63, 168, 84, 21)
        page = Page((await client.get("/nl/quality")).text)
    (shown,) = [one for one in page.rows if len(one) == 5][1:]
    assert shown[1].startswith("38 %")  # 63 of 168
    assert shown[2:4] == ["84", "25,0"]


async def test_what_corrections_rest_on_stands_there_and_never_the_word_certified(tmp_path: Path) -> None:
    town = RealTown(tmp_path)
    try:
        dev_eui, noise = town.device(AIR), town.device(NOISE)
        for quantity, percent in (("pm2_5", 34.0), ("pm10", 120.0)):
            town.registry.put_correction(
                Correction(
                    dev_eui, quantity, "linear", 1, {"slope": 0.5, "intercept": 1.0}, NOW_MS - 1000, None,
                    "co-location of 14 days", percent,
                )
            )  # fmt: skip
        found = {(one.site_id, one.quantity): one for one in calibrated(town.registry, NOW_MS)}
        assert found[AIR, "pm2_5"].objective == "indicative measurement"  # 2008/50/EC: 50 % for particles
        assert found[AIR, "pm10"].objective == "none"  # beyond 100 %
        assert calibrated(town.registry, NOW_MS - 2000) == []
        town.open(calibrated=lambda: calibrated(town.registry, NOW_MS))
        async with town.client() as guest:
            for language in ("nl", "fr", "en"):
                page = (await guest.get(f"/{language}/quality")).text
                assert dev_eui not in page
                assert noise not in page
                assert "co-location of 14 days" in page
                assert not re.search("certifi|gecertific", page, re.IGNORECASE)
            assert (
                "binnen de doelstelling voor indicatieve meting (50 %)"
                in (await guest.get("/nl/quality")).text
            )
            town.registry.withdraw(AIR, "public", NOW_MS)
            assert "co-location" not in (await guest.get("/nl/quality")).text
    finally:
        town.close()


async def test_the_register_says_all_of_every_public_sensor(client: httpx.AsyncClient) -> None:
    text = (await client.get("/nl/data")).text
    cards = re.findall(r'<article class="card".*?</article>', text, re.DOTALL)
    assert len(cards) == 6
    for card in cards:
        for field in (
            "Soort", "Van wie", "Waarom", "Rechtsgrond", "Meet", "Over mensen", "Plaats", "licentie",
            "Vragen en klachten",
        ):  # fmt: skip
            assert f"<dt>{field}</dt><dd>" in card
            assert f"<dt>{field}</dt><dd></dd>" not in card or field == "Meet"  # a site that never measured


async def test_the_register_says_who_and_where_to_complain(reader: MemoryReader) -> None:
    settings = WebSettings(
        owner="Stad Gent", legal_basis="taak van algemeen belang", contact="meet@gent.example"
    )
    async with visitor(create_app(reader, dict, FixedClock(), settings)) as client:
        text = (await client.get("/nl/data")).text
    assert "<dt>Van wie</dt><dd>Stad Gent</dd>" in text
    assert "<dt>Rechtsgrond</dt><dd>taak van algemeen belang</dd>" in text
    assert 'href="mailto:meet@gent.example?subject=Plein"' in text
    for wrong in ("javascript:alert(1)", "http://gent.example", "bel ons", "a@b c"):
        with pytest.raises(ConfigError, match=r"web\.contact"):
            WebSettings(contact=wrong)


async def test_the_description_names_every_open_address_and_its_examples_run(
    client: httpx.AsyncClient,
) -> None:
    found = (await client.get("/api/openapi.json")).json()
    assert found["openapi"].startswith("3.1")
    assert set(found["paths"]) == set(PATHS)
    known = {"site": "lucht-1", "quantity": "pm2_5", "from": "2025-11-23", "to": "2025-11-23T18:00:00Z"}
    for path, item in found["paths"].items():
        parameters = item["get"]["parameters"]
        query = {one["name"]: known.get(one["name"], one.get("example", "")) for one in parameters}
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, (path, answer.text)
        wanted = next(iter(item["get"]["responses"]["200"]["content"]))
        assert answer.headers["content-type"].startswith(wanted)
        for one in parameters:
            assert (await client.get(path, params={**query, one["name"] + "x": "1"})).status_code == 400

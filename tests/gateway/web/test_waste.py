"""The list of bins for those who empty them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateway.model import Decoded, Observation, Readings, judged
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import RealTown, token_in


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    found = RealTown(tmp_path, days=6)
    yield found
    found.close()


def nearly_full(town: RealTown, site_id: str) -> None:
    dev_eui = town.device(site_id)
    for i in range(30):  # against what the street says of the same hour
        seq, at_ms = NOW_MS + i, NOW_MS
        fields = ("ok", (), "none", 0, at_ms, at_ms + 1000, "network")
        observation = Observation(site_id, dev_eui, seq, "filling_level", "%", 93.0, 93.0, *fields)
        decoded = Decoded(dev_eui, seq, at_ms, "network", at_ms + 1000, Readings.of(()))
        town.store.put_imported([(decoded, site_id, judged([observation]))])


async def test_bins_stand_soonest_full_first_with_a_route_in_every_form(town: RealTown) -> None:
    for site_id in ("proefstraat-03-bin", "proefstraat-11-bin"):
        nearly_full(town, site_id)
    async with town.staff("staff") as staff:
        page = (await staff.get("/nl/waste")).text
        assert page.count("<tr data-site=") + page.count('<tr class="chosen" data-site=') == 3
        bins = (await staff.get("/api/waste/bins.json")).json()
        hours = [one["hours_to_full"] for one in bins if one["hours_to_full"] is not None]
        assert hours == sorted(hours)
        due = [one["site_id"] for one in bins if one["due"]]
        assert {"proefstraat-03-bin", "proefstraat-11-bin"} <= set(due)
        found = (await staff.get("/api/waste/route.geojson")).json()
        stops = [f["properties"]["site_id"] for f in found["features"] if f["geometry"]["type"] == "Point"]
        assert sorted(stops) == sorted(due)
        text = (await staff.get("/api/waste/route.csv?decimal=comma")).text.lstrip("\ufeff")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))
        assert [row["site_id"] for row in rows] == stops
        assert "," in rows[0]["latitude"]
        gpx = ElementTree.fromstring((await staff.get("/api/waste/route.gpx")).text)
        assert len(list(gpx.iter("{http://www.topografix.com/GPX/1/1}rtept"))) == len(stops)
        first = town.registry.site(stops[0])
        assert first is not None
        assert found["features"][0]["geometry"]["coordinates"] == [first.longitude, first.latitude]


async def test_a_driver_reports_by_page_and_by_program(town: RealTown) -> None:
    async with town.staff("staff") as staff:
        fields = {"site": "proefstraat-03-bin", "what": "blocked", "form_token": await token_in(staff)}
        assert (await staff.post("/nl/waste/report", data=fields)).status_code == 303
        assert "Niet bereikbaar" in (await staff.get("/nl/waste")).text.split("Wat chauffeurs meldden")[1]
        for bad in ({"site": "proefstraat-01-air"}, {"what": "stolen"}):
            assert (await staff.post("/nl/waste/report", data={**fields, **bad})).status_code == 400
    person = town.accounts.find("staff@example.org")
    assert person is not None
    secret, _ = town.accounts.make_token(person.id, "route", ["waste"], NOW_MS)
    async with town.client() as program:
        headers = {"authorization": f"Bearer {secret}"}
        fields = {"site": "proefstraat-08-bin", "what": "emptied"}
        answer = await program.post("/api/waste/reports", data=fields, headers=headers)
        assert answer.status_code == 201
        assert (await program.get("/api/waste/bins.json", headers=headers)).status_code == 200
    assert {one.what for one in town.rounds.since(0)} == {"blocked", "emptied"}


async def test_a_bin_without_news_is_not_guessed(town: RealTown) -> None:
    town.clock.time_ms += 2 * 86_400_000
    async with town.staff("staff") as staff:
        bins = (await staff.get("/api/waste/bins.json")).json()
        page = (await staff.get("/nl/waste")).text
    assert all(one["is_old"] and not one["due"] for one in bins)
    assert "al een dag geen nieuws: ga kijken" in page
